"""Prometheus's times, wherever it is started: it resends as often, and stops within its grace."""

import re

from demo.parts import PROMETHEUS_FLAGS
from tests.compose.stack import ROOT, services

UNITS = {"s": 1, "m": 60}
RESEND = "--rules.alert.resend-delay"
FLUSH = "--storage.remote.flush-deadline"


def seconds(duration: str) -> int:
    return int(duration[:-1]) * UNITS[duration[-1]]


def flag(text: str, name: str) -> int:
    found = re.findall(rf"{re.escape(name)}=(\w+)", text)
    assert len(found) == 1
    return seconds(found[0])


def command(service: str) -> str:
    return " ".join(services()[service]["command"])


def test_every_prometheus_has_the_same_delay() -> None:
    delay = flag(command("prometheus"), RESEND)
    aws = (ROOT / "deploy" / "aws" / "prometheus.yml").read_text()
    kubernetes = re.findall(r"resendDelay: (\w+)", (ROOT / "docs" / "deploy-kubernetes.md").read_text())
    assert flag(command("prometheus-1"), RESEND) == delay
    assert flag(" ".join(PROMETHEUS_FLAGS), RESEND) == delay
    assert flag(aws, RESEND) == delay
    assert [seconds(one) for one in kubernetes] == [delay]


def test_prometheus_without_its_store_stops_within_its_grace() -> None:
    for name in ("prometheus", "prometheus-1"):
        assert 2 * flag(command(name), FLUSH) <= seconds(services()[name]["stop_grace_period"])
    aws = (ROOT / "deploy" / "aws" / "prometheus.yml").read_text()
    stop = re.search(r"StopTimeout: (\d+)", aws)
    assert stop
    assert 2 * flag(aws, FLUSH) <= int(stop[1])
