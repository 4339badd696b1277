"""What can be decided by a click."""

from __future__ import annotations

from responder.choices import Choice, choices
from responder.ledger.telling import Outcome, Situation

APPROVAL = {"from": ["chat"], "otherwise": "skip"}


def test_each_button_is_there_once_and_only_if_something_comes_of_it() -> None:
    waiting = tuple(Outcome(number, "firing", "lock_account", "waiting", approval=APPROVAL) for number in (1, 2))
    situation = Situation(over=False, end_is_news=False, said=(), outcomes=waiting)
    asked = [Choice("approve", "lock_account"), Choice("decline", "lock_account"), Choice("stop")]
    assert list(choices(situation, can_ack=False)) == asked
    assert list(choices(situation, can_ack=True)) == [*asked, Choice("ack")]
