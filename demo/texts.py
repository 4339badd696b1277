"""Prints what every alert says on every channel, when it begins and when it ends: `make texts`.

The alerts are those of the rules' unit tests, where promtool holds their texts against the rules. The shipped templates
make notifications of them in a real Alertmanager, and the inbox takes these. Each alert is told on every channel; those
on which the shipped routes tell it are named first.
"""

import argparse
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from testbed.inbox.server import Inbox
from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Alertmanager, Receivers, demo_config

UNIT_TESTS = Path(__file__).parents[1] / "prometheus" / "rules" / "tests"

#: Receivers by the inbox's name for what they send to.
RECEIVERS = {"pagerduty": "pagerduty", "slack": "slack", "email": "email-ml", "sms": "sms-security"}
#: What says nothing of an end.
NO_END = "sms"

BEGAN, ENDED, LATER = "2026-01-02T18:12:33Z", "2026-01-02T18:40:10Z", "2099-01-01T00:00:00Z"
_PATIENCE_SECONDS = 20.0
_COLUMN = 78


class Alert(NamedTuple):
    """An alert as Prometheus tells it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its `alertname`."""
        return self.labels["alertname"]


#: What the inbox shows of notifications, by channel and status.
Told = Mapping[tuple[str, str], Mapping[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Print them; the exit status is 0 when there are any."""
    parser = argparse.ArgumentParser(prog="make texts", description="Prints what every alert says on every channel.")
    parser.add_argument("name", nargs="?", default="", help="of one alert; all without it")
    options = parser.parse_args(arguments)
    alerts = [alert for alert in shipped_alerts() if options.name in ("", alert.name)]
    if not alerts:
        print(f"There is no alert {options.name!r} in {UNIT_TESTS}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="ticketing-texts-") as directory:
        for alert, told in zip(alerts, notifications(alerts, Path(directory)), strict=True):
            print("\n".join([f"=== {alert.name} → {routed(alert)}", *page(told)]), end="\n\n")
    return 0


def shipped_alerts() -> list[Alert]:
    """One of each alert, team and section that the unit tests of the rules let fire; the Watchdog tells no people."""
    found: dict[tuple[str, ...], Alert] = {}
    for file in sorted(UNIT_TESTS.glob("*.yml")):
        tests = yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for entry in (entry for test in tests for entry in test.get("alert_rule_test", ())):
            for fired in entry["exp_alerts"] or ():
                labels = {"alertname": entry["alertname"], **fired["exp_labels"]}
                key = (labels["alertname"], labels["team"], labels["section"])
                found.setdefault(key, Alert(labels, fired["exp_annotations"]))
    return [found[key] for key in sorted(found) if key[0] != "Watchdog"]


def notifications(alerts: Sequence[Alert], directory: Path) -> Iterator[Told]:
    """What each channel receives of each alert.

    Args:
        alerts: Told one after the other, each of them until it has ended.
        directory: For the configuration of Alertmanager.

    Raises:
        TimeoutError: Something does not arrive.
    """
    with Inbox() as inbox:
        config = demo_config(SHIPPED_DIRECTORY, directory, Receivers(inbox.url, inbox.smtp_port))
        parsed = yaml.safe_load(config.read_text(encoding="utf-8"))
        parsed["route"] = {
            "receiver": "slack",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "50ms",
            "repeat_interval": "1h",
            "routes": [{"receiver": receiver, "continue": True} for receiver in RECEIVERS.values()],
        }
        config.write_text(yaml.safe_dump(parsed), encoding="utf-8")
        with Alertmanager(config, external_url="https://alertmanager.example.com") as alertmanager:
            for alert in alerts:
                inbox.clear()
                alertmanager.post([alert._asdict() | {"startsAt": BEGAN, "endsAt": LATER}])
                _wait(inbox, {(channel, "firing") for channel in RECEIVERS})
                alertmanager.post([alert._asdict() | {"startsAt": BEGAN, "endsAt": ENDED}])
                yield _wait(inbox, {(channel, "resolved") for channel in RECEIVERS if channel != NO_END})


def _wait(inbox: Inbox, expected: set[tuple[str, str]]) -> Told:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        told = {(one["channel"], one["status"]): one for one in inbox.notifications()}
        if expected <= told.keys():
            return told
        if time.monotonic() > deadline:
            raise TimeoutError(f"not told within {_PATIENCE_SECONDS:g} s: {expected - told.keys()}")
        time.sleep(0.02)


def routed(alert: Alert) -> str:
    """Whom the shipped routes tell of it, separated by commas."""
    config = SHIPPED_DIRECTORY / "alertmanager.yml"
    labels = [f"{name}={value}" for name, value in alert.labels.items()]
    command = ["amtool", "config", "routes", "test", f"--config.file={config}", *labels]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().replace(",", ", ")


def page(told: Told) -> Iterator[str]:
    """The lines of one alert: how it begins on the left, how it ends on the right."""
    for channel in RECEIVERS:
        columns = [list(_wrapped(told.get((channel, status)))) for status in ("firing", "resolved")]
        yield f"--- {channel}"
        yield from (f"{left:{_COLUMN}} | {right}".rstrip() for left, right in zip_longest(*columns, fillvalue=""))


def _wrapped(notification: Mapping[str, Any] | None) -> Iterator[str]:
    if notification is None:
        yield "(says nothing of the end)"
        return
    # A telephone shows no title.
    title = "" if notification["channel"] == "sms" else f"{notification['title']}\n"
    for line in f"{title}{notification['text']}".splitlines():
        yield from textwrap.wrap(line, _COLUMN) or [""]


if __name__ == "__main__":
    sys.exit(main())
