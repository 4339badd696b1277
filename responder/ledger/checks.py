"""Incidents whose end has to be asked for, and what came of asking."""

from __future__ import annotations

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Verdict:
    """What Prometheus says of one incident.

    Attributes:
        check: what was asked about.
        doubt: why it may not be over; None when it is.
        hold: seconds for which it must be over.
    """

    check: Check
    doubt: str | None
    hold: float


def due(cursor: Cursor, lease: float, most: int) -> list[Check]:
    """The incidents to look at, those that wait longest first, left to this responder for `lease` seconds.

    An open one of which nothing has been heard for long is looked at as if it had been resolved: Alertmanager does
    not tell the end of an alert that was muted then, and nothing at all once it has lost its memory.
    """
    cursor.execute(
        "WITH due AS MATERIALIZED (SELECT correlation_id, next_check_at FROM monitoring.responder_incidents"
        "  WHERE state <> 'closed' AND next_check_at <= now() ORDER BY next_check_at LIMIT %s FOR UPDATE SKIP LOCKED),"
        " taken AS (UPDATE monitoring.responder_incidents AS i SET state = 'ending',"
        "  next_check_at = now() + make_interval(secs => %s) FROM due WHERE i.correlation_id = due.correlation_id"
        "  RETURNING i.*, due.next_check_at AS since)"
        " SELECT correlation_id::text, playbook, alertname, labels, annotations, last_firing_at, last_check"
        " FROM taken ORDER BY since",
        (most, lease),
    )
    return [Check(UUID(row[0]), *row[1:]) for row in cursor.fetchall()]


def write(cursor: Cursor, verdicts: Sequence[Verdict], *, next_after: float, longest_gap: float) -> list[UUID]:
    """Write down what Prometheus says, and close what it has said to be over for long enough without a gap.

    What a message came for after the question stays as it is, and so does what somebody else is writing to at this
    moment: both are looked at again.

    Args:
        cursor: of the ledger.
        verdicts: of incidents that `due` gave.
        next_after: seconds until each is looked at again.
        longest_gap: seconds between two answers; after a longer one the time begins anew.

    Returns:
        The incidents that are closed now.
    """
    cursor.execute(
        "WITH told AS (SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::float8[])"
        "  AS t (correlation_id, last_firing_at, doubt, hold)),"
        # Not waited for, or two that write to the same incidents in another order might wait for each other.
        " mine AS MATERIALIZED (SELECT i.correlation_id, told.doubt, told.hold"
        "  FROM monitoring.responder_incidents AS i JOIN told USING (correlation_id)"
        "  WHERE i.last_firing_at = told.last_firing_at AND i.state = 'ending' FOR UPDATE OF i SKIP LOCKED)"
        " UPDATE monitoring.responder_incidents AS i SET checked_at = now(), last_check = coalesce(mine.doubt, 'over'),"
        " next_check_at = now() + make_interval(secs => %s),"
        " clear_since = CASE WHEN mine.doubt IS NOT NULL THEN NULL"
        "  WHEN i.clear_since IS NULL OR i.checked_at < now() - make_interval(secs => %s) THEN now()"
        "  ELSE i.clear_since END"
        " FROM mine WHERE i.correlation_id = mine.correlation_id"
        " RETURNING i.correlation_id::text, i.clear_since <= now() - make_interval(secs => mine.hold)",
        (
            [str(verdict.check.correlation_id) for verdict in verdicts],
            [verdict.check.last_firing_at for verdict in verdicts],
            [verdict.doubt for verdict in verdicts],
            [verdict.hold for verdict in verdicts],
            next_after,
            longest_gap,
        ),
    )
    closed = [correlation_id for correlation_id, held in cursor.fetchall() if held]
    if closed:
        _close(cursor, closed)
    return [UUID(correlation_id) for correlation_id in closed]


def _close(cursor: Cursor, correlation_ids: list[str]) -> None:
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET state = 'closed', closed_at = now(), next_check_at = NULL"
        " WHERE correlation_id = ANY (%s::uuid[])",
        (correlation_ids,),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = least(due_at, now() + cool_down)"
        " WHERE correlation_id = ANY (%s::uuid[]) AND state IN ('done', 'failed') AND due_at IS NOT NULL",
        (correlation_ids,),
    )
    cursor.execute(
        "UPDATE monitoring.responder_actions SET due_at = now()"
        " WHERE correlation_id = ANY (%s::uuid[]) AND phase = 'end' AND state = 'pending'",
        (correlation_ids,),
    )
