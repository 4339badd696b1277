"""What people have decided about an incident, each once, whoever was first, through whichever responder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from responder.ledger.claims import Claim
from responder.postgres import Cursor

Kind = Literal["undo", "stop"]
Via = Literal["chat", "cli", "api"]
PAST = {"undo": "undone", "stop": "stopped"}


@dataclass(frozen=True)
class Decision:
    """A word of a person.

    Attributes:
        correlation_id: of the incident.
        kind: undo puts back what the incident has changed; stop lets it do no more.
        by: who.
        via: how it was said.
    """

    correlation_id: UUID
    kind: Kind
    by: str
    via: Via

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


def decide(cursor: Cursor, decision: Decision) -> None:
    """Write a decision down, and let what follows from it begin, in one transaction.

    Raises:
        NotDecidedError: somebody has decided the same already, or there is nothing left to decide.
    """
    correlation_id = str(decision.correlation_id)
    cursor.execute(
        "SELECT state FROM monitoring.responder_incidents WHERE correlation_id = %s FOR UPDATE", (correlation_id,)
    )
    row = cursor.fetchone()
    if row is None:
        raise NotDecidedError("there is no such incident", unknown=True)
    for before in taken(cursor, decision.correlation_id):
        if before.kind == decision.kind:
            raise NotDecidedError(f"already {before}")
    if row[0] == "closed" and not _is_anything_left(cursor, correlation_id):
        raise NotDecidedError("the incident is over, and nothing is left of it")
    cursor.execute(
        "INSERT INTO monitoring.responder_decisions (correlation_id, decision, decided_by, via)"
        " VALUES (%s, %s, %s, %s)",
        (correlation_id, decision.kind, decision.by, decision.via),
    )
    # What was to be looked at again when the alert is repeated stays as it is.
    cursor.execute(
        "UPDATE monitoring.responder_actions SET wait = false WHERE correlation_id = %s AND phase = 'firing' AND wait",
        (correlation_id,),
    )
    if decision.kind == "undo":
        cursor.execute(
            "UPDATE monitoring.responder_actions SET due_at = now() WHERE correlation_id = %s AND phase = 'firing'"
            " AND before_state IS NOT NULL AND state IN ('done', 'failed', 'pending') AND due_at > now()",
            (correlation_id,),
        )


def _is_anything_left(cursor: Cursor, correlation_id: str) -> bool:
    cursor.execute(
        "SELECT FROM monitoring.responder_actions"
        " WHERE correlation_id = %s AND phase = 'firing' AND due_at IS NOT NULL",
        (correlation_id,),
    )
    return bool(cursor.rowcount)


def taken(cursor: Cursor, correlation_id: UUID) -> list[Decision]:
    """All decisions about an incident, the first one first."""
    cursor.execute(
        "SELECT decision, decided_by, via FROM monitoring.responder_decisions WHERE correlation_id = %s"
        " ORDER BY decision_id",
        (str(correlation_id),),
    )
    return [Decision(correlation_id, *row) for row in cursor.fetchall()]


def halt(cursor: Cursor, claim: Claim) -> Decision | None:
    """The decision by which the incident is to do no more, and its changes are put back if it is an undo."""
    found = {one.kind: one for one in taken(cursor, claim.incident.correlation_id)}
    return found.get("undo") or found.get("stop")
