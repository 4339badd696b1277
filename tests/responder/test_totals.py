"""What Prometheus is told of the ledger: true through everything, at a cost that does not grow with it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from responder.actions import SHIPPED
from responder.ledger import checks, claims, report
from responder.ledger.checks import Verdict
from responder.ledger.totals import Totals, totals
from testbed.servers.contract import ContractDatabase
from tests.responder.ledger_session import PLAYBOOKS, Session
from tests.responder.messages import ADMIN, FRAUD, firing, resolved
from tests.responder.sql import rows

HISTORY = """
WITH history AS (
    INSERT INTO monitoring.responder_incidents
        (playbook, fingerprint, alertname, labels, annotations, requested_by, state, starts_at, opened_at, closed_at)
    SELECT 'FraudRateSpike', to_hex(n), 'FraudRateSpike', '{}', '{}', 't', 'closed', at, at, at + interval '1 minute'
    FROM generate_series(1, %s) AS n, LATERAL (SELECT now() - n * interval '1 minute' AS at) AS moment
    RETURNING correlation_id, opened_at
)
INSERT INTO monitoring.responder_actions
    (correlation_id, phase, position, action, parameters, requested_by, state, started_at, finished_at)
SELECT correlation_id, 'firing', position, 'record_siem', '{}', 't', 'done', opened_at, opened_at
FROM history, generate_series(1, 3) AS position
"""


def ask(session: Session) -> Totals:
    told: Totals = session(totals, list(PLAYBOOKS), list(SHIPPED))
    return told


def counted(database: ContractDatabase, table: str, name: str) -> Counter[Any]:
    """One by one."""
    found = rows(database.dsn, f"SELECT {name}, state, count(*) FROM monitoring.{table} GROUP BY 1, 2")
    return Counter({(one, state): count for one, state, count in found})


def test_counts_are_those_of_the_ledger_at_every_step(sessions: tuple[Session, Session]) -> None:
    one, two = sessions

    def check() -> None:
        for session in (one, two, one):
            told = ask(session)
            assert Counter(told.incidents) == counted(one.database, "responder_incidents", "playbook")
            assert Counter(told.actions) == counted(one.database, "responder_actions", "action")

    check()
    one.tell(firing(FRAUD), firing(ADMIN))
    check()
    evidence = one(claims.claim, "one", 60)
    assert one(claims.skipped, evidence, "not certain", wait=True)
    check()
    # Looked at again: a state that was not at rest.
    one.tell(firing(FRAUD), firing(ADMIN))
    check()
    while claim := one(claims.claim, "one", 60):
        check()
        if claim.position == 1:
            assert one(claims.skipped, claim, "not certain", wait=True)
        else:
            assert one(claims.done, claim, {})
        check()
    one.tell(resolved(FRAUD), resolved(ADMIN))
    check()
    over = [Verdict(due, None, 0) for due in one(checks.due, 60, 9)]
    assert len(one(checks.write, over, next_after=60, longest_gap=60)) == 2
    check()
    while claim := one(claims.claim, "one", 60):
        assert one(claims.failed, claim, "refused")
    check()
    assert not rows(one.database.dsn, "SELECT 1 FROM monitoring.responder_actions WHERE NOT counted")
    assert ask(one).actions["record_siem", "failed"] == 1


def test_two_that_ask_at_once_count_nothing_twice_and_do_not_wait(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    rows(one.database.dsn, HISTORY, 7)
    with one.connection.cursor() as cursor:
        # Not committed yet.
        first = totals(cursor, list(PLAYBOOKS), list(SHIPPED))
        assert ask(two) == first
        one.connection.commit()
    assert ask(two) == first == ask(one)
    assert first.actions["record_siem", "done"] == 21


def test_what_the_owner_deletes_stays_counted(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    rows(one.database.dsn, HISTORY, 7)
    before = ask(one)
    rows(one.database.dsn, _retention().replace("1 year", "5 minutes"))
    assert rows(one.database.dsn, "SELECT count(*) FROM monitoring.responder_incidents") == [(5,)]
    assert ask(one) == before


def _retention() -> str:
    """As the documentation says it."""
    page = (Path(__file__).parents[2] / "docs" / "responder.md").read_text()
    return "BEGIN;" + page.partition("    BEGIN;")[2].partition("COMMIT;")[0] + "COMMIT;"


def test_what_cannot_be_put_back_is_waiting(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    one.tell(firing(FRAUD))
    claim = one(claims.claim, "one", 60)
    assert one(claims.prepare, claim, "target", {"value": "0.60"}, {"value": "0.50"}, 1)
    assert one(claims.done, claim, {"value": "0.50"})
    while (other := one(claims.claim, "one", 60)) is not None:
        assert one(claims.done, other, {})
    assert ask(one).oldest_pending_seconds == 0
    rows(
        one.database.dsn,
        "UPDATE monitoring.responder_actions SET expires_after = '-1 hour', due_at = now() WHERE due_at > now()",
    )
    assert ask(one).oldest_pending_seconds > 3600
    again = one(claims.claim, "one", 60)
    assert again.reverting
    assert one(claims.retry, again, "Redis does not answer", 60, spent=60)
    assert ask(one).oldest_pending_seconds > 3600


def test_what_is_looked_at_again_has_not_waited_since_it_was_first_told(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    one.tell(firing(FRAUD))
    while (claim := one(claims.claim, "one", 60)) is not None:
        assert one(claims.skipped, claim, "not certain", wait=True)
    rows(one.database.dsn, "UPDATE monitoring.responder_actions SET created_at = now() - interval '1 hour'")
    one.tell(firing(FRAUD))
    assert ask(one).oldest_pending_seconds < 60


@pytest.mark.parametrize(
    "asked",
    [
        lambda cursor: totals(cursor, list(PLAYBOOKS), list(SHIPPED)),
        lambda cursor: report.incidents(cursor, limit=10),
        lambda cursor: report.incidents(cursor, fingerprint="ff"),
    ],
    ids=["metrics", "newest", "fingerprint"],
)
def test_the_cost_does_not_grow_with_the_history(sessions: tuple[Session, Session], asked: Any) -> None:
    one, two = sessions
    rows(one.database.dsn, HISTORY, 6000)
    one.tell(firing(FRAUD), firing(ADMIN))
    while rows(one.database.dsn, "SELECT 1 FROM monitoring.responder_actions WHERE NOT counted AND state = 'done'"):
        ask(one)
    rows(one.database.dsn, "VACUUM ANALYZE monitoring.responder_incidents, monitoring.responder_actions")
    # A connection of which the server has no other statistics yet.
    with two.connection, two.connection.cursor() as cursor:
        asked(cursor)
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
            " WHERE relname IN ('responder_incidents', 'responder_actions', 'responder_totals')"
        )
        (read,) = cursor.fetchall()[0]
    assert 0 < read < 200
