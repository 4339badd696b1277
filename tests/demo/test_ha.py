"""`make demo HA=1`: pairs of everything, a store with both's data and the same past, and nothing left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from demo.configs import prometheus_config
from demo.directory import RUNNING
from demo.parts import plan
from deploy import scale
from testbed.servers.prometheus import query
from tests.demo.test_demo import READY, demo, wait_for


def test_the_pair_is_configured_as_deploy_scale_does(tmp_path: Path) -> None:
    parts = plan(tmp_path, None, 2, ha=True)
    assert parts.store is not None
    shipped = yaml.safe_load(scale.SHIPPED.read_text())
    for number, replica in enumerate(scale.REPLICAS):
        used = prometheus_config(parts, number)
        expected = scale.variant(shipped, replica, scale.stores()["victoriametrics"])
        assert used["global"] == expected["global"]
        assert used["alerting"]["alert_relabel_configs"] == expected["alerting"]["alert_relabel_configs"]
        (write,) = used["remote_write"]
        assert write.pop("url") == f"{parts.store.url}/api/v1/write"
        expected["remote_write"][0].pop("url")
        assert used["remote_write"] == expected["remote_write"]
        for job in used["scrape_configs"]:
            (group,) = job["static_configs"]
            assert len(set(group["targets"])) == (1 if job["job_name"] in ("node", "grafana") else 2), job["job_name"]
        (alertmanagers,) = used["alerting"]["alertmanagers"]
        assert len(set(alertmanagers["static_configs"][0]["targets"])) == 2


def test_names_and_ports_differ(tmp_path: Path) -> None:
    servers = plan(tmp_path, None, 2, ha=True).all
    for values in ([server.name for server in servers], [server.port for server in servers]):
        assert len(set(values)) == len(servers)
    assert {server.name for server in servers} >= {"exporter", "exporter-1", "responder-1", "victoriametrics"}


@pytest.mark.slow
def test_pairs_and_a_store_with_the_same_past() -> None:
    with demo("--ha", history_hours=2) as running:
        running.read_until(READY)
        addresses = json.loads((running.directory / RUNNING).read_text())
        store = next(line for line in running.output.splitlines() if "VictoriaMetrics" in line).partition("/vmui")[0]
        for metric in ("ticketing_kpi_transactions_per_hour", "ticketing_fraud_predictions"):
            then = time.time() - 3600
            past = {tuple(sorted(labels.items())): value for labels, value in query(store, metric, round(then))}
            assert past == {
                tuple(sorted(series)): value for series, value in running.query(metric, round(then)).items()
            }
            assert past
        # Both exporters, and not once for each Prometheus.
        wait_for(lambda: len(query(store, 'up{job="ticketing-live"} == 1')) == 2)
        wait_for(lambda: len(running.query('up{job="responder"} == 1')) == 2)
        assert len(query(store, 'up{job="ticketing-live"}')) == 2

        command = [
            sys.executable,
            "-m",
            "demo.incident",
            "exporter-down",
            "--directory",
            str(running.directory),
        ]
        subprocess.run(command, check=True)
        wait_for(lambda: len(running.query('up{job="ticketing-live"} == 0')) == 2)
        subprocess.run([*command, "--stop"], check=True)
        wait_for(lambda: len(running.query('up{job="ticketing-live"} == 1')) == 2)

        assert addresses["exporters"] == "exporter exporter-1"
        assert running.end(signal.SIGINT) == 0
        running.assert_nothing_left()
