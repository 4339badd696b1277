"""What people have decided about an incident, each once, whoever was first, through whichever responder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from psycopg2.extras import Json

from responder.ledger.claims import Claim
from responder.playbooks import Step, Via
from responder.postgres import Cursor

Kind = Literal["approve", "decline", "undo", "ack", "stop"]
PAST: dict[Kind, str] = {
    "approve": "approved",
    "decline": "declined",
    "undo": "undone",
    "ack": "acknowledged",
    "stop": "stopped",
}
ACK = "ack"
"""The phase of what is done because an incident is acknowledged."""


@dataclass(frozen=True)
class Decision:
    """A word of a person.

    Attributes:
        correlation_id: of the incident.
        kind: approve and decline are about actions that wait for it; undo puts back what the incident has changed; ack
            silences its alert until its end; stop lets it do no more.
        by: who.
        via: how it was said.
        action: name of the one that it is about, of approve and decline; None is all that wait.
    """

    correlation_id: UUID
    kind: Kind
    by: str
    via: Via
    action: str | None = None

    def __str__(self) -> str:
        return f"{PAST[self.kind]} by {self.by} ({self.via})"


class NotDecidedError(Exception):
    """The decision is not taken; the message says why.

    Attributes:
        unknown: whether there is no such incident.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


def decide(cursor: Cursor, decision: Decision, on_ack: Step, tellers: Collection[str], *, dry_run: bool) -> None:
    """Write a decision down, and let what follows from it begin, in one transaction.

    Args:
        cursor: of the ledger.
        decision: of a person.
        on_ack: what is done when an incident is acknowledged.
        tellers: the actions that tell; where none of them has told or will, nobody is to be told of the decision.
        dry_run: whether nothing may have an effect.

    Raises:
        NotDecidedError: somebody has decided the same already, or there is nothing left to decide.
    """
    # Whoever decides about the same incident waits here: the second one sees what the first one has decided.
    cursor.execute(
        "SELECT state = 'closed', told FROM monitoring.responder_incidents WHERE correlation_id = %s FOR UPDATE",
        (str(decision.correlation_id),),
    )
    row = cursor.fetchone()
    if row is None:
        raise NotDecidedError("there is no such incident", unknown=True)
    closed, told = row
    match decision.kind:
        case "approve" | "decline":
            _answer(cursor, decision)
        case "undo" | "stop":
            _halt(cursor, decision)
        case "ack":
            _acknowledge(cursor, decision, on_ack, closed=closed, told=told, dry_run=dry_run)
    if told is None:
        cursor.execute(
            "UPDATE monitoring.responder_decisions AS d SET told = true WHERE correlation_id = %s AND NOT told"
            " AND NOT EXISTS (SELECT FROM monitoring.responder_actions AS a WHERE a.correlation_id = d.correlation_id"
            "  AND a.action = ANY (%s) AND (a.state <> 'skipped' OR a.wait))",
            (str(decision.correlation_id), list(tellers)),
        )


def _answer(cursor: Cursor, decision: Decision) -> None:
    # What was decided by somebody whose transaction began later is due after now(), and waits no more all the same.
    cursor.execute(
        "SELECT action_id, action, approval -> 'from' FROM monitoring.responder_actions AS a"
        " WHERE correlation_id = %s AND state = 'waiting' AND due_at > now() AND (%s IS NULL OR action = %s)"
        " AND NOT EXISTS (SELECT FROM monitoring.responder_decisions AS d WHERE d.action_id = a.action_id)"
        " ORDER BY action_id FOR UPDATE",
        (str(decision.correlation_id), decision.action, decision.action),
    )
    waiting = cursor.fetchall()
    if not waiting:
        asked = [
            before
            for before in taken(cursor, decision.correlation_id)
            if before.action is not None and decision.action in (None, before.action)
        ]
        raise NotDecidedError(
            f"already {asked[-1]}" if asked else "nothing waits for this decision, or its time is over"
        )
    for action_id, action, ways in waiting:
        if decision.via not in ways:
            raise NotDecidedError(f"{action} can be approved and declined by {' or '.join(ways)} only")
        _write(cursor, decision, action_id)
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = now() WHERE action_id = ANY (%s)",
        ([action_id for action_id, _, _ in waiting],),
    )


