"""The demo shows live values with a past, and leaves nothing behind however it ends."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests
import yaml

from demo.configs import SHIPPED_PROMETHEUS_CONFIG, prometheus_config, sections_by_job, targets
from demo.directory import suits
from demo.openmetrics import write_scrape
from demo.parts import plan
from demo.replay import steps
from demo.supervision import configuration
from testbed.servers.process import family, state

READY = "Ctrl-C ends it"
Series = frozenset[tuple[str, str]]


class Demo:
    """A demo in a subprocess, with the lines it printed."""

    def __init__(self, *options: str, environment: dict[str, str] | None = None) -> None:
        # Tests that run under nohup, which ignores SIGHUP, must not keep the demo from seeing it.
        command = ["env", "--default-signal=HUP", sys.executable, "-m", "demo", *options]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Whether this machine has a Grafana must make no difference.
            env={**os.environ, "GRAFANA_HOME": "/nowhere", **(environment or {})},
            start_new_session=True,
        )
        self.output = ""
        self.pids: set[int] = set()
        self.ended = 0.0

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        while text not in self.output:
            line = self.process.stdout.readline()
            assert line, f"the demo ended without {text!r}:\n{self.output}"
            self.output += line

    def end(self, number: signal.Signals) -> int:
        """Send the signal and return the exit status."""
        self.pids = family(self.process.pid)
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.output += self.process.stdout.read()
        status = self.process.wait(60)
        self.ended = time.time()
        return status

    @property
    def directory(self) -> Path:
        return Path(re.search(r" in (/\S+)", self.output).group(1))  # type: ignore[union-attr]

    @property
    def ports(self) -> set[int]:
        return {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", self.output)}

    @property
    def prometheus(self) -> str:
        return re.search(r"(http://\S+)/graph", self.output).group(1)  # type: ignore[union-attr]

    def query(self, promql: str, at: float | None = None) -> dict[Series, float]:
        parameters: dict[str, Any] = {"query": promql, **({} if at is None else {"time": at})}
        answer = requests.get(f"{self.prometheus}/api/v1/query", params=parameters, timeout=30)
        answer.raise_for_status()
        result = answer.json()["data"]["result"]
        return {frozenset(series["metric"].items()): float(series["value"][1]) for series in result}

    def assert_nothing_left(self) -> None:
        assert not {pid for pid in self.pids if state(pid) not in "ZX"}
        assert not processes_that_name(self.directory)
        assert not self.directory.exists()
        assert not self.listened_on()

    def listened_on(self) -> set[int]:
        """Ports on which a process of that time still listens; another test may have been given one of them since."""
        return {
            one.laddr.port
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
            and one.pid
            and one.laddr
            and one.laddr.port in self.ports
            and psutil.Process(one.pid).create_time() < self.ended
        }


def processes_that_name(directory: Path) -> set[str]:
    """Command lines with the directory in it."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(directory) in (line := file.read_text(errors="replace")):
                found.add(line)
    return found


@contextmanager
def demo(*options: str, history_hours: float = 0.1, **more: Any) -> Iterator[Demo]:
    running = Demo("--history-hours", str(history_hours), *options, **more)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
        running.wait()


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 150) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.5)


def test_shipped_config_is_valid() -> None:
    subprocess.run(["promtool", "check", "config", str(SHIPPED_PROMETHEUS_CONFIG)], check=True)


def test_shipped_config_has_each_section_once() -> None:
    config = yaml.safe_load(SHIPPED_PROMETHEUS_CONFIG.read_text())
    sections = [section for collected in sections_by_job(config).values() for section in collected]
    assert sorted(sections) == ["fraud", "health", "kpis", "model", "security", "traffic"]


def test_demo_changes_only_the_addresses_and_the_rules(tmp_path: Path) -> None:
    parts = plan(tmp_path, None, 2)
    shipped, used = yaml.safe_load(SHIPPED_PROMETHEUS_CONFIG.read_text()), prometheus_config(parts)
    assert used.pop("rule_files") == [str(parts.rules / "*.yml")]
    assert shipped.pop("rule_files") == ["rules/*.yml"]
    absent = {target.partition(":")[0] for target, port in targets(parts).items() if port is None}
    shipped["scrape_configs"] = [job for job in shipped["scrape_configs"] if job["job_name"] not in absent]
    for config in (shipped, used):
        for job in [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]:
            assert len(job["static_configs"]) == 1
            addresses = job["static_configs"][0].pop("targets")
            assert config is shipped or all(address.startswith("127.0.0.1:") for address in addresses)
    assert used == shipped


