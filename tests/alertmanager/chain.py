"""A real Alertmanager with the shipped configuration, and the inbox that takes what it sends."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.inbox.server import Inbox
from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Alertmanager, Receivers, demo_config

EXTERNAL_URL = "https://alertmanager.example.com"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TIMINGS = ("group_wait", "group_interval", "repeat_interval")
#: How many times faster than shipped `hasten` makes it.
HASTE = 20

#: Channel, alert name, status.
Arrival = tuple[str, str, str]
Config = dict[str, Any]


@dataclass
class Chain:
    alertmanager: Alertmanager
    inbox: Inbox

    def arrivals(self) -> Counter[Arrival]:
        return Counter(
            (one["channel"], alert_name(one), one["status"])
            for one in self.inbox.notifications()
            if one["channel"] != "heartbeat"
        )

    def wait_for(self, expected: Iterable[Arrival], timeout_seconds: float = 15) -> None:
        wanted = set(expected)
        wait_until(lambda: wanted <= set(self.arrivals()), timeout_seconds, lambda: wanted - set(self.arrivals()))


@contextmanager
def chain(directory: Path, edit: Callable[[Config], None] = lambda _: None) -> Iterator[Chain]:
    with Inbox() as inbox:
        config = demo_config(SHIPPED_DIRECTORY, directory, Receivers(inbox.url, inbox.smtp_port))
        parsed = yaml.safe_load(config.read_text())
        edit(parsed)
        config.write_text(yaml.safe_dump(parsed))
        with Alertmanager(config, external_url=EXTERNAL_URL) as alertmanager:
            yield Chain(alertmanager, inbox)


def routes(config: Config) -> list[Config]:
    return [config["route"], *config["route"]["routes"]]


def hasten(config: Config) -> None:
    for route in routes(config):
        for name in TIMINGS:
            if name in route:
                number, unit = re.fullmatch(r"(\d+)([smhd])", route[name]).groups()  # type: ignore[union-attr]
                # All alerts that are sent at once have to be there before the first message, on a busy machine, too.
                haste = HASTE // 4 if name == "group_wait" else HASTE
                route[name] = f"{int(number) * UNITS[unit] * 1000 // haste}ms"


def alert(labels: dict[str, str], **more: Any) -> dict[str, Any]:
    name = labels["alertname"]
    annotations = {
        "summary": f"Summary of {name}",
        "description": f"Description of {name}",
        "runbook_url": f"https://docs.example.com/runbooks#{name.lower()}",
        "dashboard_url": f"/admin/monitoring/d/ticketing/ticketing?var-platform={labels.get('platform', '')}",
    }
    return {"labels": labels, "annotations": annotations, **more}


def ended(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "startsAt": "2026-01-02T18:12:33Z", "endsAt": "2026-01-02T18:40:10Z"}


def alert_name(notification: dict[str, Any]) -> str:
    raw = notification["raw"]
    match notification["channel"]:
        case "pagerduty":
            return str(raw["payload"]["class"])
        case "sms":
            return str(re.sub(r".*\] ", "", raw["Subject"]))
        case "slack" | "email":
            return str(re.search(r"\] (\w+)", notification["title"])[1])  # type: ignore[index]
    return str(raw["commonLabels"]["alertname"])


def wait_until(
    condition: Callable[[], bool], timeout_seconds: float, missing: Callable[[], object] = lambda: ""
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {timeout_seconds} s: {missing()}"
        time.sleep(0.05)
