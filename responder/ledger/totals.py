"""How much is in the ledger, as Prometheus sees it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from responder.ledger.claims import AT_REST
from responder.postgres import Cursor

INCIDENT_STATES = ("open", "ending", "closed")
ACTION_STATES = ("waiting", "pending", "running", "done", "failed", "skipped", "reverting", "reverted")
MOST_ADDED = 5000
"""Rows that one call adds to the totals."""


@dataclass(frozen=True)
class Totals:
    """Counts for metrics.

    Attributes:
        incidents: by playbook and state, deleted ones included; those of the file are there even with 0.
        actions: by action and state; likewise.
        oldest_pending_seconds: since the oldest action became due that is not carried out, or not put back.
    """

    incidents: dict[tuple[str, str], int]
    actions: dict[tuple[str, str], int]
    oldest_pending_seconds: float


def totals(cursor: Cursor, playbooks: list[str], actions: list[str]) -> Totals:
    """Count everything that ever was in the ledger.

    What is at rest is added to the totals of the ledger once, so this costs no more with a longer history.
    """
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('responder totals', 0))")
    # One at a time; another one that asks meanwhile counts the same rows one by one.
    if cursor.fetchall()[0][0]:
        cursor.execute(_ADD_WHAT_IS_AT_REST, {"most": MOST_ADDED, "at_rest": list(AT_REST)})
    cursor.execute(_COUNTS)
    incidents = dict.fromkeys(product(playbooks, INCIDENT_STATES), 0)
    by_action = dict.fromkeys(product(actions, ACTION_STATES), 0)
    for kind, name, state, count in cursor.fetchall():
        (incidents if kind == "incident" else by_action)[name, state] = count
    cursor.execute(_OLDEST_PENDING)
    return Totals(incidents, by_action, float(cursor.fetchall()[0][0]))


_ADD_WHAT_IS_AT_REST = """
WITH actions AS (
    UPDATE monitoring.responder_actions SET counted = true WHERE action_id IN (
        SELECT a.action_id
        FROM monitoring.responder_actions a JOIN monitoring.responder_incidents i USING (correlation_id)
        WHERE NOT a.counted AND a.due_at IS NULL AND a.state = ANY (%(at_rest)s)
          AND (NOT a.wait OR i.state = 'closed')
        LIMIT %(most)s FOR UPDATE OF a SKIP LOCKED)
    RETURNING action, state
), incidents AS (
    UPDATE monitoring.responder_incidents SET counted = true WHERE correlation_id IN (
        SELECT correlation_id FROM monitoring.responder_incidents WHERE NOT counted AND state = 'closed' LIMIT %(most)s
        FOR UPDATE SKIP LOCKED)
    RETURNING playbook, state
)
INSERT INTO monitoring.responder_totals AS t (kind, name, state, total)
SELECT 'action', action, state, count(*) FROM actions GROUP BY action, state
UNION ALL
SELECT 'incident', playbook, state, count(*) FROM incidents GROUP BY playbook, state
ON CONFLICT (kind, name, state) DO UPDATE SET total = t.total + excluded.total
"""
"""Nobody changes the state of these rows any more. What was skipped for now is at rest with its incident."""
_COUNTS = """
SELECT kind, name, state, sum(total)::bigint FROM (
    SELECT kind, name, state, total FROM monitoring.responder_totals
    UNION ALL
    SELECT 'incident', playbook, state, 1 FROM monitoring.responder_incidents WHERE NOT counted
    UNION ALL
    SELECT 'action', action, state, 1 FROM monitoring.responder_actions WHERE NOT counted
) AS counts
GROUP BY kind, name, state
"""
"""In one statement, so that what another responder adds meanwhile is counted once."""
_OLDEST_PENDING = """
SELECT coalesce(extract(epoch FROM max(now() - since)), 0)::float8 FROM (
    SELECT CASE WHEN a.state = 'waiting' THEN a.due_at
                WHEN a.state NOT IN ('pending', 'running')
                THEN least(i.closed_at + a.cool_down, a.started_at + a.expires_after)
                WHEN a.attempts = 0 THEN a.due_at
                ELSE a.started_at END AS since
    FROM monitoring.responder_actions a JOIN monitoring.responder_incidents i USING (correlation_id)
    WHERE a.due_at IS NOT NULL
) AS due
WHERE since <= now()
"""
"""Since when each has been due: what was never tried, what was tried in vain, and what is to be put back."""
