"""Incidents whose end has to be asked for, and what came of asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from responder.postgres import Cursor


@dataclass(frozen=True)
class Check:
    """An incident that is to be looked at now.

    Attributes:
        last_firing_at: a message after this one makes the answer worthless.
        last_check: what was written down of the last look; None when this is the first since it last fired.
    """

    correlation_id: UUID
    playbook: str
    alertname: str
    labels: dict[str, str]
    annotations: dict[str, str]
    last_firing_at: datetime
    last_check: str | None


def next_check(cursor: Cursor, every: float) -> Check | None:
    """The next incident to look at, left to this responder for a while; None when there is none.

    An open one of which nothing has been heard for long is looked at as if it had been resolved: Alertmanager does
    not tell the end of an alert that was muted then, and nothing at all once it has lost its memory.
    """
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET state = 'ending',"
        " next_check_at = now() + make_interval(secs => %s)"
        " WHERE correlation_id = (SELECT correlation_id FROM monitoring.responder_incidents"
        "  WHERE state <> 'closed' AND next_check_at <= now() ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING correlation_id::text, playbook, alertname, labels, annotations, last_firing_at, last_check",
        (every,),
    )
    row = cursor.fetchone()
    return None if row is None else Check(UUID(row[0]), *row[1:])


def not_over(cursor: Cursor, check: Check, said: str) -> None:
    """It goes on, or nobody knows; nothing, when a message came after the question."""
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET clear_since = NULL, checked_at = now(), last_check = %s"
        " WHERE correlation_id = %s AND last_firing_at = %s",
        (said, str(check.correlation_id), check.last_firing_at),
    )


def over(cursor: Cursor, check: Check, *, hold: float, longest_gap: float) -> bool:
    """Prometheus says that it is over; closes the incident once it has said so for `hold` seconds without a gap.

    Args:
        cursor: of the ledger.
        check: of what was asked.
        hold: seconds for which it must be over.
        longest_gap: between two answers; after a longer one the time begins anew.

    Returns:
        Whether it is closed now.
    """
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET checked_at = now(), last_check = 'over',"
        " clear_since = CASE WHEN clear_since IS NULL OR checked_at < now() - make_interval(secs => %s)"
        "  THEN now() ELSE clear_since END"
        " WHERE correlation_id = %s AND last_firing_at = %s AND state = 'ending'"
        " RETURNING clear_since <= now() - make_interval(secs => %s)",
        (longest_gap, str(check.correlation_id), check.last_firing_at, hold),
    )
    row = cursor.fetchone()
    if row is None or not row[0]:
        return False
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET state = 'closed', closed_at = now(), next_check_at = NULL"
        " WHERE correlation_id = %s",
        (str(check.correlation_id),),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = least(due_at, now() + cool_down)"
        " WHERE correlation_id = %s AND state IN ('done', 'failed') AND due_at IS NOT NULL",
        (str(check.correlation_id),),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = now()"
        " WHERE correlation_id = %s AND phase = 'end' AND state = 'pending'",
        (str(check.correlation_id),),
    )
    return True
