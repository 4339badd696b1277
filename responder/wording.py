"""What has come of an incident's actions, in words for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from responder.actions import actions
from responder.endpoints import without_quote
from responder.ledger.claims import AT_REST
from responder.ledger.telling import FOLLOW_UP, Outcome, Situation

logger = logging.getLogger(__name__)

LONGEST_REASON = 200
_OTHERWISE = {"skip": "if nobody does, it is skipped", "do": "if nobody does, it is done"}


def lines(situation: Situation, phase: str) -> Iterator[str]:
    """A line for each thing that is worth telling.

    Args:
        situation: of the incident.
        phase: of the action that tells: of its own phase all is told, of the others what is new.
    """
    for said in situation.said:
        if not said.told:
            about = f"{said.decision.action} " if said.decision.action else ""
            yield f"• {about}{said.decision}"
    for outcome in situation.outcomes:
        news = outcome.told not in (None, outcome.state) and outcome.state in AT_REST
        to_be_put_back = situation.end_is_news and outcome.state == "done" and outcome.next_at is not None
        if outcome.phase == phase or (phase == FOLLOW_UP and (news or to_be_put_back)):
            yield f"• {outcome.action}: {words(outcome, over=situation.over)}"
    if situation.end_is_news:
        yield "It is over."


def words(outcome: Outcome, *, over: bool) -> str:
    """What an action has come to.

    Args:
        outcome: of the action.
        over: whether its incident is.
    """
    reason = f": {_shorten(without_quote(outcome.reason))}" if outcome.reason else ""
    match outcome.state:
        case "waiting":
            ways = " or ".join(outcome.approval["from"]) if outcome.approval else "nobody"
            otherwise = outcome.approval["otherwise"] if outcome.approval else ""
            until = f"{outcome.next_at:%H:%M} UTC" if outcome.next_at else "then"
            return f"waits until {until} for somebody to approve it by {ways}; {_OTHERWISE.get(otherwise, '')}"
        case "pending":
            return f"not done yet, tried again{reason}" if reason else "not begun yet"
        case "running":
            return "under way"
        case "done":
            return _done(outcome, over=over)
        case "failed":
            return f"failed{reason}"
        case "skipped":
            return f"not done for now{reason}" if outcome.wait and not over else f"not done{reason}"
        case "reverting":
            return "being put back"
        case "reverted" if outcome.reason:
            return f"not put back{reason}"
        case "reverted":
            return "put back: its time was up" if outcome.expired else "put back"
    return outcome.state


def _shorten(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def _done(outcome: Outcome, *, over: bool) -> str:
    action = actions().get(outcome.action)
    effect = "done"
    if action is not None and outcome.after is not None:
        try:
            effect = action.effect(outcome.before, outcome.after)
        except Exception:
            # It may be another package's, or the row an older version's; that keeps nobody from being told the rest.
            logger.exception("no words for what %s has done", outcome.action)
    if outcome.reason is not None:
        # In words already: what it means, or that another incident wants more than this one.
        effect = outcome.reason
    if over and outcome.next_at is not None:
        return f"{effect}, to be put back at {outcome.next_at:%H:%M} UTC"
    return effect
