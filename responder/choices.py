"""What a person can decide about an incident by a click: buttons of a message to the chat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from responder.ledger.decisions import Kind
from responder.ledger.telling import Situation


@dataclass(frozen=True)
class Choice:
    """A decision that is still open.

    Attributes:
        kind: see `Decision`.
        action: that waits for it.
    """

    kind: Kind
    action: str | None = None


def choices(situation: Situation, *, can_ack: bool) -> Iterator[Choice]:
    """Those that may be taken from the chat.

    Args:
        situation: of the incident.
        can_ack: whether anything would come of acknowledging it.
    """
    waiting = [
        outcome.action
        for outcome in situation.outcomes
        if outcome.state == "waiting" and outcome.approval is not None and "chat" in outcome.approval["from"]
    ]
    # An answer is for all of one name.
    for action in dict.fromkeys(waiting):
        yield Choice("approve", action)
        yield Choice("decline", action)
    decided = {one.decision.kind for one in situation.said}
    changed = any(
        outcome.phase == "firing" and outcome.state == "done" and outcome.next_at is not None
        for outcome in situation.outcomes
    )
    if changed and "undo" not in decided:
        yield Choice("undo")
    if not situation.over and not decided & {"undo", "stop"}:
        yield Choice("stop")
    if can_ack and not situation.over and "ack" not in decided:
        yield Choice("ack")
