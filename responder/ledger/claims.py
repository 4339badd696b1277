"""Actions as they are claimed, tried and settled. Every write names the claim: an older one writes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2.extras import Json

from responder.postgres import Cursor

State = dict[str, Any]
AT_REST = ("done", "failed", "skipped", "reverted")
"""States in which nothing of an action is under way."""


@dataclass(frozen=True)
class Incident:
    """What an action needs to know of its incident."""

    correlation_id: UUID
    playbook: str
    alertname: str
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    opened_at: datetime
    closed: bool


@dataclass(frozen=True)
class Claim:
    """An action that belongs to one worker until its lease ends.

    Attributes:
        action_id: of the ledger.
        fence: grows with every claim of any action.
        reverting: whether its effect is to be taken back.
        attempts: with this one.
        spent: seconds of its time for being tried, what was lost with the try before included.
        lost: whether nothing was written down of the try before, until its lease ended.
        target: what it changes, if it got so far.
        before: what was found before its effect, likewise.
        after: what it was about to make of it, or what came of it.
        approval: who has to approve it, as in the playbook; None when nobody has to.
        generation: of what was found, see `responder.ledger.targets`.
        taken_at: on the monotonic clock.
    """

    action_id: int
    fence: int
    action: str
    phase: str
    position: int
    parameters: dict[str, Any]
    dry_run: bool
    reverting: bool
    attempts: int
    spent: float
    lost: bool
    target: str | None
    before: State | None
    after: State | None
    approval: dict[str, Any] | None
    generation: int
    incident: Incident = field(repr=False)
    taken_at: float = field(default_factory=time.monotonic)


_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT c.action_id, c.state FROM monitoring.responder_actions AS c
    WHERE c.due_at <= now() AND (c.state <> 'pending' OR NOT EXISTS (
        SELECT FROM monitoring.responder_actions AS e
        WHERE e.correlation_id = c.correlation_id AND e.phase = c.phase AND e.position < c.position
          AND (e.state = 'running' OR (e.state = 'pending' AND e.attempts = 0))
    ))
    ORDER BY c.position, c.due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE monitoring.responder_actions AS a
SET state = CASE WHEN a.state IN ('waiting', 'pending', 'running') THEN 'running' ELSE 'reverting' END,
    attempts = a.attempts + 1, spent = a.spent + CASE due.state WHEN 'running' THEN %(lease)s ELSE 0 END,
    worker = %(worker)s, fence = nextval('monitoring.responder_fence'),
    due_at = now() + make_interval(secs => %(lease)s), started_at = coalesce(a.started_at, now())
FROM due, monitoring.responder_incidents AS i
WHERE a.action_id = due.action_id AND i.correlation_id = a.correlation_id
RETURNING a.action_id, a.fence, a.action, a.phase, a.position, a.parameters, a.dry_run, a.state = 'reverting',
    a.attempts, a.spent, due.state = 'running',
    a.target, a.before_state, a.after_state, a.approval, a.generation,
    i.correlation_id::text, i.playbook, i.alertname, i.fingerprint, i.labels, i.annotations, i.opened_at,
    i.state = 'closed'
"""
"""The order within an incident: an action waits until each earlier one has been tried once, so that one that cannot
succeed now holds up nothing."""
_MINE = " WHERE action_id = %(action_id)s AND fence = %(fence)s"
_REVERT_DUE = """
    CASE WHEN a.expires_after IS NULL OR a.before_state IS NULL THEN NULL
         WHEN a.phase = 'firing' AND EXISTS (SELECT FROM monitoring.responder_decisions AS d
              WHERE d.correlation_id = a.correlation_id AND d.decision = 'undo') THEN now()
         WHEN i.state = 'closed' THEN least(i.closed_at + a.cool_down, a.started_at + a.expires_after)
         ELSE a.started_at + a.expires_after END
"""
"""What can be taken back is looked at again when it expires, or after the cool-down when the end came first, and
at once when a person has said so."""


def claim(cursor: Cursor, worker: str, lease: float) -> Claim | None:
    """The next action that is due, now this worker's; None when there is none."""
    cursor.execute(_CLAIM, {"worker": worker, "lease": lease})
    row = cursor.fetchone()
    if row is None:
        return None
    fields = [*row[:16], Incident(UUID(row[16]), *row[17:])]
    return Claim(*fields)


def prepare(cursor: Cursor, claim: Claim, target: str, before: State, after: State, generation: int) -> bool:
    """Write down what the action wants to be changed; False when the claim is another's by now."""
    return _update(
        cursor,
        claim,
        "SET target = %(target)s, before_state = %(before)s, after_state = %(after)s, generation = %(generation)s",
        target=target,
        before=Json(before),
        after=Json(after),
        generation=generation,
    )


