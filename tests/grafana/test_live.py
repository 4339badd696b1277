"""Every query of every dashboard against running servers that show the blueprint's figures."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from demo.directory import run_directory
from deploy.scale import DEDUPLICATION, SEARCH
from grafana.dashboards.looks import GOOD
from grafana.dashboards.sections.health import SERVICES
from testbed.servers.victoriametrics import VictoriaMetrics
from testbed.viewer.board import ROOT, UIDS, Asked, panels, queries
from tests.grafana.live import Live, running
from tests.ha.agreement import check_every_query_and_rule, check_vmalert
from tests.prometheus.ruleset import METRIC, RECORDED, rules

# Every metric of the exporter, as its own tests hold it.
EXPOSITION = ROOT / "tests" / "exporter" / "golden" / "metrics.txt"

PROMQL, SQL = queries(sql=False), queries(sql=True)

# Of programs that this test does not run.
ELSEWHERE = re.compile(r"^ticketing_responder_")
# Where nothing is the good answer, or only one of several queries has one.
MAY_BE_EMPTY = {
    *(
        "ticketing/0Anno",
        "ticketing-investigate/302A",
        "ticketing-stack/301A",
        "ticketing-stack/301B",
        "ticketing-stack/301C",
        "ticketing-stack/304A",
    ),
    *("ticketing-stack/303B", "ticketing-stack/303C"),
    # The platform has no metrics of its operator's own.
    *("ticketing-own/101A", "ticketing-own/201A", "ticketing-own/201B"),
}
# An incident with an action that is done, one that failed, one that waits for its next try, and one still to come.
LEDGER = """
WITH incident AS (
    INSERT INTO monitoring.responder_incidents
        (playbook, fingerprint, alertname, labels, annotations, requested_by, starts_at)
    VALUES ('UnauthorizedAdminAccess', 'f', 'UnauthorizedAdminAccess', '{"account": "root"}', '{}', 'test', now())
    RETURNING correlation_id
)
INSERT INTO monitoring.responder_actions
    (correlation_id, phase, position, action, parameters, state, requested_by, attempts, started_at, finished_at, error)
SELECT correlation_id, 'firing', position, action, '{}', state, 'test', attempts, started,
       CASE WHEN state <> 'pending' THEN started END, error
