"""What is down mutes what cannot be known without it, and the objectives that are missed with it; nothing else does."""

import copy
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed.servers.alertmanager import SHIPPED_DIRECTORY
from tests.alertmanager.chain import Chain, Config, alert, chain, wait_until
from tests.alertmanager.destinations import AGGREGATES, LIVE
from tests.alertmanager.test_check import check

SHIPPED: Config = yaml.safe_load((SHIPPED_DIRECTORY / "alertmanager.yml").read_text())
RULES = SHIPPED["inhibit_rules"]


def labels(
    name: str, severity: str, source_job: str | None = LIVE, platform: str | None = "main", **more: str
) -> dict[str, str]:
    found = {"alertname": name, "severity": severity, "source_job": source_job, "platform": platform, **more}
    return {name: value for name, value in found.items() if value is not None}


def slow(platform: str, **more: str) -> dict[str, str]:
    return labels("ErrorBudgetBurnSlow", "low", platform=platform, **more)


MUTED = (
    labels("KpiStale", "medium"),
    labels("TransactionsLow", "medium"),
    labels("ClientNearLimit", "low"),
    slow("down", probe="rpc"),
    labels("LatencyBudgetBurnFast", "medium", platform="down", probe="rpc"),
    labels("LatencyBudgetBurnFast", "medium", platform="api", objective="api_latency"),
)
HEARD = (
    labels("ExporterDown", "high"),
    # Its end, too, must be heard.
    labels("ServiceDown", "high"),
    labels("ApiLatencyDegradation", "medium") | {"playbook": "ApiLatencyDegradation"},
    labels("Critical", "critical"),
    labels("ModelPrecisionDrop", "medium", AGGREGATES),
    labels("KpiMissing", "medium", platform="staging"),
    labels("RevenueLow", "high", "elsewhere"),
    labels("KpiMismatch", "medium", "elsewhere"),
    # What pages, what is of another service or platform, and what has another name.
    labels("ServiceDown", "high", platform="down", probe="rpc"),
    labels("ErrorBudgetBurnFast", "high", platform="down", probe="rpc"),
    labels("ProbeSilent", "medium", platform="down", probe="rpc"),
    slow("down", probe="redis"),
    slow("other", probe="rpc"),
    labels("ProbeSilent", "medium", platform="down", probe="siem"),
    slow("down", probe="siem"),
    labels("ApiLatencyDegradation", "medium", platform="api", playbook="ApiLatencyDegradation"),
    labels("KpiMismatch", "medium", platform="api"),
    slow("other", objective="api_latency"),
    labels("KpiMismatch", "medium", platform="other"),
    # Mislabelled: what the rule is guarded by is missing on both sides.
    labels("NoSourceJob", "medium", None),
    labels("NoPlatform", "medium", platform=None),
    labels("ExporterDown", "high", None),
    labels("ExporterDown", "high", platform=None),
)


def key(of: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(of.items())


def muted(it: Chain) -> set[frozenset[tuple[str, str]]]:
    return {key(one["labels"]) for one in it.alertmanager.alerts() if one["status"]["inhibitedBy"]}


EXPECTED = {key(one) for one in MUTED}


@pytest.fixture
def all_firing(tmp_path: Path) -> Iterator[Chain]:
    with chain(tmp_path) as it:
        it.alertmanager.post([alert(one) for one in (*HEARD, *MUTED)])
        wait_until(lambda: muted(it) == EXPECTED, 5, lambda: muted(it))
        yield it


def test_only_symptoms_are_muted_and_only_without_their_source(all_firing: Chain) -> None:
    time.sleep(0.3)
    assert muted(all_firing) == EXPECTED
    sources = [one for one in (*HEARD, *MUTED) if re.search("Down$|BurnFast$|^Api", one["alertname"])]
    over = [alert(one, startsAt="2026-01-02T18:00:00Z", endsAt="2026-01-02T19:00:00Z") for one in sources]
    all_firing.alertmanager.post(over)
    wait_until(lambda: not muted(all_firing), 5, lambda: muted(all_firing))


PARTS = ("source_matchers", "target_matchers", "equal")


def mutants() -> Iterator[tuple[str, list[Config]]]:
    for number, rule in enumerate(RULES):
        for part in PARTS:
            for position, text in enumerate(rule[part]):
                rules = copy.deepcopy(RULES)
                del rules[number][part][position]
                yield f"{number} {part} without {text}", rules


def test_no_part_of_the_rules_can_go(all_firing: Chain) -> None:
    """Either the outcome differs, or, as one guard is enough for Alertmanager, the check refuses it."""
    config = all_firing.alertmanager.config
    parsed = yaml.safe_load(config.read_text())
    names = []
    for name, rules in mutants():
        config.write_text(yaml.safe_dump(parsed | {"inhibit_rules": rules}))
        if guard := re.search(r'(source_job|platform|probe)!=""', name):
            status, output = check(config.parent)
            assert status == 1, name
            assert f"no {guard[0]}" in output, name
        else:
            all_firing.alertmanager.reload()
            wait_until(lambda: muted(all_firing) != EXPECTED, 5, lambda name=name: name)  # type: ignore[misc]
        names.append(name)
    assert len(names) == sum(len(rule[part]) for rule in RULES for part in PARTS) == 22
