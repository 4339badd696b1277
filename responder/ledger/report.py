"""The ledger as people and Prometheus see it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

from responder.postgres import Cursor

INCIDENT_STATES = ("open", "ending", "closed")
ACTION_STATES = ("pending", "running", "done", "failed", "skipped", "reverting", "reverted")
MOST_INCIDENTS = 500


@dataclass(frozen=True)
class Totals:
    """Counts for metrics.

    Attributes:
        incidents: by playbook and state; those of the file are there even with 0.
        actions: by action and state; likewise.
        oldest_pending_seconds: since the oldest action became due that is not settled.
    """

    incidents: dict[tuple[str, str], int]
    actions: dict[tuple[str, str], int]
    oldest_pending_seconds: float


def totals(cursor: Cursor, playbooks: list[str], actions: list[str]) -> Totals:
    """Count everything in the ledger."""
    incidents = dict.fromkeys(product(playbooks, INCIDENT_STATES), 0)
    cursor.execute("SELECT playbook, state, count(*) FROM monitoring.responder_incidents GROUP BY 1, 2")
    incidents.update({(playbook, state): count for playbook, state, count in cursor.fetchall()})
    by_action = dict.fromkeys(product(actions, ACTION_STATES), 0)
    cursor.execute("SELECT action, state, count(*) FROM monitoring.responder_actions GROUP BY 1, 2")
    by_action.update({(action, state): count for action, state, count in cursor.fetchall()})
    cursor.execute(
        "SELECT coalesce(extract(epoch FROM now() - min(coalesce("
        "  a.started_at, CASE a.phase WHEN 'end' THEN i.closed_at ELSE a.created_at END))), 0)::float8"
        " FROM monitoring.responder_actions a JOIN monitoring.responder_incidents i USING (correlation_id)"
        " WHERE a.state IN ('pending', 'running') AND a.due_at IS NOT NULL"
    )
    return Totals(incidents, by_action, float(cursor.fetchall()[0][0]))


_INCIDENTS = """
SELECT jsonb_build_object(
    'correlation_id', i.correlation_id, 'playbook', i.playbook, 'alertname', i.alertname,
    'fingerprint', i.fingerprint, 'state', i.state, 'labels', i.labels, 'requested_by', i.requested_by,
    'starts_at', i.starts_at, 'opened_at', i.opened_at, 'last_firing_at', i.last_firing_at,
    'ended_at', i.ended_at, 'closed_at', i.closed_at, 'last_check', i.last_check,
    'actions', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'phase', a.phase, 'action', a.action, 'state', a.state, 'attempts', a.attempts, 'reason', a.error,
            'dry_run', a.dry_run, 'requested_by', a.requested_by, 'target', a.target, 'before', a.before_state,
            'after', a.after_state, 'created_at', a.created_at, 'started_at', a.started_at,
            'finished_at', a.finished_at, 'reverted_at', a.reverted_at, 'next_at', a.due_at
        ) ORDER BY a.phase DESC, a.position)
        FROM monitoring.responder_actions a WHERE a.correlation_id = i.correlation_id), '[]'::jsonb))
FROM monitoring.responder_incidents i
WHERE (%(correlation_id)s::uuid IS NULL OR i.correlation_id = %(correlation_id)s::uuid)
  AND (%(fingerprint)s::text IS NULL OR i.fingerprint = %(fingerprint)s)
ORDER BY i.opened_at DESC
LIMIT %(limit)s
"""


def incidents(
    cursor: Cursor, *, correlation_id: UUID | None = None, fingerprint: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """The newest incidents with their actions, as JSON."""
    cursor.execute(
        _INCIDENTS,
        {
            "correlation_id": None if correlation_id is None else str(correlation_id),
            "fingerprint": fingerprint,
            "limit": min(limit, MOST_INCIDENTS),
        },
    )
    return [row[0] for row in cursor.fetchall()]
