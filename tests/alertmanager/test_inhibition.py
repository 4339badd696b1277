"""An exporter that is down mutes what cannot be known without it, and nothing else."""

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
RULE = SHIPPED["inhibit_rules"][0]


def labels(name: str, severity: str, source_job: str | None = LIVE, platform: str | None = "main") -> dict[str, str]:
    found = {"alertname": name, "severity": severity, "source_job": source_job, "platform": platform}
    return {name: value for name, value in found.items() if value is not None}


MUTED = (labels("KpiStale", "medium"), labels("TransactionsLow", "medium"), labels("ClientNearLimit", "low"))
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
    # Mislabelled: what the rule is guarded by is missing on both sides.
    labels("NoSourceJob", "medium", None),
    labels("NoPlatform", "medium", platform=None),
    labels("ExporterDown", "high", None),
    labels("ExporterDown", "high", platform=None),
)


def muted(it: Chain) -> set[str]:
    return {one["labels"]["alertname"] for one in it.alertmanager.alerts() if one["status"]["inhibitedBy"]}


EXPECTED = {one["alertname"] for one in MUTED}


@pytest.fixture
def all_firing(tmp_path: Path) -> Iterator[Chain]:
    with chain(tmp_path) as it:
        it.alertmanager.post([alert(one) for one in (*HEARD, *MUTED)])
        wait_until(lambda: muted(it) == EXPECTED, 5, lambda: muted(it))
        yield it


def test_only_symptoms_are_muted_and_only_without_their_source(all_firing: Chain) -> None:
    time.sleep(0.3)
    assert muted(all_firing) == EXPECTED
    down = alert(HEARD[0], startsAt="2026-01-02T18:00:00Z", endsAt="2026-01-02T19:00:00Z")
    all_firing.alertmanager.post([down])
    wait_until(lambda: not muted(all_firing), 5, lambda: muted(all_firing))


def mutants() -> Iterator[tuple[str, Config]]:
    for key in ("source_matchers", "target_matchers", "equal"):
        for position, part in enumerate(RULE[key]):
            rule = copy.deepcopy(RULE)
            del rule[key][position]
            yield f"{key} without {part}", rule


def test_no_part_of_the_rule_can_go(all_firing: Chain) -> None:
    """Either the outcome differs, or, as one guard is enough for Alertmanager, the check refuses it."""
    config = all_firing.alertmanager.config
    parsed = yaml.safe_load(config.read_text())
    names = []
    for name, rule in mutants():
        config.write_text(yaml.safe_dump(parsed | {"inhibit_rules": [rule]}))
        if guard := re.search(r'(source_job|platform)!=""', name):
            status, output = check(config.parent)
            assert status == 1, name
            assert f"no {guard[0]}" in output, name
        else:
            all_firing.alertmanager.reload()
            wait_until(lambda: muted(all_firing) != EXPECTED, 5, lambda name=name: name)  # type: ignore[misc]
        names.append(name)
    assert len(names) == len(RULE["source_matchers"]) + len(RULE["target_matchers"]) + len(RULE["equal"]) == 9
