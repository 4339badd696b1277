"""What people were told of an incident, and what has changed since.

`told` of an action, and of an incident, is the state that people were told last. Where it is another one by now, and
the new one lasts, a follow-up is due: a row of phase `follow_up`, claimed and tried like any action. So a change is
told whoever has made it, and whatever crashed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from responder.ledger import claims
from responder.ledger.claims import Claim, State
from responder.ledger.decisions import Decision
from responder.postgres import Cursor

FOLLOW_UP = "follow_up"
HOLD_SECONDS = 10.0
"""A change waits so long for what is under way, to be told in one message with it."""
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Outcome:
    """What an action of the incident has come to.

    Attributes:
        reason: why it was skipped, has failed, or is tried again.
        wait: whether it was skipped only until the alert is repeated.
        next_at: when it is tried again or put back; None when it is settled.
        expired: whether it was put back because its time was up.
        approval: who has to approve it, as in the playbook.
        told: the state that people were told last.
    """

    action_id: int
    phase: str
    action: str
    state: str
    reason: str | None = None
    wait: bool = False
    before: State | None = None
    after: State | None = None
    next_at: datetime | None = None
    expired: bool = False
    approval: dict[str, Any] | None = None
    told: str | None = None


@dataclass(frozen=True)
class Said:
    """A decision of a person, and whether people were told of it."""

    decision_id: int
    decision: Decision
    told: bool


@dataclass(frozen=True)
class Situation:
    """An incident as it is at this moment.

    Attributes:
        over: whether its end is verified.
        end_is_news: whether people were not told of its end.
        said: what people have decided about it, in this order.
        outcomes: of all its actions but those that tell, in their order.
    """

    over: bool
    end_is_news: bool
    said: tuple[Said, ...]
    outcomes: tuple[Outcome, ...]


def situation(cursor: Cursor, claim: Claim) -> Situation:
    """What is to be told by a claimed action."""
    correlation_id = str(claim.incident.correlation_id)
    cursor.execute(
        "SELECT i.state = 'closed', i.state = 'closed' AND i.told IS DISTINCT FROM 'closed', a.action_id, a.phase,"
        " a.action, a.state, a.error, a.wait, a.before_state, a.after_state, a.due_at,"
        " coalesce(a.reverted_at >= a.started_at + a.expires_after, false), a.approval, a.told"
        " FROM monitoring.responder_incidents AS i LEFT JOIN monitoring.responder_actions AS a"
        "  ON a.correlation_id = i.correlation_id AND a.action <> %s"
        " WHERE i.correlation_id = %s ORDER BY a.phase DESC, a.position",
        (claim.action, correlation_id),
    )
    rows = cursor.fetchall()
    cursor.execute(
        "SELECT d.decision_id, d.told, d.decision, d.decided_by, d.via, a.action"
        " FROM monitoring.responder_decisions AS d LEFT JOIN monitoring.responder_actions AS a USING (action_id)"
        " WHERE d.correlation_id = %s ORDER BY d.decision_id",
        (correlation_id,),
    )
    said = tuple(
        Said(decision_id, Decision(claim.incident.correlation_id, *rest), told)
        for decision_id, told, *rest in cursor.fetchall()
    )
    return Situation(rows[0][0], rows[0][1], said, tuple(Outcome(*row[2:]) for row in rows if row[2] is not None))


def remember(cursor: Cursor, claim: Claim, situation: Situation, after: State) -> bool:
    """Write down for the next try what this one is about to do, and what it is about to tell."""
    return claims.remember(cursor, claim, {**after, _SAID: _said(situation)})


def told(cursor: Cursor, claim: Claim, situation: Situation, after: State) -> bool:
    """People know the situation; False when the claim is another's by now."""
    _mark(cursor, claim, _said(situation))
    return claims.done(cursor, claim, after)


def failed(cursor: Cursor, claim: Claim, situation: Situation, error: str) -> bool:
    """People may not know what the last try told, and are not told it again; what has changed since, they are.

    Args:
        cursor: of the ledger.
        claim: of the try.
        situation: which it was to tell, if none was written down to be told.
        error: why it has failed.
    """
    cursor.execute(
        "SELECT after_state -> %s FROM monitoring.responder_actions WHERE action_id = %s", (_SAID, claim.action_id)
    )
    ((said,),) = cursor.fetchall()
    _mark(cursor, claim, said or _said(situation))
    return claims.failed(cursor, claim, error)


