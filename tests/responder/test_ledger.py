"""The ledger's own rules, where two sessions meet."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from responder.actions.silence_alert import ON_ACK
from responder.ledger import checks, claims, decisions
from responder.ledger.checks import Check, Verdict
from responder.ledger.decisions import Decision, Kind, NotDecidedError
from testbed.servers.contract import ContractDatabase
from tests.responder.ledger_session import Session
from tests.responder.messages import ADMIN, FRAUD, firing, resolved
from tests.responder.process import wait_until
from tests.responder.sql import rows


def only_due(session: Session) -> Check:
    """The only incident that is to be looked at; it is so again at once."""
    (check,) = session(checks.due, 0, 9)
    found: Check = check
    return found


def over(session: Session, check: Check, *, hold: float = 0, longest_gap: float = 60) -> bool:
    """Prometheus says that it is over; whether it is closed now."""
    return bool(session(checks.write, [Verdict(check, None, hold)], next_after=0, longest_gap=longest_gap))


def test_an_answer_from_before_the_last_message_closes_nothing(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD, ended=-30))
    check = only_due(one)
    assert not over(one, check, hold=3600)
    # While Prometheus is asked, the same episode is reported once more.
    assert two.tell(firing(FRAUD)) == ["kept"]
    assert not over(one, check)
    assert over(one, only_due(one))


def test_the_time_for_which_it_is_over_begins_anew_after_a_gap(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD))
    first = only_due(one)
    assert not over(one, first, hold=0.001)
    time.sleep(0.01)
    assert not over(one, first, hold=0.001, longest_gap=0)
    time.sleep(0.01)
    assert over(one, first, hold=0.001)


def test_the_time_for_which_it_is_over_begins_anew_after_a_doubt(sessions: tuple[Session, Session]) -> None:
    one, _ = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD))
    first = only_due(one)
    assert not over(one, first, hold=0.001)
    time.sleep(0.01)
    doubted = Verdict(first, "the alert is firing", 0.001)
    assert one(checks.write, [doubted], next_after=0, longest_gap=60) == []
    assert not over(one, first, hold=0.001)


def test_many_verdicts_are_written_at_once_each_to_its_own_incident(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    alerts = [{**ADMIN, "account": account} for account in "abcd"]
    one.tell(*(firing(alert) for alert in alerts))
    one.tell(*(resolved(alert, ended=-30) for alert in alerts))
    a, b, c, d = sorted(one(checks.due, 0, 10), key=lambda check: check.labels["account"])
    two.tell(firing(alerts[3]))
    verdicts = [Verdict(a, None, 0), Verdict(b, "it goes on", 0), Verdict(c, None, 3600), Verdict(d, None, 0)]
    assert one(checks.write, verdicts, next_after=60, longest_gap=60) == [a.correlation_id]
    found = rows(
        one.database.dsn,
        "SELECT labels ->> 'account', state, last_check FROM monitoring.responder_incidents ORDER BY 1",
    )
    assert found == [
        ("a", "closed", "over"),
        ("b", "ending", "it goes on"),
        ("c", "ending", "over"),
        ("d", "ending", None),
    ]


def test_a_verdict_is_not_held_up_by_a_message_that_is_being_written_down(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    one.tell(resolved(FRAUD, ended=-30))
    check = only_due(one)
    with two.connection, two.connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring.responder_incidents SET last_firing_at = now()")
        assert not over(one, check)


def test_what_is_done_while_its_incident_is_being_closed_is_put_back_at_once(
    sessions: tuple[Session, Session],
) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    claim = two(claims.claim, "two", 60)
    assert two(claims.prepare, claim, "target", {"value": "0.60"}, {"value": "0.50"}, 1)
    one.tell(resolved(FRAUD))
    check = only_due(one)
    with ThreadPoolExecutor(1) as other:
        with one.connection, one.connection.cursor() as cursor:
            assert checks.write(cursor, [Verdict(check, None, 0)], next_after=60, longest_gap=60)
            written = other.submit(two, claims.done, claim, {"value": "0.50"})
            # It is not committed yet that the incident is over.
            wait_until(lambda: written.done() or two.waits())
        assert written.result()
    assert due(one.database, claim.action_id) == [(True,)]


def test_what_is_done_before_its_incident_is_closed_is_put_back_at_once(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    one.tell(firing(FRAUD))
    claim = two(claims.claim, "two", 60)
    assert two(claims.prepare, claim, "target", {"value": "0.60"}, {"value": "0.50"}, 1)
    one.tell(resolved(FRAUD))
    check = only_due(one)
    with two.connection, two.connection.cursor() as cursor:
        assert claims.done(cursor, claim, {"value": "0.50"})
        # Whoever acts is not waited for: the next look closes it.
        assert not over(one, check)
    assert over(one, check)
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
    assert one(claims.retry, first, "not now", 60, spent=60)
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
    assert one(checks.due, 60, 9) == []
    one.tell(resolved(FRAUD))
    assert len(one(checks.due, 60, 9)) == 1
    assert two(checks.due, 60, 9) == []


def test_two_share_what_is_due(sessions: tuple[Session, Session]) -> None:
    one, two = sessions
    alerts = [{**ADMIN, "account": str(number)} for number in range(5)]
    one.tell(*(firing(alert) for alert in alerts))
    one.tell(*(resolved(alert) for alert in alerts))
    with one.connection, one.connection.cursor() as cursor:
        first = checks.due(cursor, 60, 3)
        # What the first one takes is not committed yet.
        second = two(checks.due, 60, 9)
    accounts = [{check.labels["account"] for check in found} for found in (first, second)]
    assert (len(accounts[0]), len(accounts[1]), len(accounts[0] | accounts[1])) == (3, 2, 5)


@pytest.mark.parametrize("kind", ["approve", "decline"])
@pytest.mark.parametrize("before", ["approve", "decline"])
def test_whoever_began_first_but_comes_second_is_told_who_was_first(
    sessions: tuple[Session, Session], ledger: ContractDatabase, before: Kind, kind: Kind
) -> None:
    early, late = sessions
    late.tell(firing(ADMIN))
    ((incident,),) = rows(
        ledger.dsn,
        "UPDATE monitoring.responder_actions SET state = 'waiting', due_at = now() + interval '1 hour',"
        " approval = '{\"from\": [\"api\"]}' WHERE action = 'lock_account' RETURNING correlation_id::text",
    )

    def decide(session: Session, kind: Kind, by: str) -> None:
        session(decisions.decide, Decision(UUID(incident), kind, by, "api"), ON_ACK, (), dry_run=False)

    with early.connection.cursor() as cursor:
        cursor.execute("SELECT now()")  # its transaction begins
    decide(late, before, "bob")
    with pytest.raises(NotDecidedError, match=f"already {decisions.PAST[before]} by bob"):
        decide(early, kind, "alice")
