"""Real Prometheus and Alertmanager: an outage of Prometheus tells nobody that an incident has ended."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.alertmanager import Alertmanager
from testbed.servers.prometheus import Prometheus
from tests.compose.test_prometheus_flags import RESEND, command, flag
from tests.responder.process import wait_until

#: How many times faster than shipped.
HASTE = 12
OUTAGE = 5 * 60 / HASTE


@dataclass
class World:
    """A source of one gauge for each alert, and a receiver that keeps what it is told."""

    broken: dict[str, int] = field(default_factory=lambda: {"First": 1, "Second": 0})
    told: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, request: Request) -> Reply | None:
        if request.path == "/metrics":
            lines = [f'broken{{part="{part}"}} {value}\n' for part, value in self.broken.items()]
            return Reply(200, "".join(lines).encode(), "text/plain; version=0.0.4")
        if request.path == "/told":
            self.told += [(one["labels"]["alertname"], one["status"]) for one in request.json()["alerts"]]
            return Reply(200)
        return None


@dataclass
class Stack:
    world: World
    prometheus: Prometheus


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    world = World()
    with ExitStack() as exits:
        source = exits.enter_context(CounterpartServer([world]))
        routes = tmp_path / "alertmanager.yml"
        routes.write_text(yaml.safe_dump(_alertmanager_config(f"{source.url}/told")))
        alertmanager = exits.enter_context(Alertmanager(routes))
        rules = [
            {"alert": part, "expr": f'broken{{part="{part}"}} == 1', "labels": {"severity": "high"}}
            for part in world.broken
        ]
        (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
        config = tmp_path / "prometheus.yml"
        config.write_text(yaml.safe_dump(_prometheus_config(source.url, alertmanager.url)))
        delay = flag(command("prometheus"), RESEND) / HASTE
        flags = [f"{RESEND}={delay * 1000:.0f}ms"]
        yield Stack(world, exits.enter_context(Prometheus(config, tmp_path / "prometheus", flags=flags)))


def _alertmanager_config(url: str) -> dict[str, Any]:
    route = {"receiver": "all", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    return {
        "route": {**route, "repeat_interval": "1h"},
        "receivers": [{"name": "all", "webhook_configs": [{"url": url, "send_resolved": True}]}],
    }


def _prometheus_config(source: str, alertmanager: str) -> dict[str, Any]:
    def static(url: str) -> list[dict[str, Any]]:
        return [{"targets": [url.removeprefix("http://")]}]

    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": static(alertmanager)}]},
        "scrape_configs": [{"job_name": "source", "static_configs": static(source)}],
    }


@pytest.mark.slow
def test_an_outage_ends_nothing_and_delays_nothing(stack: Stack) -> None:
    world, prometheus = stack.world, stack.prometheus
    wait_until(lambda: ("First", "firing") in world.told, what=lambda: str(world.told))
    # The worst moment: long after the last sending.
    time.sleep(0.8 * flag(command("prometheus"), RESEND) / HASTE)

    prometheus.kill9()
    world.broken["Second"] = 1
    time.sleep(OUTAGE)
    assert world.told == [("First", "firing")]

    prometheus.start()
    began = time.monotonic()
    wait_until(lambda: ("Second", "firing") in world.told, what=lambda: str(world.told))
    wait_until(lambda: time.monotonic() - began > OUTAGE, OUTAGE + 5)
    assert ("First", "resolved") not in world.told

    # A real end is told at once, not when the alert's validity runs out.
    world.broken["First"] = 0
    wait_until(lambda: ("First", "resolved") in world.told, 8, lambda: str(world.told))
