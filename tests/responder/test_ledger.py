"""The ledger's own rules, where two sessions meet."""

from __future__ import annotations

import time

from responder.ledger import checks, claims
from tests.responder.ledger_session import Session
from tests.responder.messages import ADMIN, FRAUD, firing, resolved


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