def test_jobs_of_the_design_are_shipped() -> None:
    """The rules speak of all of them."""
    config = yaml.safe_load(SHIPPED_PROMETHEUS_CONFIG.read_text())
    jobs = {job["job_name"]: job.get("metrics_path", "/metrics") for job in config["scrape_configs"]}
    others = {"node", "prometheus", "alertmanager", "responder"}
    assert {name for name, path in jobs.items() if path == "/metrics"} - others == {*sections_by_job(config)}
    assert others < jobs.keys()
    assert jobs["grafana"] == "/admin/monitoring/metrics"


@pytest.mark.parametrize(
    ("exposition", "expected"),
    [
        ("# HELP a b\na 1\n", 'a{job="j",instance="i"} 1 1700000000.500\n'),
        ('a{b="c d}"} NaN\n', 'a{job="j",instance="i",b="c d}"} NaN 1700000000.500\n'),
        ("", ""),
    ],
)
def test_write_scrape(exposition: str, expected: str) -> None:
    file = io.StringIO()
    write_scrape(file, exposition, {"job": "j", "instance": "i"}, 1_700_000_000.5)
    assert file.getvalue() == expected


@pytest.mark.parametrize("hours", [0.1, 1, 2, 24])
def test_two_halves_make_the_whole(hours: float) -> None:
    both = [*steps(hours, "first"), *steps(hours, "second")]
    assert both == list(range(int(hours * 30), -1, -1))


def test_supervisor_configuration_survives_odd_paths(tmp_path: Path) -> None:
    directory = tmp_path / "a b%c"
    text = configuration(directory, plan(directory, None, 2).all, as_root=False)
    assert f"logfile={tmp_path}/a b%%c/supervisord.log" in text
    assert "--dir '" in text


def test_run_directory_must_be_short_for_the_socket() -> None:
    assert not suits(Path("/tmp") / ("x" * 80))
    assert suits(Path("/tmp/demo"))


def test_live_and_past_values() -> None:
    with demo(history_hours=2) as running:
        running.read_until(READY)
        assert running.directory.is_dir()
        board = re.search(r"http://\S+/consoles/monitoring\.html", running.output)
        assert board is not None
        assert requests.get(board[0], timeout=10).ok
        for title in ("KPIs", "Fraud", "Traffic", "Model", "Health", "Security"):
            assert title in running.output

        scraped = len(yaml.safe_load((running.directory / "prometheus.yml").read_text())["scrape_configs"])
        wait_for(lambda: len(running.query("up == 1")) == scraped)
        assert len(running.query("up")) == scraped
        wait_for(lambda: len(running.query("ticketing_probe_success == 1")) == 6)
        wait_for(lambda: len(running.query("ticketing_exporter_collector_success == 1")) == 6)

        now = time.time()
        for metric in (
            "ticketing_kpi_transactions_per_hour",
            "ticketing_kpi_revenue_per_hour_usd",
            "ticketing_fraud_predictions",
            "ticketing_fraud_predictions_total",
            "ticketing_fraud_score_bucket",
            "ticketing_api_requests_per_minute",
            "ticketing_rate_limit_requests_per_minute",
            "ticketing_model_baseline_ratio",
            "ticketing_model_info",
            "ticketing_security_events",
            "ticketing_exporter_build_info",
        ):
            live, past = running.query(metric, now), running.query(metric, now - 3600)
            assert live, metric
            assert live.keys() == past.keys()
        # Without a gap between the past and the scrapes of now.
        for step in range(0, 3600, 60):
            assert running.query("ticketing_kpi_transactions_per_hour", now - step)

        attack_admin(running)

        stop = re.search(r"^To stop one part: (.*)$", running.output, re.MULTILINE)
        assert stop is not None
        subprocess.run(stop.group(1).split(), check=True)
        wait_for(lambda: len(running.query('up{job=~"ticketing-.*"} == 0')) == 3)

        assert running.end(signal.SIGINT) == 0
        assert len(running.ports) >= 6
        running.assert_nothing_left()


def attack_admin(running: Demo) -> None:
    """Three failed second factors page, send an SMS and reach the responder, which acts and tells the chat."""
    inbox = re.search(r"^(\S+)/ +inbox", running.output, re.MULTILINE).group(1)  # type: ignore[union-attr]

    def told(alert: str) -> set[str]:
        kept = requests.get(f"{inbox}/api/notifications", timeout=10).json()["notifications"]
        return {each["channel"] for each in kept if alert in json.dumps(each["raw"])}

    wait_for(lambda: told("Watchdog") == {"heartbeat"})
    command = [sys.executable, "-m", "demo.incident", "admin-attack", "--directory", str(running.directory)]
    subprocess.run(command, check=True)
    wait_for(lambda: told("UnauthorizedAdminAccess") == {"pagerduty", "sms", "responder", "slack"})
    subprocess.run([*command, "--stop"], check=True)
    follow_the_correlation_id(running, inbox)