def left_untold(cursor: Cursor, claim: Claim, situation: Situation, reason: str, *, wait: bool) -> bool:
    """There is nothing to tell of this situation, or nowhere to tell it."""
    _mark(cursor, claim, _said(situation))
    return claims.skipped(cursor, claim, reason, wait=wait)


_SAID = "said"


def _said(situation: Situation) -> State:
    return {
        "over": situation.over,
        "actions": [one.action_id for one in situation.outcomes],
        "states": [one.state for one in situation.outcomes],
        "decisions": [one.decision_id for one in situation.said],
    }


def _mark(cursor: Cursor, claim: Claim, said: State) -> None:
    # The incident before its actions, as everybody does who writes to both.
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET told = %s WHERE correlation_id = %s",
        ("closed" if said["over"] else "open", str(claim.incident.correlation_id)),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions AS a SET told = t.state FROM unnest(%s::bigint[], %s::text[])"
        " AS t (action_id, state) WHERE a.action_id = t.action_id AND a.told IS DISTINCT FROM t.state"
        # What is under way again may come to the same as before.
        "  AND (a.told IS NULL OR t.state = ANY (%s))",
        (said["actions"], said["states"], list(claims.AT_REST)),
    )
    cursor.execute(
        "UPDATE monitoring.responder_decisions SET told = true WHERE decision_id = ANY (%s::bigint[]) AND NOT told",
        (said["decisions"],),
    )


def follow_up(cursor: Cursor, tellers: Sequence[str]) -> int:
    """Ask for a follow-up of each incident about which people were told something that is no longer so.

    One at a time for an incident; however many responders ask, each is there once.

    Args:
        cursor: of the ledger.
        tellers: the actions that tell.

    Returns:
        How many are new.
    """
    cursor.execute(
        _FOLLOW_UP,
        {"tellers": list(tellers), "hold": HOLD_SECONDS, "most": MOST_AT_ONCE, "at_rest": list(claims.AT_REST)},
    )
    return cursor.rowcount


_FOLLOW_UP = """
WITH news AS (
    SELECT correlation_id, min(since) AS since FROM (
        SELECT correlation_id, coalesce(reverted_at, finished_at) AS since FROM monitoring.responder_actions
        WHERE told <> state AND state = ANY (%(at_rest)s)
        UNION ALL
        SELECT correlation_id, closed_at FROM monitoring.responder_incidents WHERE state = 'closed' AND told <> 'closed'
        UNION ALL
        SELECT d.correlation_id, d.decided_at FROM monitoring.responder_decisions AS d
        JOIN monitoring.responder_incidents AS i USING (correlation_id) WHERE NOT d.told AND i.told IS NOT NULL
    ) AS changes GROUP BY correlation_id ORDER BY since LIMIT %(most)s
)
INSERT INTO monitoring.responder_actions
    (correlation_id, phase, position, action, parameters, dry_run, requested_by, due_at)
SELECT n.correlation_id, 'follow_up',
    (SELECT coalesce(max(a.position), 0) + 1 FROM monitoring.responder_actions AS a
     WHERE a.correlation_id = n.correlation_id AND a.phase = 'follow_up'),
    first.action, first.parameters, first.dry_run, 'change of outcome', now()
FROM news AS n, LATERAL (
    SELECT a.action, a.parameters, a.dry_run FROM monitoring.responder_actions AS a
    WHERE a.correlation_id = n.correlation_id AND a.action = ANY (%(tellers)s) AND a.state IN ('done', 'failed')
    ORDER BY a.action_id LIMIT 1
) AS first
WHERE NOT EXISTS (
    SELECT FROM monitoring.responder_actions AS a
    WHERE a.correlation_id = n.correlation_id AND a.action = ANY (%(tellers)s)
      AND a.state IN ('pending', 'running') AND a.due_at IS NOT NULL
) AND (n.since < now() - make_interval(secs => %(hold)s) OR NOT EXISTS (
    SELECT FROM monitoring.responder_actions AS a
    WHERE a.correlation_id = n.correlation_id
      -- The clock's now: what was due when the change was made may be so after this transaction began.
      AND (a.due_at <= clock_timestamp() OR a.state IN ('running', 'reverting'))
))
ON CONFLICT (correlation_id, phase, position) DO NOTHING
"""
