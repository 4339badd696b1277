"""The ledger's own rules, where two sessions meet."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from responder.ledger import checks, claims
from testbed.servers.contract import ContractDatabase
from tests.responder.ledger_session import Session
from tests.responder.messages import ADMIN, FRAUD, firing, resolved
from tests.responder.process import wait_until
from tests.responder.sql import rows


def test_an_answer_from_before_the_last_message_closes_nothing(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD, ended=-30))
    check = one(checks.next_check, 0)
    assert one(checks.over, check, hold=3600, longest_gap=60) is False
    # While Prometheus is asked, the same episode is reported once more.
    assert two.tell(firing(FRAUD)) == ["kept"]
    assert one(checks.over, check, hold=0, longest_gap=60) is False
    assert one(checks.over, one(checks.next_check, 0), hold=0, longest_gap=60) is True


def test_the_time_for_which_it_is_over_begins_anew_after_a_gap(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD))
    first = one(checks.next_check, 0)
    assert one(checks.over, first, hold=0.001, longest_gap=60) is False
    time.sleep(0.01)
    assert one(checks.over, first, hold=0.001, longest_gap=0) is False
    time.sleep(0.01)
    assert one(checks.over, first, hold=0.001, longest_gap=60) is True


def test_what_is_done_while_its_incident_is_being_closed_is_put_back_at_once(
    sessions: tuple[Session, Session],
) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    claim = two(claims.claim, "two", 60)
    assert two(claims.prepare, claim, "target", {"value": "0.60"}, {"value": "0.50"})
    one.tell(resolved(FRAUD))
    check = one(checks.next_check, 60)
    with ThreadPoolExecutor(1) as other:
        with one.connection, one.connection.cursor() as cursor:
            assert checks.over(cursor, check, hold=0, longest_gap=60)
            written = other.submit(two, claims.done, claim, {"value": "0.50"})
            # It is not committed yet that the incident is over.
            wait_until(lambda: written.done() or two.waits())
        assert written.result()
    assert due(one.database, claim.action_id) == [(True,)]


def test_what_is_done_before_its_incident_is_closed_is_put_back_at_once(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    claim = two(claims.claim, "two", 60)
    assert two(claims.prepare, claim, "target", {"value": "0.60"}, {"value": "0.50"})
    one.tell(resolved(FRAUD))
    check = one(checks.next_check, 60)
    with ThreadPoolExecutor(1) as other:
        with two.connection, two.connection.cursor() as cursor:
            assert claims.done(cursor, claim, {"value": "0.50"})
            closed = other.submit(one, checks.over, check, hold=0, longest_gap=60)
            wait_until(lambda: closed.done() or one.waits())
        assert closed.result()
    assert due(one.database, claim.action_id) == [(True,)]


def due(database: ContractDatabase, action_id: int) -> list[tuple[Any, ...]]:
    sql = "SELECT due_at <= now() FROM monitoring.responder_actions WHERE action_id = %s AND state = 'done'"
    return rows(database.dsn, sql, action_id)


def test_two_claim_different_actions_and_an_old_claim_writes_nothing(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(ADMIN), firing({**ADMIN, "account": "bob.ops"}))
    first, second = one(claims.claim, "one", 60), two(claims.claim, "two", 60)
    assert {first.incident.labels["account"], second.incident.labels["account"]} == {"alice.ops", "bob.ops"}
    assert (first.action, second.action) == ("lock_account", "lock_account")
    # Nothing follows before the first of each has been tried.
    assert one(claims.claim, "one", 60) is None
    assert one(claims.retry, first, "not now", 60)
    old = one(claims.claim, "one", 0)
    assert old.action == "record_siem"
    # Its lease is over at once, and somebody else goes on with it.
    again = two(claims.claim, "two", 60)
    assert (again.action, again.attempts) == ("record_siem", 2)
    assert not one(claims.confirm, old)
    assert not one(claims.done, old, {})
    assert one(claims.confirm, again)
    assert two(claims.done, again, {})


def test_one_that_looks_at_an_incident_leaves_it_to_nobody_else(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    assert one(checks.next_check, 60) is None
    one.tell(resolved(FRAUD))
    assert one(checks.next_check, 60) is not None
    assert two(checks.next_check, 60) is None
