"""An exporter that is down mutes what cannot be known without it, and nothing else."""

import copy
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

MUTED = (
    {"alertname": "KpiStale", "severity": "medium", "source_job": LIVE},
    {"alertname": "TransactionsLow", "severity": "medium", "source_job": LIVE},
    {"alertname": "ClientNearLimit", "severity": "low", "source_job": LIVE},
)
HEARD = (
    {"alertname": "ExporterDown", "severity": "high", "source_job": LIVE},
    # Its end, too, must be heard.
    {"alertname": "ServiceDown", "severity": "high", "source_job": LIVE},
    {
        "alertname": "ApiLatencyDegradation",
        "severity": "medium",
        "source_job": LIVE,
        "playbook": "ApiLatencyDegradation",
    },
    {"alertname": "Critical", "severity": "critical", "source_job": LIVE},
    {"alertname": "ModelPrecisionDrop", "severity": "medium", "source_job": AGGREGATES},
    {"alertname": "NoSourceJob", "severity": "medium"},
    {"alertname": "RevenueLow", "severity": "high", "source_job": "elsewhere"},
    {"alertname": "KpiMismatch", "severity": "medium", "source_job": "elsewhere"},
    # Mislabelled: a source without the label that it is guarded by.
    {"alertname": "ExporterDown", "severity": "high"},
)


def muted(it: Chain) -> set[str]:
    return {one["labels"]["alertname"] for one in it.alertmanager.alerts() if one["status"]["inhibitedBy"]}


EXPECTED = {labels["alertname"] for labels in MUTED}


@pytest.fixture
def all_firing(tmp_path: Path) -> Iterator[Chain]:
    with chain(tmp_path) as it:
        it.alertmanager.post([alert(labels) for labels in (*HEARD, *MUTED)])
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
        if 'source_job!=""' in name:
            status, output = check(config.parent)
            assert status == 1, name
            assert 'no source_job!=""' in output, name
        else:
            all_firing.alertmanager.reload()
            wait_until(lambda: muted(all_firing) != EXPECTED, 5, lambda name=name: name)  # type: ignore[misc]
        names.append(name)
    assert len(names) == len(RULE["source_matchers"]) + len(RULE["target_matchers"]) + len(RULE["equal"]) == 6
