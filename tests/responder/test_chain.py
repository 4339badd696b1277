"""Real Prometheus and Alertmanagers in front of the responder, and what happens when they die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from responder.playbook_file import SHIPPED
from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Alertmanager, Receivers, demo_config
from testbed.servers.ports import free_port
from testbed.servers.prometheus import Prometheus
from tests.alertmanager.chain import hasten
from tests.responder.conftest import World
from tests.responder.process import TOKEN, ResponderProcess, wait_until
from tests.responder.quick_rules import copy_quick


@dataclass
class Exporter:
    """What the exporter says of failed second factors."""

    failures: int = 0

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/metrics":
            return None
        return Reply(
            200,
            f'ticketing_admin_mfa_failures{{account="alice.ops",window="5m"}} {self.failures}\n'
            'ticketing_exporter_collector_success{collector="security"} 1\n'.encode(),
            "text/plain; version=0.0.4",
        )


@dataclass
class Chain:
    exporter: Exporter
    prometheus: Prometheus
    alertmanagers: list[Alertmanager]
    responder: ResponderProcess

    def alerts(self, outcome: str) -> float:
        return self.responder.metric("ticketing_responder_alerts_total", outcome=outcome) or 0


@pytest.fixture
def chain(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Chain]:
    """One Prometheus, and two Alertmanagers that know nothing of each other: a partition that lasts.

    A parameter is the responder's `pace`.
    """
    exporter = Exporter()
    with ExitStack() as stack:
        source = stack.enter_context(CounterpartServer([exporter]))
        directories = [tmp_path / "one", tmp_path / "two"]
        # Prometheus's address is needed before it can be started.
        prometheus = Prometheus(tmp_path / "prometheus.yml", flags=["--rules.alert.resend-delay=1s"])
        stack.callback(prometheus.close)
        playbooks: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
        playbooks["UnauthorizedAdminAccess"]["ends_when"]["for"] = "1s"
        responder = stack.enter_context(
            ResponderProcess(
                world.database.responder_dsn,
                world.redis_url,
                world.config(prometheus={"url": prometheus.url}),
                playbooks,
                pace=getattr(request, "param", None),
            )
        )
        receivers = Receivers(world.outside.url, free_port(), responder_urls=[f"{responder.url}/alerts"])
        alertmanagers = []
        for directory in directories:
            config = demo_config(SHIPPED_DIRECTORY, directory, receivers)
            parsed = yaml.safe_load(config.read_text())
            hasten(parsed)
            config.write_text(yaml.safe_dump(parsed))
            (directory / "secrets" / "responder_token").write_text(TOKEN)
            alertmanagers.append(stack.enter_context(Alertmanager(config)))
        rules = copy_quick(tmp_path / "rules", "limits*.yml", "security.yml", "responder.yml", keep_firing_for="1s")
        jobs = {"ticketing-critical": source.url, "responder": responder.url}
        prometheus.config.write_text(yaml.safe_dump(_prometheus_config(jobs, rules, alertmanagers)))
        prometheus.start()
        yield Chain(exporter, prometheus, alertmanagers, responder)


def _prometheus_config(jobs: dict[str, str], rules: str, alertmanagers: list[Alertmanager]) -> dict[str, Any]:
    def targets(*urls: str) -> dict[str, Any]:
        return {"targets": [url.removeprefix("http://") for url in urls]}

    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
        "alerting": {
            "alertmanagers": [{"timeout": "1s", "static_configs": [targets(*(one.url for one in alertmanagers))]}]
        },
        "scrape_configs": [
            {"job_name": name, "static_configs": [{**targets(url), "labels": {"platform": "main"}}]}
            for name, url in jobs.items()
        ],
    }


def test_one_effect_whoever_dies(world: World, chain: Chain) -> None:
    responder = chain.responder
    world.fail_sign_ins("alice.ops", "203.0.113.99")
    wait_until(lambda: bool(chain.prometheus.query("ticketing_admin_mfa_failures == 0")), 30)
    chain.exporter.failures = 3
    wait_until(world.locked, 30)
    # Both halves of the partition say so.
    wait_until(lambda: chain.alerts("opened") + chain.alerts("kept") >= 2, 30)
    assert chain.alerts("opened") == 1

    chain.alertmanagers[0].kill9()
    chain.prometheus.kill9()
    # The Alertmanager that is left takes the silence for the end, and nobody confirms it.
    wait_until(lambda: chain.alerts("ending") >= 1, 60)
    wait_until(lambda: str(responder.incident()["last_check"]).startswith("Prometheus: GET"), 30)
    assert responder.incident()["state"] == "ending"

    chain.prometheus.start()
    chain.alertmanagers[0].start()
    kept = chain.alerts("kept")
    wait_until(lambda: chain.alerts("kept") > kept, 60)
    assert responder.incident()["state"] != "closed"

    chain.exporter.failures = 0
    wait_until(lambda: responder.incident()["state"] == "closed", 60, lambda: str(responder.incident()))
    correlation_id = responder.incident()["correlation_id"]
    assert chain.alerts("opened") == 1
    assert world.sql("SELECT event_type FROM platform.security_events WHERE correlation_id IS NOT NULL") == [
        ("admin_account_lock",)
    ]
    assert world.sql("SELECT correlation_id::text FROM platform.threat_indicators") == [(correlation_id,)]
    assert len(world.siem.incidents) == 1
    assert world.locked()


def silence(alertmanager: Alertmanager, name: str) -> str:
    """Silence an alert; what the silence is called."""
    body = {
        "matchers": [{"name": "alertname", "value": name, "isRegex": False, "isEqual": True}],
        "startsAt": "2026-01-02T18:12:33Z",
        "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "somebody",
        "comment": "known",
    }
    answer = requests.post(f"{alertmanager.url}/api/v2/silences", json=body, timeout=10)
    answer.raise_for_status()
    return str(answer.json()["silenceID"])


@pytest.mark.parametrize("chain", [{"stale_after": "2s"}], indirect=True)
def test_a_silence_neither_ends_an_incident_nor_pages(world: World, chain: Chain) -> None:
    responder = chain.responder
    world.fail_sign_ins("alice.ops", "203.0.113.99")
    wait_until(lambda: bool(chain.prometheus.query("ticketing_admin_mfa_failures == 0")), 30)
    chain.exporter.failures = 3
    wait_until(world.locked, 30)
    silences = [(one, silence(one, "UnauthorizedAdminAccess")) for one in chain.alertmanagers]
    # Nothing is heard of it any more; the responder asks, and is told that it goes on. So does Prometheus's own alert.
    ending = 'ticketing_responder_incidents{playbook="UnauthorizedAdminAccess",state="ending"}'
    wait_until(lambda: bool(chain.prometheus.query(f"min_over_time({ending}[5s]) == 1 and {ending} offset 5s")), 60)
    assert (responder.incident()["state"], responder.incident()["last_check"]) == ("ending", "the alert is firing")
    assert not chain.prometheus.query('last_over_time(ALERTS{alertname="ResponderEndUnverified"}[1h])')
    assert world.locked()

    for alertmanager, identifier in silences:
        requests.delete(f"{alertmanager.url}/api/v2/silence/{identifier}", timeout=10).raise_for_status()
    # It goes on for those who are told of it, too: the same one.
    kept = chain.alerts("kept")
    wait_until(lambda: chain.alerts("kept") > kept, 60)
    assert (chain.alerts("opened"), len(responder.incidents())) == (1, 1)

    for alertmanager in chain.alertmanagers:
        silence(alertmanager, "UnauthorizedAdminAccess")
    told = chain.alerts("ending")
    chain.exporter.failures = 0
    # Nobody says that it is over.
    wait_until(lambda: responder.incident()["state"] == "closed", 60, lambda: str(responder.incident()))
    assert chain.alerts("ending") == told