def follow_the_correlation_id(running: Demo, inbox: str) -> None:
    """The account is locked and its source in the feed; one ID leads from the chat to all that was done."""
    shown = re.search(r"^To see what the responder did: .*'(Authorization): (.*)' (\S+)$", running.output, re.MULTILINE)
    assert shown is not None
    (incident,) = requests.get(shown[3], headers={shown[1]: shown[2]}, timeout=10).json()["incidents"]
    assert {(each["action"], each["state"]) for each in incident["actions"]} == {
        ("lock_account", "done"),
        ("record_siem", "done"),
        ("add_threat_indicator", "done"),
        ("open_siem_incident", "done"),
        ("notify", "done"),
    }
    correlation_id = incident["correlation_id"]
    chat = requests.get(f"{inbox}/api/notifications?channel=slack", timeout=10).json()["notifications"]
    assert any(correlation_id in each["raw"].get("text", "") for each in chat)
    platform = re.search(r"^(\S+)/ +the simulated platform", running.output, re.MULTILINE).group(1)  # type: ignore[union-attr]
    for path in ("/siem/events", "/siem/incidents"):
        assert [each["correlation_id"] for each in requests.get(platform + path, timeout=10).json()] == [correlation_id]
    dsn = re.search(r"^(postgresql://monitoring_reader@\S+)", running.output, re.MULTILINE).group(1)  # type: ignore[union-attr]
    connection = psycopg2.connect(dsn.replace("monitoring_reader", "postgres"))
    with connection, connection.cursor() as cursor:
        # She may have mistyped a code herself within the quarter of an hour before.
        cursor.execute(
            "SELECT DISTINCT host(source_ip) FROM platform.security_events, monitoring.responder_incidents"
            " WHERE event_type IN ('login_failed', 'mfa_failed') AND account = 'alice.ops'"
            " AND occurred_at >= opened_at - interval '15 minutes' AND playbook = 'UnauthorizedAdminAccess'"
        )
        sources = {address for (address,) in cursor.fetchall()}
        assert "203.0.113.99" in sources
        for table, column, expected in (
            ("platform.admin_accounts WHERE locked_at IS NOT NULL", "account", {"alice.ops"}),
            ("platform.threat_indicators", "host(source_ip)", sources),
            ("monitoring.security_events WHERE correlation_id IS NOT NULL", "event_type", {"admin_account_lock"}),
        ):
            cursor.execute(f"SELECT {column}, correlation_id::text FROM {table} ORDER BY 1")
            assert cursor.fetchall() == [(one, correlation_id) for one in sorted(expected)]
    connection.close()


@pytest.mark.slow
def test_two_at_once() -> None:
    with demo() as first, demo() as second:
        second.read_until(READY)
        first.read_until("inbox")
        assert first.directory != second.directory
        assert not first.ports & second.ports
        assert first.end(signal.SIGINT) == 0
        first.assert_nothing_left()
        assert second.query("up == 1")
        assert second.end(signal.SIGHUP) == 0
        second.assert_nothing_left()


@pytest.mark.parametrize(
    ("stage", "number"),
    [
        ("PostgreSQL", signal.SIGINT),
        ("history", signal.SIGTERM),
        ("scraped", signal.SIGHUP),
    ],
)
def test_ended_during_startup(stage: str, number: signal.Signals) -> None:
    with demo() as running:
        running.read_until(stage)
        assert running.end(number) == 0
        running.assert_nothing_left()


def test_ends_when_nobody_reads_it() -> None:
    with demo() as running:
        running.read_until("history")
        assert running.process.stdout is not None
        running.process.stdout.close()
        assert running.process.wait(120) == 0
        running.assert_nothing_left()


def test_killed_demo_leaves_no_process() -> None:
    with demo() as running:
        running.read_until("scraped")
        pids = family(running.process.pid)
        running.process.kill()
        wait_for(lambda: all(state(pid) in "ZX" for pid in pids), 60)
        subprocess.run(["rm", "-rf", str(running.directory)], check=True)


def test_part_that_dies_is_named_with_its_log(tmp_path: Path) -> None:
    broken = tmp_path / "prometheus-node-exporter"
    broken.write_text("#!/bin/sh\necho the reason\nexit 3\n")
    broken.chmod(0o755)
    with demo(environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) as running:
        assert running.wait() == 1
    assert "node-exporter ended at its start:\nthe reason" in running.output
    running.assert_nothing_left()
