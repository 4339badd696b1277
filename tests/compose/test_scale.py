"""Variants differ from what is shipped in what makes them variants, and are valid."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy import scale
from gateway.__main__ import env_file
from simulator.demo import compose as demo
from tests.compose.stack import ROOT, services


@pytest.mark.parametrize("replica", scale.REPLICAS)
def test_a_pair_of_prometheus_servers(tmp_path: Path, replica: str) -> None:
    scale.main(tmp_path)
    (tmp_path / "rules").symlink_to(ROOT / "prometheus" / "rules")
    subprocess.run(["promtool", "check", "config", tmp_path / f"{replica}.yml"], check=True, capture_output=True)
    shipped = yaml.safe_load(scale.SHIPPED.read_text())
    variant = yaml.safe_load((tmp_path / f"{replica}.yml").read_text())
    assert variant.pop("remote_write")[0]["url"] == scale.STORE
    assert variant["global"].pop("external_labels") == {"replica": replica}
    shipped["global"].pop("external_labels")
    exporters = {"names": ["exporter"], "type": "A", "port": 8010, "refresh_interval": "15s"}
    for config in (shipped, variant):
        for job in config["scrape_configs"]:
            if job["job_name"].startswith("ticketing-"):
                found = job.pop("dns_sd_configs", None) or job.pop("static_configs")
                assert found == ([exporters] if config is variant else [{"targets": [scale.EXPORTER]}])
            elif job["job_name"] in scale.PAIRS:
                del job["static_configs"]
        del config["alerting"]["alertmanagers"][0]["static_configs"]
    assert variant == shipped


def test_the_demo_notifies_the_inbox(tmp_path: Path) -> None:
    demo.main(tmp_path / "demo")
    text = (tmp_path / "demo" / "alertmanager.yml").read_text()
    hosts = set(re.findall(r"https?://([\w.-]+)|smarthost: ([\w.-]+)", text))
    assert {first or second for first, second in hosts} == {"inbox", "responder"}
    named = set(re.findall(r"_file: (\S+)", text))
    mounted = {one["target"] for one in services()["alertmanager"]["secrets"]}
    assert {f"/etc/alertmanager/{file.rstrip('}')}" for file in named} <= mounted
    subprocess.run(["amtool", "check-config", tmp_path / "demo" / "alertmanager.yml"], check=True, capture_output=True)


def test_shipped_alertmanager_has_its_secrets() -> None:
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    named = {file.rstrip("}") for file in re.findall(r"_file: (\S+)", text)}
    mounted = {one["target"] for one in services()["alertmanager"]["secrets"]}
    assert {f"/etc/alertmanager/{file}" for file in named} == mounted


def test_the_gateways_probe_is_of_its_own_name() -> None:
    host = env_file(ROOT / ".env.example")["MONITORING_HOST"]
    for name in ("exporter.yml", "exporter-demo.yml"):
        probes = yaml.safe_load((ROOT / "deploy" / "compose" / name).read_text())["probes"]
        assert probes["gateway"]["url"] == f"https://{host}:8443/admin/monitoring/"
        assert probes["gateway"]["valid_status"] == [403]
        assert {probes[one]["interval"] for one in ("grafana", "gateway", "sign_in", "identity")} == {"60s"}
