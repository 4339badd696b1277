"""Prometheus's times, wherever it is started: it resends as often, and stops within its grace."""

import re

from backtest.promql import seconds
from demo.parts import PROMETHEUS_FLAGS
from tests.compose.stack import ROOT, services
from tests.contrib.aws.templates import parsed, resolved

FLUSH = "--storage.remote.flush-deadline="


def on_aws() -> dict[str, object]:
    containers = resolved(parsed())["prometheus", "Task"]["Properties"]["ContainerDefinitions"]
    (found,) = (one for one in containers if one["Name"] == "prometheus")
    return dict(found)


def rules(command: object) -> tuple[str, ...]:
    assert isinstance(command, list)
    return tuple(flag for flag in command if flag.startswith("--rules."))


def flush(command: object) -> float:
    assert isinstance(command, list)
    (found,) = (flag.removeprefix(FLUSH) for flag in command if flag.startswith(FLUSH))
    return seconds(found)


def test_every_prometheus_sends_and_remembers_alerts_alike() -> None:
    guide = (ROOT / "docs" / "deploy-kubernetes.md").read_text()
    ((delay, grace),) = re.findall(r"resendDelay: (\w+), forGracePeriod: (\w+)", guide)
    of_guide = (f"--rules.alert.resend-delay={delay}", f"--rules.alert.for-grace-period={grace}")
    assert len(PROMETHEUS_FLAGS) == 2
    assert rules(services()["prometheus-1"]["command"]) == rules(on_aws()["Command"]) == of_guide == PROMETHEUS_FLAGS


def test_prometheus_without_its_store_stops_within_its_grace() -> None:
    for name in ("prometheus", "prometheus-1"):
        service = services()[name]
        assert 2 * flush(service["command"]) <= seconds(service["stop_grace_period"])
    assert 2 * flush(on_aws()["Command"]) <= float(str(on_aws()["StopTimeout"]))