def confirm(cursor: Cursor, claim: Claim) -> bool:
    """Whether the claim is still this worker's; asked immediately before an effect."""
    cursor.execute(
        f"SELECT FROM monitoring.responder_actions{_MINE}", {"action_id": claim.action_id, "fence": claim.fence}
    )
    return bool(cursor.rowcount)


def remember(cursor: Cursor, claim: Claim, after: State) -> bool:
    """Write down for the next try what this one is about to do."""
    return _update(cursor, claim, "SET after_state = %(after)s", after=Json(after))


def done(cursor: Cursor, claim: Claim, after: State, *, again: bool = False, note: str | None = None) -> bool:
    """The effect is there.

    Args:
        cursor: of the ledger.
        claim: of the try.
        after: what came of it. What was done before, and has come to the same, keeps its time.
        again: whether it is done again when the alert is repeated.
        note: what is to be known besides.
    """
    return _finish(
        cursor,
        claim,
        "state = 'done', after_state = %(after)s, error = %(note)s, wait = %(again)s, finished_at ="
        " CASE WHEN a.after_state = %(after)s AND a.finished_at IS NOT NULL THEN a.finished_at ELSE now() END,"
        # People are told that it had to be done again.
        " told = CASE WHEN a.after_state <> %(after)s AND a.finished_at IS NOT NULL AND a.told = 'done'"
        "  THEN 'pending' ELSE a.told END",
        after=Json(after),
        again=again,
        note=note,
    )


def failed(cursor: Cursor, claim: Claim, error: str) -> bool:
    """It will not be tried again. What may have been half done is taken back like what is done."""
    return _finish(cursor, claim, "state = 'failed', error = %(error)s, finished_at = now()", error=error)


def skipped(cursor: Cursor, claim: Claim, reason: str, *, wait: bool) -> bool:
    """It has no effect, for a reason."""
    return _update(
        cursor,
        claim,
        "SET state = 'skipped', error = %(reason)s, wait = %(wait)s, finished_at = now(), due_at = NULL,"
        " before_state = NULL, after_state = NULL, target = NULL",
        reason=reason,
        wait=wait,
    )


def retry(cursor: Cursor, claim: Claim, error: str, seconds: float, *, spent: float) -> bool:
    """It did not succeed now.

    Args:
        cursor: of the ledger.
        claim: of the try.
        error: why.
        seconds: until the next one.
        spent: seconds of its time for being tried that this one and the pause behind it cost.
    """
    return _update(
        cursor,
        claim,
        "SET state = CASE WHEN state = 'running' THEN 'pending' ELSE state END, error = %(error)s,"
        " due_at = now() + make_interval(secs => %(seconds)s), spent = spent + %(spent)s",
        error=error,
        seconds=seconds,
        spent=spent,
    )


def reverted(cursor: Cursor, claim: Claim, note: str | None) -> bool:
    """The effect is taken back, or is not this action's any more."""
    return _update(
        cursor,
        claim,
        "SET state = 'reverted', error = %(note)s, reverted_at = now(), due_at = NULL",
        note=note,
    )


def irrevocable(cursor: Cursor, claim: Claim, error: str) -> bool:
    """The effect cannot be taken back."""
    return _update(
        cursor, claim, "SET state = 'failed', error = %(error)s, reverted_at = now(), due_at = NULL", error=error
    )


def _update(cursor: Cursor, claim: Claim, assignments: str, **values: Any) -> bool:
    cursor.execute(
        f"UPDATE monitoring.responder_actions {assignments}{_MINE}",
        {**values, "action_id": claim.action_id, "fence": claim.fence},
    )
    return bool(cursor.rowcount)


def _finish(cursor: Cursor, claim: Claim, assignments: str, **values: Any) -> bool:
    # Either the incident's end is seen here, or what ends it sees this: both lock the incident before the action.
    cursor.execute(
        "SELECT FROM monitoring.responder_incidents WHERE correlation_id = %s FOR SHARE",
        (str(claim.incident.correlation_id),),
    )
    cursor.execute(
        f"UPDATE monitoring.responder_actions AS a SET {assignments}, due_at = {_REVERT_DUE}"
        f" FROM monitoring.responder_incidents AS i{_MINE} AND i.correlation_id = a.correlation_id",
        {**values, "action_id": claim.action_id, "fence": claim.fence},
    )
    return bool(cursor.rowcount)
