"""The ledger as people see it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from responder.postgres import Cursor

MOST_INCIDENTS = 500

_INCIDENTS = """
SELECT jsonb_build_object(
    'correlation_id', i.correlation_id, 'playbook', i.playbook, 'alertname', i.alertname,
    'fingerprint', i.fingerprint, 'state', i.state, 'labels', i.labels,
    'annotations', i.annotations, 'requested_by', i.requested_by,
    'starts_at', i.starts_at, 'opened_at', i.opened_at, 'last_firing_at', i.last_firing_at,
    'ended_at', i.ended_at, 'closed_at', i.closed_at, 'last_check', i.last_check,
    'actions', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'phase', a.phase, 'action', a.action, 'state', a.state, 'attempts', a.attempts, 'reason', a.error,
            'dry_run', a.dry_run, 'approval', a.approval, 'requested_by', a.requested_by, 'target', a.target,
            'before', a.before_state,
            'after', a.after_state, 'created_at', a.created_at, 'started_at', a.started_at,
            'finished_at', a.finished_at, 'reverted_at', a.reverted_at, 'next_at', a.due_at
        ) ORDER BY a.phase DESC, a.position)
        FROM monitoring.responder_actions a WHERE a.correlation_id = i.correlation_id), '[]'::jsonb),
    'decisions', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'decision', d.decision, 'action', (SELECT w.action FROM monitoring.responder_actions w
                WHERE w.action_id = d.action_id),
            'by', d.decided_by, 'via', d.via, 'at', d.decided_at) ORDER BY d.decision_id)
        FROM monitoring.responder_decisions d WHERE d.correlation_id = i.correlation_id), '[]'::jsonb))
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
