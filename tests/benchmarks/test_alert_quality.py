"""The benchmark of the alert rules: what it makes is what rules read, and it sees what they tell."""

import re

import numpy as np
import pytest

from backtest.rules import load
from benchmarks.alert_quality.conditions import DAY, HOUR, Conditions, healthy
from benchmarks.alert_quality.exposition import series
from benchmarks.alert_quality.incidents import INCIDENTS, STRENGTHS
from benchmarks.alert_quality.results import FIRST, incidents
from benchmarks.alert_quality.runs import LITERAL, SHIPPED

#: Absent on a platform that is well.
ABSENT = {"ticketing_exporter_history_reading_seconds", "prometheus_rule_group_rules"}


def platform(**options: bool) -> Conditions:
    return healthy(1247, FIRST, HOUR, 30, 1, **options)


def values(conditions: Conditions) -> dict[str, np.ndarray]:
    return dict(series(conditions, "main"))


def one(told: dict[str, np.ndarray], *parts: str) -> np.ndarray:
    (found,) = (value for name, value in told.items() if all(part in name for part in parts))
    return found


@pytest.mark.parametrize("rules", [SHIPPED, LITERAL])
def test_every_metric_that_alerts_read_is_there(rules: object) -> None:
    made = {name.partition("{")[0] for name in values(platform())}
    read = load(SHIPPED).alerts().read if rules is SHIPPED else load(LITERAL).read
    wanted = {name for name in read if re.fullmatch(r"(ticketing|prometheus|alertmanager)_\w+|up", name)}
    assert wanted - made == (ABSENT & wanted)


def test_a_healthy_platform_is_as_it_is_said_to_be() -> None:
    day = healthy(1247, FIRST, 7 * DAY, 30, 1, on_sales=False)
    told = values(day)
    assert one(told, "ticketing_kpi_transactions_per_hour").mean() == pytest.approx(0.98 * 1247, rel=0.1)
    blocked = one(told, "fraud_predictions{", 'decision="BLOCKED"', '"24h"')[-1]
    total = sum(one(told, "fraud_predictions{", f'"{name}"', '"24h"')[-1] for name in ("BLOCKED", "REVIEW", "APPROVED"))
    assert blocked / total == pytest.approx(0.018, rel=0.2)
    assert np.median(one(told, "api_latency_p95")) == pytest.approx(0.046, rel=0.15)
    assert np.nanmax(one(told, "ticketing_api_requests_per_minute")) < 0.9 * day.request_limit


def test_the_same_seed_is_the_same_platform() -> None:
    first, again = values(platform()), values(platform())
    assert all(np.array_equal(first[name], again[name], equal_nan=True) for name in first)


def test_there_are_thirty_incidents_and_each_changes_what_is_scraped() -> None:
    assert len({incident.name for incident in INCIDENTS}) == len(INCIDENTS) >= 30
    well = values(platform(on_sales=False))
    for incident in INCIDENTS:
        for number in incident.strengths[-1:]:
            changed = platform(on_sales=False)
            incident.change(changed, number)
            told = values(changed)
            same = told.keys() == well.keys() and all(
                np.array_equal(told[name], well[name], equal_nan=True) for name in well
            )
            assert not same, incident.name


def test_sees_what_is_told_of_an_incident() -> None:
    for rules in ("shipped", "literal"):
        told = incidents(1247, "second-factor$", rules, 1)
        assert [(one.incident, one.strength) for one in told] == [("second-factor", n) for n in range(len(STRENGTHS))]
        assert {one.alert for one in told} == {"UnauthorizedAdminAccess"}
        assert all(one.seconds is not None and one.seconds <= 60 for one in told)
