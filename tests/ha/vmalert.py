"""vmalert, which evaluates the shipped alerts on the store instead of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
import yaml

from testbed.servers.http_server import HttpServer

#: Labels without the alert's state.
Active = set[frozenset[tuple[str, str]]]


class VmAlert(HttpServer):
    """vmalert on 127.0.0.1.

    Args:
        directory: See `Server`; with its copy of the rules.
        rules: Directory of rule files.
        store: What it asks.
        alertmanager: What it tells.
    """

    name = "vmalert"
    ready_path = "/health"

    def __init__(self, directory: Path, rules: Path, store: str, alertmanager: str) -> None:
        super().__init__(directory)
        self._store = store
        self._alertmanager = alertmanager
        for file in rules.glob("*.yml"):
            (directory / file.name).write_text(yaml.safe_dump(alerts_alone(yaml.safe_load(file.read_text()))))

    def command(self) -> Sequence[str]:
        return [
            "vmalert",
            f"-rule={self.directory}/*.yml",
            f"-datasource.url={self._store}",
            f"-notifier.url={self._alertmanager}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-disableAlertgroupLabel",
        ]

    def active(self) -> Active:
        """Alerts that are pending or fire."""
        return active(f"http://127.0.0.1:{self.port}/api/v1/alerts")


def alerts_alone(content: dict[str, Any]) -> dict[str, Any]:
    """The alerts of a rule file as vmalert 1.79 takes them: it does not know keep_firing_for yet.

    The recorded series are those that Prometheus has written.
    """
    groups = []
    for group in content["groups"]:
        alerts = [rule for rule in group["rules"] if "alert" in rule]
        rules = [{name: value for name, value in rule.items() if name != "keep_firing_for"} for rule in alerts]
        groups += [{**group, "rules": rules}] if rules else []
    return {"groups": groups}


def active(url: str) -> Active:
    """What the address says of alerts that are pending or fire."""
    answer = requests.get(url, timeout=10)
    answer.raise_for_status()
    return {frozenset(alert["labels"].items()) for alert in answer.json()["data"]["alerts"] or []}