FROM incident, (VALUES
    (1, 'lock_account', 'done', 1, now() - interval '2 s', NULL),
    (2, 'notify', 'failed', 5, now() - interval '3 s', 'the chat does not answer'),
    (3, 'record_siem', 'pending', 2, now() - interval '1 s', 'no answer'),
    (4, 'open_siem_incident', 'pending', 0, NULL, NULL)
) AS actions (position, action, state, attempts, started, error)
"""
# Not shown, and why: said by another metric that is.
NOT_SHOWN = {
    "ticketing_revenue_usd",  # KpiMismatch compares it with the KPI
    "ticketing_kpi_updated_timestamp_seconds",  # KpiStale
    "ticketing_fraud_blocked_ratio",  # ticketing:fraud_blocked:ratio is the same from counts
    "ticketing_fraud_predictions_total",  # the windows say it
    "ticketing_probe_slow",  # the rule's verdict is shown
    "ticketing_security_events_total",
    "ticketing_admin_failures_beyond_bound",  # the accounts that are known are shown
    "ticketing_admin_accounts_not_listed",
    "ticketing_exporter_build_info",
    "ticketing_view_newest_row_age_seconds",  # ViewStale
    "ticketing_view_future_rows",  # RowsFromTheFuture
}


def asked(number: int, ref: str = "A", uid: str = "ticketing") -> Asked:
    (found,) = (each for each in (*PROMQL, *SQL) if (each.uid, each.number, each.ref) == (uid, number, ref))
    return found


def check_promql_has_an_answer(live: Live, query: Asked) -> None:
    found = live.promql(query)
    is_reason = '"reason", "' in query.text  # why there is nothing: see test_reasons.py
    assert found or is_reason or str(query) in MAY_BE_EMPTY or ELSEWHERE.search(query.text), query.text


def check_sql_is_answered_to_the_reader(live: Live, query: Asked) -> None:
    live.sql(query)


def values(live: Live, number: int, ref: str, label: str) -> dict[str, float]:
    return {labels.get(label, ""): value for labels, value in live.promql(asked(number, ref))}


def value(live: Live, number: int, ref: str = "A") -> float:
    ((_, found),) = live.promql(asked(number, ref))
    return found


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 30) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.5)


def check_header(live: Live) -> None:
    wait_for(lambda: value(live, 4) == 6)
    assert value(live, 2) == 0
    assert abs(value(live, 3) / 1000 - time.time()) < 30


def check_kpi_cards(live: Live, card: int, shown: float, change: str) -> None:
    assert value(live, card) == pytest.approx(shown)
    ((labels, _),) = live.promql(asked(card + 1))
    assert labels["message"] == change
    assert value(live, card + 1, "C") == GOOD


def check_scatter_and_feed(live: Live) -> None:
    risky, approved = live.sql(asked(201, "B")), live.sql(asked(201, "A"))
    assert Counter(row["metric"] for row in risky) == {"Blocked": 9, "Review": 7}
    # None is left out where there are so few.
    assert Counter(row["metric"] for row in approved) == {"Approved": 484}
    assert {value(live, 201, ref) for ref in "CDEFGH"} == {1, 0.8, 0.6, 0}
    feed = live.sql(asked(205))[:4]
    newest = [(row["Txn ID"][:8], row["Score"], row["Decision"], row["Top feature"]) for row in feed]
    assert newest == [
        ("txn_a7f3", 0.91, "BLOCKED", "txn_velocity_1h=12"),
        ("txn_b2e1", 0.78, "REVIEW", "price_deviation=2.3"),
        ("txn_c9d4", 0.69, "REVIEW", "wallet_age=0.5d"),
        ("txn_d1a8", 0.88, "BLOCKED", "geo_velocity=true"),
    ]


def check_rate_limits(live: Live) -> None:
    # A scrape may come before the platform has written all of the minute that has just ended.
    wait_for(lambda: value(live, 301) == 4523)
    top = values(live, 302, "A", "client")
    assert top == {
        "203.0.113.42": 487,
        "198.51.100.7": 312,
        "192.0.2.156": 289,
        "203.0.113.89": 201,
        "198.51.100.23": 178,
    }
    assert value(live, 303) == 3
    requests, used, state = (values(live, 304, ref, "client") for ref in "ACD")
    assert requests["Global"] == 4523
    assert used["Global"] == pytest.approx(0.4523)
    assert used["203.0.113.42"] == pytest.approx(0.98)
    assert state["203.0.113.42"] == 1
    assert (state["Global"], state["198.51.100.7"], state["203.0.113.89"]) == (3, 2, 0)
    assert sum(each == 2 for each in state.values()) == 3


def check_model(live: Live) -> None:
    cells = {
        labels["cell"].rsplit(" ", 1)[0]: labels["cell"].rsplit(" ", 1)[1] for labels, _ in live.promql(asked(401))
    }
    assert cells == {"fraud fraud": "142", "fraud legit": "18", "legit fraud": "89", "legit legit": "11,751"}
    quality = {ref: live.promql(asked(402, ref)) for ref in "ABC"}
    assert [quality[ref][0][1] for ref in "ABC"] == pytest.approx([142 / 231, 142 / 160, 284 / 391])
    assert [quality[ref][0][0]["baseline"] for ref in "ABC"] == ["0.67", "0.89", "0.764"]
    messages = {labels["message"]: level for labels, level in live.promql(asked(405))}
    assert messages.pop("Precision dropped 8% from baseline (0.67)") == 2
    ((action, level),) = messages.items()
    assert (level, bool(re.fullmatch(r"Schedule model retraining \(next: Sunday 02:00 UTC\)", action))) == (1, True)
    drift = values(live, 404, "A", "feature")
    assert drift["wallet_age_days"] == pytest.approx(0.09, abs=0.01)
    verdicts = values(live, 404, "D", "feature")
    assert verdicts["wallet_age_days"] == 1
    assert verdicts["geo_velocity_flag"] == 0


def check_services(live: Live) -> None:
    # Once the mean of a minute has seen the slow provider.
    wait_for(lambda: values(live, 501, "A", "probe").get("smart_contract_rpc") == 1)
    # On a busy machine others may be slow for a moment; none is down.
    assert sorted(values(live, 501, "A", "probe")) == sorted(SERVICES)
    assert set(values(live, 501, "A", "probe").values()) <= {1.0, 2.0}
    assert {labels["uptime"] for labels, _ in live.promql(asked(501, "B"))} == {f"{GOOD} 100"}
    assert all(age < 30 for age in values(live, 501, "F", "probe").values())
    warnings = {labels["probe"]: labels["message"] for labels, _ in live.promql(asked(503))}
    wanted = r"⚠️ Smart Contract RPC latency: \d{2,3}0ms \(baseline: 200ms\)"
    assert re.fullmatch(wanted, warnings["smart_contract_rpc"])
    for ref in "ABC":
        ((labels, share),) = live.promql(asked(502, ref))
        assert 0 <= share <= 1
        assert re.fullmatch(r"CPU \(\d+ cores\)|(Memory|Disk) \(\d+GiB / \d+GiB\)", labels["name"])


def check_feed_by_severity(live: Live, severity: str, expected: int) -> None:
    rows = live.sql(asked(602), {"severity": [severity]})
    if not expected:
        assert [(row["Time"], row["Event"]) for row in rows] == [(None, "none")]
    else:
        assert sum(row["Times"] for row in rows) == expected
        assert {row["Severity"] for row in rows} == {severity}


def check_feed_of_all(live: Live) -> None:
    rows = live.sql(asked(602))
    assert [(row["Severity"], row["Times"]) for row in rows] == [
        ("HIGH", 1), ("MEDIUM", 1), ("MEDIUM", 1), ("MEDIUM", 1), ("LOW", 1),
    ]  # fmt: skip
    assert rows[0]["Event"] == "5 failed admin login attempts from IP 203.0.113.99 → Account locked"


def check_events_by_severity(live: Live) -> None:
    # Before another test adds some.
    assert [value(live, 603, ref) for ref in "ABCD"] == [0, 1, 3, 1]


def check_one_transaction_and_its_wallet(live: Live) -> None:
    transaction = live.sql(asked(205))[0]["Txn ID"]
    chosen = {"transaction": [transaction], "wallet": ["0x742d35Cc6634C0532925a3b844Bc454e4438f44e"]}
    (row,) = live.sql(asked(101, uid="ticketing-investigate"), chosen)
    assert (row["Decision"], row["Verdict"]) == ("BLOCKED", "fraud")
    features = {row["Feature"]: row["Value"] for row in live.sql(asked(102, uid="ticketing-investigate"), chosen)}
    assert features["txn_velocity_1h"] == "12"
    rows = live.sql(asked(201, uid="ticketing-investigate"), chosen)
    assert rows[0]["Txn ID"] == transaction
    assert {row["Txn ID"][:8] for row in rows} == {"txn_a7f3"}


def check_what_a_viewer_types_stays_a_text(live: Live, typed: str) -> None:
    chosen = {name: [typed] for name in ("transaction", "wallet", "client")}
    for query in SQL:
        if query.uid == "ticketing-investigate":
            assert live.sql(query, chosen) == []


def check_an_alert_is_listed_with_its_subject(live: Live) -> None:
    (nothing,) = live.promql(asked(701))
    assert nothing[0]["alertname"] == "nothing"
    live.parts.postgres.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)"
        " SELECT now(), 'HIGH', 'mfa_failed', 'failed', 'root' FROM generate_series(1, 3)",
        live.parts.database.name,
    )
    wait_for(lambda: live.promql(asked(701))[0][0]["alertname"] != "nothing")
    ((labels, since),) = live.promql(asked(701))
    assert (labels["alertname"], labels["subject"], labels["runbook"]) == (
        "UnauthorizedAdminAccess", "root", "UnauthorizedAdminAccess",
    )  # fmt: skip
    assert abs(since / 1000 - time.time()) < 30
    assert value(live, 2) == 1
    assert live.promql(asked(701), {"section": ["kpis", "model"]})[0][0]["alertname"] == "nothing"
    assert value(live, 604, "A") == 3


def check_what_was_done(live: Live) -> None:
    (nothing,) = live.sql(asked(702))
    assert (nothing["Time"], nothing["What was done"]) == (None, "nothing")
    live.parts.postgres.execute(LEDGER, live.parts.database.name)
    ((_, what, alert, incident),) = (tuple(row.values()) for row in live.sql(asked(702)))
    # With which the gateway asks the responder for its report.
    assert str(UUID(incident)) == incident
    # Spaces at which no line breaks.
    assert what.replace("\N{NO-BREAK SPACE}", " ").split(" · ") == [
        "🔴 notify: the chat does not answer", "✅ lock account", "⏳ record siem: no answer",
    ]  # fmt: skip
    assert alert == "UnauthorizedAdminAccess – root"
    (mark,) = (query for query in SQL if query.number == 0 and "responder_activity" in query.text)
    marks = [(row["text"], row["tags"]) for row in live.sql(mark)]
    assert marks[0] == ("record siem – root", "UnauthorizedAdminAccess,pending")


def check_no_panel_is_empty(live: Live) -> None:
    for panel in panels("ticketing"):
        answers: list[Any] = []
        for target in panel.get("targets", []):
            query = asked(panel["id"], target["refId"])
            answers += live.sql(query) if query.is_sql else live.promql(query)
        assert answers or panel["type"] == "text", panel["title"]


def check_metrics_are_known_and_used(live: Live) -> None:
    texts = [query.text for query in PROMQL]
    exported = set(re.findall(r"^# TYPE (ticketing_\w+) ", EXPOSITION.read_text(), re.MULTILINE))
    suffixes = {f"ticketing_fraud_score{suffix}" for suffix in ("_bucket", "_sum", "_count")}
    recorded = {rule.name: rule for rule in rules() if not rule.is_alert}
    shown = {name for text in texts for name in METRIC.findall(text)}
    through = {name for text in texts for name in RECORDED.findall(text)}
    unknown = {
        name
        for name in shown - exported - suffixes
        if not ELSEWHERE.search(name) and not live.parts.prometheus.query(f"count({name})")
    }
    assert unknown == set()
    assert through <= recorded.keys()
    behind: set[str] = set()
    while through:
        rule = recorded[through.pop()]
        behind |= set(METRIC.findall(rule.content["expr"]))
        through |= set(RECORDED.findall(rule.content["expr"]))
    used = {name.removesuffix("_bucket") for name in shown} | behind
    assert exported - used == NOT_SHOWN


# In this order: the last ones change what is there.
CHECKS: Sequence[Callable[[Live], None]] = (
    *(partial(check_promql_has_an_answer, query=query) for query in PROMQL),
    *(partial(check_sql_is_answered_to_the_reader, query=query) for query in SQL),
    check_header,
    partial(check_kpi_cards, card=110, shown=1247, change="▲ +12%"),
    partial(check_kpi_cards, card=120, shown=1.8, change="▼ -0.3%"),
    partial(check_kpi_cards, card=130, shown=45, change="▲ +5 ms"),
    partial(check_kpi_cards, card=140, shown=12_450, change="▲ +8%"),
    check_scatter_and_feed,
    check_rate_limits,
    check_model,
    check_services,
    check_feed_of_all,
    partial(check_feed_by_severity, severity="CRITICAL", expected=0),
    partial(check_feed_by_severity, severity="HIGH", expected=1),
    partial(check_feed_by_severity, severity="MEDIUM", expected=3),
    partial(check_feed_by_severity, severity="LOW", expected=1),
    check_events_by_severity,
    check_one_transaction_and_its_wallet,
    *(partial(check_what_a_viewer_types_stays_a_text, typed=typed) for typed in ("'", "' OR true --", "\\", "")),
    check_what_was_done,
    check_no_panel_is_empty,
    check_metrics_are_known_and_used,
    check_an_alert_is_listed_with_its_subject,
)


# One test, so that pytest-xdist starts these servers once and not in each of its workers.
def test_every_query_and_figure(subtests: pytest.Subtests) -> None:
    with (
        run_directory() as directory,
        VictoriaMetrics(directory / "victoriametrics", flags=(DEDUPLICATION, *SEARCH)) as store,
        running(directory, store) as live,
    ):
        for check in CHECKS:
            name = check.func.__name__ if isinstance(check, partial) else check.__name__
            arguments = check.keywords if isinstance(check, partial) else {}
            with subtests.test(name, **{key: str(each) for key, each in arguments.items()}):
                check(live)
        check_every_query_and_rule(live, store, subtests)
        with subtests.test("check_vmalert"):
            check_vmalert(live, store)


def test_every_dashboard_is_asked() -> None:
    assert {query.uid for query in (*PROMQL, *SQL)} == set(UIDS)