def _halt(cursor: Cursor, decision: Decision) -> None:
    correlation_id = str(decision.correlation_id)
    _check_is_first(cursor, decision)
    cursor.execute(
        "SELECT FROM monitoring.responder_actions"
        " WHERE correlation_id = %s AND phase = 'firing' AND due_at IS NOT NULL"
        " UNION ALL SELECT FROM monitoring.responder_incidents WHERE correlation_id = %s AND state <> 'closed'",
        (correlation_id, correlation_id),
    )
    if not cursor.rowcount:
        raise NotDecidedError("the incident is over, and nothing is left of it")
    _write(cursor, decision)
    # What was to be looked at again when the alert is repeated stays as it is.
    cursor.execute(
        "UPDATE monitoring.responder_actions SET wait = false WHERE correlation_id = %s AND phase = 'firing' AND wait",
        (correlation_id,),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = now()"
        " WHERE correlation_id = %s AND phase = 'firing' AND due_at > now()"
        " AND (state = 'waiting' OR (%s AND before_state IS NOT NULL AND state IN ('done', 'failed', 'pending')))",
        (correlation_id, decision.kind == "undo"),
    )


def _acknowledge(
    cursor: Cursor, decision: Decision, step: Step, *, closed: bool, told: str | None, dry_run: bool
) -> None:
    _check_is_first(cursor, decision)
    if closed:
        raise NotDecidedError("the incident is over")
    _write(cursor, decision)
    by = f"{decision.by} ({decision.via})"
    cursor.execute(
        "INSERT INTO monitoring.responder_actions (correlation_id, phase, position, action, parameters, dry_run,"
        " requested_by, due_at, expires_after, told)"
        " VALUES (%s, %s, 1, %s, %s, %s, %s, now(), make_interval(secs => %s), %s)",
        (
            str(decision.correlation_id),
            ACK,
            step.action,
            Json({**step.parameters, "by": by}),
            dry_run,
            by,
            step.expires,
            # Who was told of the incident is told what comes of this.
            None if told is None else "pending",
        ),
    )
    # Alertmanager will tell neither that the alert goes on nor that it is over.
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET next_check_at = now() WHERE correlation_id = %s",
        (str(decision.correlation_id),),
    )


def _check_is_first(cursor: Cursor, decision: Decision) -> None:
    for before in taken(cursor, decision.correlation_id):
        if before.kind == decision.kind:
            raise NotDecidedError(f"already {before}")


def _write(cursor: Cursor, decision: Decision, action_id: int | None = None) -> None:
    cursor.execute(
        "INSERT INTO monitoring.responder_decisions (correlation_id, action_id, decision, decided_by, via)"
        " VALUES (%s, %s, %s, %s, %s)",
        (str(decision.correlation_id), action_id, decision.kind, decision.by, decision.via),
    )


def taken(cursor: Cursor, correlation_id: UUID) -> list[Decision]:
    """All decisions about an incident, the first one first."""
    cursor.execute(
        "SELECT d.decision, d.decided_by, d.via, a.action FROM monitoring.responder_decisions AS d"
        " LEFT JOIN monitoring.responder_actions AS a USING (action_id)"
        " WHERE d.correlation_id = %s ORDER BY d.decision_id",
        (str(correlation_id),),
    )
    return [Decision(correlation_id, *row) for row in cursor.fetchall()]


def is_taken(cursor: Cursor, decision: Decision) -> bool:
    """Whether the same has been decided by the same person in the same way."""
    return any(
        (before.kind, before.by, before.via) == (decision.kind, decision.by, decision.via)
        and decision.action in (None, before.action)
        for before in taken(cursor, decision.correlation_id)
    )


@dataclass(frozen=True)
class Word:
    """What people have said about an action that is to be done.

    Attributes:
        halt: by which its incident is to do no more, and its changes are put back if it is an undo.
        answer: whether it is approved, if somebody had to say so and has.
    """

    halt: Decision | None
    answer: Decision | None


def about(cursor: Cursor, claim: Claim) -> Word:
    """What people have said about a claimed action."""
    cursor.execute(
        "SELECT decision, decided_by, via FROM monitoring.responder_decisions"
        " WHERE correlation_id = %s AND (action_id = %s OR decision IN ('undo', 'stop'))",
        (str(claim.incident.correlation_id), claim.action_id),
    )
    said = {row[0]: Decision(claim.incident.correlation_id, *row) for row in cursor.fetchall()}
    return Word(said.get("undo") or said.get("stop"), said.get("approve") or said.get("decline"))
