"""Cards, lines and colours follow the limits of limits.yml, and nothing is called good by a limit that nobody knows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards.looks import BAD, GOOD, NOBODY_KNOWS, WATCH
from testbed.viewer.board import UIDS, panels, queries
from tests.grafana.platforms import LIMITS, Limits, Platforms, running

PROMQL = queries(sql=False)

# One platform at one moment. Every figure is good, or as it should be, by the limits below.
FIGURES = """
ticketing_event_launch_active 1
ticketing_kpi_transactions_per_hour 1247
ticketing_kpi_fraud_rate_ratio 0.018
ticketing_kpi_api_latency_p95_seconds 0.045
ticketing_kpi_revenue_per_hour_usd 12450
ticketing_fraud_predictions{decision="APPROVED",window="10m"} 985
ticketing_fraud_predictions{decision="BLOCKED",window="10m"} 15
ticketing_api_requests_per_minute 4000
ticketing_rate_limit_requests_per_minute{scope="global"} 10000
ticketing_model_predictions{predicted="fraud",actual="fraud",window="24h"} 150
ticketing_model_predictions{predicted="fraud",actual="legit",window="24h"} 80
ticketing_model_baseline_ratio{metric="precision"} 0.67
ticketing_model_feature_drift_nats{feature="wallet_age_days"} 0.09
ticketing_model_feature_drift_noise_floor_nats{feature="wallet_age_days"} 0.001
ticketing_probe_success{probe="redis_cache"} 1
ticketing_probe_duration_seconds{probe="redis_cache"} 0.03
ticketing_probe_baseline_seconds{probe="redis_cache"} 0.02
ticketing_security_events{severity="HIGH",window="15m"} 0
ticketing_admin_mfa_failures{account="root",window="5m"} 2
ticketing_admin_login_failures{account="root",window="5m"} 4
ticketing_admin_accounts_of_one_address{address="203.0.113.9",window="5m"} 6
ticketing_exporter_collector_success{collector="model"} 1
ticketing_exporter_collector_success{collector="security"} 1
ticketing_responder_oldest_pending_seconds 100
node_memory_MemTotal_bytes 100e9
node_memory_MemAvailable_bytes 60e9
"""

# Not the shipped ones: who changes those need not change this.
BEFORE: Limits = {
    "transactions_per_hour_target": 1000,
    "transactions_per_hour_low": 500,
    "peak_start_hour": 0,
    "peak_end_hour": 24,
    "fraud_rate_target": 0.02,
    "fraud_blocked_ratio_high": 0.03,
    "fraud_blocked_ratio_low": 0.005,
    "api_latency_p95_target_seconds": 0.05,
    "api_latency_p95_seconds": 0.1,
    "revenue_per_hour_usd_baseline": 11500,
    "revenue_per_hour_usd_low": 5000,
    "feature_drift_nats": 0.15,
    "feature_drift_watch_nats": 0.1,
    "precision_drop_watch_ratio": 0.05,
    "rate_limit_near_ratio": 0.9,
    "service_slow_ratio": 2,
    "uptime_target_ratio": 0.999,
    "uptime_low_ratio": 0.99,
    "resource_watch_ratio": 0.75,
    "resource_alert_ratio": 0.9,
    "mfa_failures": 3,
    "login_failures": 5,
    "accounts_of_one_address": 8,
    "responder_backlog_seconds": 300,
}


@dataclass(frozen=True)
class Case:
    """What a changed limit changes.

    Attributes:
        limit: that is changed.
        value: to what.
        where: number and name of the query, and the label to look at.
        before: what it shows by the limits above.
        after: what it shows then.
        unknown: what it shows while the limit is no number.
        given: limits that are others from the beginning.
        uid: of the dashboard.
    """

    limit: str
    value: float
    where: tuple[int, str, str | None]
    before: Any
    after: Any
    unknown: Any
    given: tuple[tuple[str, float], ...] = ()
    uid: str = "ticketing"


NOT_KNOWN = "A limit is not known: see prometheus/rules/limits.yml"
IS_GOOD, IS_WATCH, IS_BAD, UNKNOWN = map(str, (GOOD, WATCH, BAD, NOBODY_KNOWS))  # as a label
LOW = (("transactions_per_hour_low", 2000.0),)
CASES = (
    # Cards: target or baseline as text, verdict, colour.
    Case("transactions_per_hour_target", 2000, (111, "B", "target"), "1,000/h", "2,000/h", "—"),
    Case("transactions_per_hour_target", 2000, (111, "C", None), GOOD, WATCH, NOBODY_KNOWS),
    Case("transactions_per_hour_target", 2000, (110, "A", "verdict"), IS_GOOD, IS_WATCH, UNKNOWN),
    Case("transactions_per_hour_low", 2000, (111, "C", None), GOOD, BAD, NOBODY_KNOWS),
    Case("transactions_per_hour_low", 2000, (110, "A", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    Case("peak_start_hour", 24, (111, "C", None), BAD, GOOD, NOBODY_KNOWS, given=LOW),
    Case("peak_end_hour", 0, (111, "C", None), BAD, GOOD, NOBODY_KNOWS, given=LOW),
    Case("fraud_rate_target", 0.0175, (121, "B", "target"), "< 2%", "< 1.75%", "—"),
    Case("fraud_rate_target", 0.01, (121, "C", None), GOOD, WATCH, NOBODY_KNOWS),
    Case("fraud_rate_target", 0.01, (120, "A", "verdict"), IS_GOOD, IS_WATCH, UNKNOWN),
    Case("fraud_rate_target", 0.01, (202, "A", "verdict"), IS_GOOD, IS_WATCH, UNKNOWN),
    Case("fraud_blocked_ratio_high", 0.01, (121, "C", None), GOOD, BAD, NOBODY_KNOWS),
    Case("fraud_blocked_ratio_high", 0.01, (202, "A", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    Case("fraud_blocked_ratio_high", 0.008, (202, "B", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    Case("fraud_blocked_ratio_low", 0.019, (121, "C", None), GOOD, BAD, NOBODY_KNOWS),
    Case("api_latency_p95_target_seconds", 0.0125, (131, "B", "target"), "< 50 ms", "< 12.5 ms", "—"),
    Case("api_latency_p95_target_seconds", 0.04, (131, "C", None), GOOD, WATCH, NOBODY_KNOWS),
    Case("api_latency_p95_seconds", 0.04, (131, "C", None), GOOD, BAD, NOBODY_KNOWS),
    Case("api_latency_p95_seconds", 0.04, (130, "A", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    Case("revenue_per_hour_usd_baseline", 20_000, (141, "B", "target"), "$11.5k", "$20k", "—"),
    Case("revenue_per_hour_usd_baseline", 20_000, (141, "C", None), GOOD, WATCH, NOBODY_KNOWS),
    Case("revenue_per_hour_usd_low", 20_000, (141, "C", None), GOOD, BAD, NOBODY_KNOWS),
    Case("revenue_per_hour_usd_low", 20_000, (140, "A", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    # The line of a chart, the length of bars, states, warnings.
    Case("feature_drift_nats", 0.08, (403, "C", None), 0.15, 0.08, None),
    Case("feature_drift_nats", 0.08, (404, "E", None), 0.6, 1.125, math.nan),
    Case("feature_drift_nats", 0.08, (404, "D", None), 1, 2, NOBODY_KNOWS),
    Case("feature_drift_watch_nats", 0.08, (404, "D", None), 1, 2, NOBODY_KNOWS),
    Case("rate_limit_near_ratio", 0.3, (304, "D", None), 3, 4, NOBODY_KNOWS),
    Case("service_slow_ratio", 1.2, (501, "A", None), 2, 1, NOBODY_KNOWS),
    Case("service_slow_ratio", 1.2, (503, "A", "message"), "✅ All services answer, none is slow",
         "⚠️ Redis Cache latency: 30ms (baseline: 20ms)", "— How slow is too slow is not known"),
    Case("resource_watch_ratio", 0.3, (502, "B", "verdict"), IS_GOOD, IS_WATCH, UNKNOWN),
    Case("resource_alert_ratio", 0.3, (502, "B", "verdict"), IS_GOOD, IS_BAD, UNKNOWN),
    Case("mfa_failures", 2, (604, "A", "verdict"), IS_WATCH, IS_BAD, UNKNOWN),
    Case("login_failures", 4, (604, "B", "verdict"), IS_WATCH, IS_BAD, UNKNOWN),
    Case("accounts_of_one_address", 6, (604, "C", "verdict"), IS_WATCH, IS_BAD, UNKNOWN),
    Case("responder_backlog_seconds", 60, (303, "D", "verdict"), IS_GOOD, IS_BAD, UNKNOWN, uid="ticketing-stack"),
)  # fmt: skip


# Where there are several answers, or what is shown needs other figures.
DOWN = FIGURES.replace(
    'ticketing_probe_success{probe="redis_cache"} 1', 'ticketing_probe_success{probe="redis_cache"} 0'
)
UPTIMES: dict[str, tuple[Limits, str]] = {
    "down": ({}, f"{BAD} 0"),
    "down-low": ({"uptime_low_ratio": 0}, f"{WATCH} 0"),
    "down-target": ({"uptime_low_ratio": 0, "uptime_target_ratio": 0}, f"{GOOD} 0"),
    "down-low-unknown": ({"uptime_low_ratio": "NaN"}, f"{NOBODY_KNOWS} 0"),
    "down-target-unknown": ({"uptime_target_ratio": "NaN"}, f"{NOBODY_KNOWS} 0"),
}
UNPLANNED = "Schedule model retraining: none is planned"
WARNINGS: dict[str, tuple[Limits, set[str]]] = {
    "warned-before": ({}, {"Precision is near its baseline, and no feature has drifted"}),
    "warned-drop": (
        {"precision_drop_watch_ratio": 0.02},
        {"Precision dropped 3% from baseline (0.67)", UNPLANNED},
    ),
    "warned-drift": (
        {"feature_drift_nats": 0.08},
        {"wallet_age_days drifted: 0.09 nats (limit 0.08)", UNPLANNED},
    ),
    "warned-drop-unknown": ({"precision_drop_watch_ratio": "NaN"}, {NOT_KNOWN}),
    "warned-drift-unknown": ({"feature_drift_nats": "NaN"}, {NOT_KNOWN}),
}


def set_by(case: Case, state: str) -> Limits:
    changed: dict[str, Limits] = {"before": {}, "after": {case.limit: case.value}, "unknown": {case.limit: "NaN"}}
    return {**dict(case.given), **changed[state]}


STATES = [(case, state) for case in CASES for state in ("before", "after", "unknown")]


def platform_of(case: Case, state: str) -> str:
    """The one with these limits, so that one Prometheus shows all cases and states at once."""
    return "-".join(f"{name}={value}" for name, value in sorted(set_by(case, state).items())) or "as-given"


def of_platforms() -> dict[str, Limits]:
    return {
        **{platform_of(case, state): set_by(case, state) for case, state in STATES},
        **{platform: limits for platform, (limits, _) in (UPTIMES | WARNINGS).items()},
    }


# One test, so that pytest-xdist starts this server once and not in each of its workers.
def test_what_is_shown_follows_the_limits(tmp_path: Path, subtests: pytest.Subtests) -> None:
    own = of_platforms()
    figures = dict.fromkeys(["main", *own], FIGURES) | dict.fromkeys(UPTIMES, DOWN)
    # So many platforms take a while at each evaluation.
    with running(tmp_path, figures, BEFORE, own, every_seconds=5) as platforms:
        for case, state in STATES:
            with subtests.test(limit=case.limit, where=str(case.where), state=state):
                number, ref, label = case.where
                found = platforms.shown(platform_of(case, state), number, ref, label, case.uid)
                assert found == pytest.approx(getattr(case, state), nan_ok=True)
        for platform, (_, uptime) in UPTIMES.items():
            with subtests.test(platform):
                assert platforms.shown(platform, 501, "B", "uptime") == uptime
        for platform, (_, messages) in WARNINGS.items():
            with subtests.test(platform):
                assert {labels["message"] for labels, _ in platforms.answers(platform, 405, "A")} == messages
        with subtests.test("an edit of the file is in force after a reload"):
            check_an_edit(platforms, own)


def check_an_edit(platforms: Platforms, own: dict[str, Limits]) -> None:
    assert (platforms.shown("main", 130, "A", "verdict"), platforms.shown("main", 131, "C")) == (IS_GOOD, GOOD)
    slow: Limits = {"api_latency_p95_target_seconds": 0.01, "api_latency_p95_seconds": 0.02}
    platforms.set_limits({**BEFORE, **slow}, own)
    assert (platforms.shown("main", 131, "B", "target"), platforms.shown("main", 131, "C")) == ("< 10 ms", BAD)
    # The past hour is one line still, although most of it was good.
    assert platforms.shown("main", 130, "A", "verdict") == IS_BAD


def test_every_limit_that_is_shown_is_changed_above() -> None:
    named = {name for query in PROMQL for name in re.findall(r'limit="(\w+)"', query.text)}
    changed = {name for limits in of_platforms().values() for name in limits}
    shipped = {rule["labels"]["limit"] for rule in yaml.safe_load(LIMITS.read_text())["groups"][0]["rules"]}
    assert named == changed & named
    assert named <= shipped


# What judges a figure without being a limit: nothing at all, all of it, and what is there or is not.
PLAIN = {0, 1}
# Of which kind each is, and why it is no limit.
JUDGED_BY = {
    ("ticketing", 4): {30, 180},  # six scrapes of a live section, three of the model's
    ("ticketing", 205): {0.6, 0.8},  # colours of a score; the decision beside it is the platform's
    ("ticketing-investigate", 101): {0.6, 0.8},
    ("ticketing-investigate", 201): {0.6, 0.8},
    ("ticketing-investigate", 301): {0.6, 0.8},
}


@pytest.mark.parametrize("uid", UIDS)
def test_no_figure_is_judged_by_a_number_of_the_dashboard(uid: str) -> None:
    for panel in panels(uid):
        judging = set(_steps(panel))
        for target in panel.get("targets", ()):
            # A label's value is no number, nor is what stands for unknown.
            expr = re.sub(r'"(?:\\.|[^"\\])*"', "", target.get("expr", ""))
            judging |= {float(number) for number in re.findall(r"[<>=] *(?:bool *)?(\d[\d.e]*)", expr)}
        assert judging - PLAIN == JUDGED_BY.get((uid, panel["id"]), set()), panel["title"]


# Windows, counts of rows and points of a chart, and the level at which the scatter has every transaction.
TOLD = re.compile(
    r"last 24 hours|newest (?:10,000|200|20|50)|360th|0\.65|at most 200|30 seconds|30 days|\(5 min\)|\(15 min\)|p95"
    r"|95th|/api/v1/|last 10 minutes|Top 5|last 5 min|last 15 minutes|24 hours'|F1"
)


@pytest.mark.parametrize("uid", UIDS)
def test_no_text_of_a_panel_repeats_a_number(uid: str) -> None:
    for panel in panels(uid):
        for text in (panel["title"], panel["description"]):
            assert not re.search(r"\d", TOLD.sub("", text)), text


def _steps(value: Any) -> Iterator[float]:
    """Every threshold anywhere in it."""
    if isinstance(value, dict):
        if isinstance(value.get("steps"), list):
            yield from (step["value"] for step in value["steps"] if step["value"] is not None)
        for each in value.values():
            yield from _steps(each)
    elif isinstance(value, list):
        for each in value:
            yield from _steps(each)
