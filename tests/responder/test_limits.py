"""The shipped playbooks beside the shipped rules: they follow prometheus/rules/limits.yml, and nothing else."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.playbook_file import SHIPPED
from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.prometheus import Prometheus
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, DRIFT, FRAUD, LATENCY, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until
from tests.responder.quick_rules import RULES, copy_quick, quick

BOTH = {"main", "staging"}
JOBS = ("ticketing-critical", "ticketing-live", "ticketing-aggregates")
# Each limit that a playbook reads, with the alert that is above it and a value that is too high for it.
LIMITS = {
    "fraud_blocked_ratio_high": (FRAUD, 0.5),
    "blocked_minimum": (FRAUD, 1000),
    "certain_z": (FRAUD, 20),
    "api_latency_p95_seconds": (LATENCY, 9),
    "latency_transactions_minimum": (LATENCY, 9999),
    "feature_drift_nats": (DRIFT, 9),
    "mfa_failures": (ADMIN, 99),
}
# 60 of 600 are blocked, so the lower bound is 0.082. What is bad there is bad on both platforms, for ever.
METRICS = """\
ticketing_fraud_predictions{decision="BLOCKED",window="10m"} 60
ticketing_fraud_predictions{decision="REVIEW",window="10m"} 0
ticketing_fraud_predictions{decision="APPROVED",window="10m"} 540
ticketing_kpi_api_latency_p95_seconds 0.25
ticketing_kpi_transactions_per_hour 1247
ticketing_model_feature_drift_nats{feature="wallet_age_days"} 0.4
ticketing_admin_mfa_failures{account="alice.ops",window="5m"} 4
ticketing_exporter_collector_success{collector="fraud"} 1
ticketing_exporter_collector_success{collector="kpis"} 1
ticketing_exporter_collector_success{collector="model"} 1
ticketing_exporter_collector_success{collector="security"} 1
"""


class Exporter:
    def answer(self, request: Request) -> Reply | None:
        return Reply(200, METRICS.encode(), "text/plain; version=0.0.4") if request.path == "/metrics" else None


@dataclass
class Monitoring:
    """A Prometheus with the shipped rules, of which only limits.yml is edited."""

    prometheus: Prometheus
    file: Path

    def change(self, limit: str, to: float | None) -> None:
        """Give a limit another value for the platform main, or take it away; as a user does, and reload."""
        content = yaml.safe_load(quick((RULES / "limits.yml").read_text()))
        (group,) = content["groups"]
        (record,) = (rule for rule in group["rules"] if rule["labels"] == {"limit": limit})
        if to is None:
            group["rules"].remove(record)
        else:
            group["rules"].append({**record, "labels": {"limit": limit, "platform": "main"}, "expr": to})
        self.file.write_text(yaml.safe_dump(content))
        self.reload()

    def restore(self) -> None:
        self.file.write_text(quick((RULES / "limits.yml").read_text()))
        self.reload()

    def reload(self) -> None:
        os.kill(self.prometheus.pid, signal.SIGHUP)


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    directory = tmp_path_factory.mktemp("limits")
    with ExitStack() as stack:
        target = stack.enter_context(CounterpartServer([Exporter()])).url.removeprefix("http://")
        rules = copy_quick(directory / "rules", "*.yml")
        targets = [{"targets": [target], "labels": {"platform": name}} for name in sorted(BOTH)]
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": job, "static_configs": targets} for job in JOBS],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        prometheus = stack.enter_context(Prometheus(directory / "prometheus.yml"))
        wait_until(lambda: all(fires(prometheus, alert["alertname"]) == BOTH for alert, _ in LIMITS.values()), 60)
        yield Monitoring(prometheus, directory / "rules" / "limits.yml")


def fires(prometheus: Prometheus, alertname: str) -> set[str]:
    """The platforms on which an alert fires."""
    found = prometheus.query(f'ALERTS{{alertname="{alertname}",alertstate="firing"}}')
    return {labels["platform"] for labels, _ in found}


def responder_beside(start: Start, monitoring: Monitoring) -> ResponderProcess:
    playbooks: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    for playbook in playbooks.values():
        playbook["ends_when"]["for"] = "1s"
    return start({"prometheus": {"url": monitoring.prometheus.url}}, playbooks=playbooks)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_changed_in_its_file_alone(start: Start, monitoring: Monitoring, limit: str) -> None:
    alert, higher = LIMITS[limit]
    alert = {**alert, "platform": "main"}
    responder = responder_beside(start, monitoring)
    try:
        responder.post(message(firing(alert)))
        responder.post(message(resolved(alert)))
        wait_until(lambda: responder.incident()["last_check"] == "the alert is firing", 30)
        # Gone: the alert is mute, and that is no end.
        monitoring.change(limit, None)
        wait_until(
            lambda: str(responder.incident()["last_check"]).startswith("false or unknown: ticketing:"),
            30,
            lambda: str(responder.incident()),
        )
        assert responder.incident()["state"] == "ending"
        monitoring.change(limit, higher)
        wait_until(lambda: responder.incident()["state"] == "closed", 30, lambda: str(responder.incident()))
        # The other platform's limit is as it was.
        assert fires(monitoring.prometheus, alert["alertname"]) == {"staging"}
    finally:
        monitoring.restore()
        wait_until(lambda: fires(monitoring.prometheus, alert["alertname"]) == BOTH, 30)


@pytest.mark.parametrize("limit", ["fraud_blocked_ratio_high", "blocked_minimum"])
def test_the_threshold_is_lowered_by_the_same_limits(
    world: World, start: Start, monitoring: Monitoring, limit: str
) -> None:
    alert = {**FRAUD, "platform": "main"}
    responder = responder_beside(start, monitoring)
    try:
        monitoring.change(limit, LIMITS[limit][1])
        wait_until(lambda: fires(monitoring.prometheus, "FraudRateSpike") == {"staging"}, 30)
        responder.post(message(firing(alert)))
        shown, certain = ("50", "5.207") if limit == "fraud_blocked_ratio_high" else ("3", "0")
        skipped = responder.settled()["set_fraud_threshold"]
        assert skipped["reason"] == (
            f"only_while is false or unknown, blocked 60, limit_percent {shown}, percent_at_least {certain},"
            " predictions 600"
        )
        monitoring.change(limit, None)
        wait_until(lambda: not fires(monitoring.prometheus, "FraudRateSpike"), 30)
        responder.post(message(firing(alert)))
        wait_until(lambda: responder.actions()["set_fraud_threshold"]["attempts"] >= 1)
        assert responder.settled()["set_fraud_threshold"]["state"] == "skipped"
        assert world.redis.get("config:fraud_threshold") == "0.60"
    finally:
        monitoring.restore()
        wait_until(lambda: fires(monitoring.prometheus, "FraudRateSpike") == BOTH, 30)
    responder.post(message(firing(alert)))
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.50")
    (said,) = world.sql("SELECT message FROM platform.security_events WHERE event_type = 'fraud_rate_spike'")
    assert said[0].startswith(f"60 of 600 predictions in 10 minutes are blocked; {certain} % are certainly no chance")


def test_every_limit_that_a_playbook_reads_is_tried_here() -> None:
    # The recorded evidence reads two more.
    assert {"certain_z", "blocked_minimum", *re.findall(r'limit="(\w+)"', SHIPPED.read_text())} == set(LIMITS)


def test_no_playbook_has_the_number_of_a_limit() -> None:
    """What it compares with is a series; numbers are the parameters of actions."""
    for name, playbook in yaml.safe_load(SHIPPED.read_text()).items():
        texts = [*playbook["ends_when"]["all"], *(str(step.get("only_while", "")) for step in playbook["on_firing"])]
        for text in texts:
            for compared in re.findall(r"(?:<=|>=|==|!=|<|>)\s*([-+.\w]+)", text):
                assert compared in ("on", "-Inf", "1"), f"{name}: {text}"
        messages = [
            step.get(field, "")
            for step in (*playbook["on_firing"], *playbook.get("on_end", ()))
            for field in ("message", "text", "title", "reason")
        ]
        for text in messages:
            without = re.sub(r"\$\{[^}]*\}|\b(10|5) minutes|\bp95\b", "", text)
            assert not re.search(r"\d", without), f"{name}: {text}"
