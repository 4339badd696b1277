"""The shipped times that bound a latency, read from the shipped files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from backtest.promql import seconds
from demo.configs import SHIPPED_PROMETHEUS_CONFIG
from demo.rules import SHIPPED_RULES
from testbed.servers.alertmanager import SHIPPED_DIRECTORY


@dataclass(frozen=True)
class Settings:
    """What an alert waits for on its way, in seconds.

    Attributes:
        probe: between two looks at a service; 0 when the exporter reads the source at each scrape.
        scrape: between two scrapes of its job.
        evaluation: between two evaluations of its rule.
        pending: its `for`.
        group_wait: of its route.
    """

    probe: float
    scrape: float
    evaluation: float
    pending: float
    group_wait: float

    @property
    def bound(self) -> float:
        """The longest, if everything in between took no time."""
        return self.probe + self.scrape + self.evaluation + self.pending + self.group_wait

    @property
    def sum(self) -> str:
        """The terms that are there, for people."""
        terms = {
            "probe": self.probe,
            "scrape": self.scrape,
            "evaluation": self.evaluation,
            "for": self.pending,
            "group_wait": self.group_wait,
        }
        return " + ".join(f"{name} {value:g}" for name, value in terms.items() if value or name == "group_wait")


def shipped(alert: str, receiver: str, severity: str, probe: float = 0) -> Settings:
    """The times of an alert.

    Args:
        alert: its name.
        receiver: where it is waited for.
        severity: by which the route to that receiver is found, unless it goes by playbook.
        probe: see `Settings`.
    """
    group, rule = _rule(alert)
    jobs = _load(SHIPPED_PROMETHEUS_CONFIG)["scrape_configs"]
    (job,) = (job for job in jobs if job["job_name"] == rule["labels"]["source_job"])
    routes = _load(SHIPPED_DIRECTORY / "alertmanager.yml")["route"]["routes"]
    (route,) = (
        route
        for route in routes
        if route["receiver"] == receiver and {*route["matchers"]} & {f'severity="{severity}"', 'playbook!=""'}
    )
    return Settings(
        probe,
        seconds(job["scrape_interval"]),
        seconds(group["interval"]),
        seconds(rule.get("for", "0s")),
        seconds(route["group_wait"]),
    )


def _rule(alert: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An alert's group and rule."""
    for path in SHIPPED_RULES.glob("*.yml"):
        for group in _load(path)["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") == alert:
                    return group, rule
    raise LookupError(f"{SHIPPED_RULES} has no alert {alert}")


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
