"""What a webhook says, written down: incidents are opened, kept open, or begin to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psycopg2.extras import Json, execute_values

from responder.config import Pace
from responder.playbooks import BRAKE_SECONDS, Playbook, Step
from responder.postgres import Cursor
from responder.webhook import Alert

Outcome = Literal["opened", "braked", "kept", "late", "ending", "unknown"]
"""opened: with its actions. braked: opened, with every action skipped. kept: known already. late: about the time before
the end of an incident that is over. ending: resolved, to be verified. unknown: resolved, and nothing was open."""

BRAKED = "max_per_hour of the playbook is reached: a person has to look"


@dataclass(frozen=True)
class Told:
    """One alert of a message, with the playbook that it asks for.

    Attributes:
        alert: as received.
        playbook: what to do.
        by: who says so.
        dry_run: whether nothing may have an effect.
    """

    alert: Alert
    playbook: Playbook
    by: str
    dry_run: bool


def record(cursor: Cursor, told: Sequence[Told], pace: Pace) -> list[Outcome]:
    """Write down a whole message, in one transaction; the outcome of each alert.

    Repeating it changes nothing: an incident is open at most once for a fingerprint and a playbook.
    """
    for playbook in sorted({one.playbook.name for one in told}):
        # One message of a playbook after the other, in an order that all responders keep: no deadlock, no double.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('responder playbook ' || %s, 0))", (playbook,))
    return [_resolved(cursor, one) if one.alert.status == "resolved" else _firing(cursor, one, pace) for one in told]


def _resolved(cursor: Cursor, told: Told) -> Outcome:
    """The word of Alertmanager alone ends nothing: Prometheus is asked from now on.

    An end in the future is taken for one now: what begins until then is the next episode, and not an old message.
    """
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET state = 'ending', next_check_at = now(),"
        " ended_at = greatest(ended_at, least(%s, now()))"
        " WHERE fingerprint = %s AND playbook = %s AND state <> 'closed'",
        (told.alert.ends_at, told.alert.fingerprint, told.playbook.name),
    )
    return "ending" if cursor.rowcount else "unknown"


def _firing(cursor: Cursor, told: Told, pace: Pace) -> Outcome:
    if _kept(cursor, told, pace):
        return "kept"
    alert, playbook = told.alert, told.playbook
    cursor.execute(
        "SELECT EXISTS (SELECT FROM monitoring.responder_incidents WHERE fingerprint = %s AND playbook = %s"
        " AND state = 'closed' AND closed_at > now() - make_interval(secs => %s)"
        " AND least(ended_at, closed_at) >= %s)",
        (alert.fingerprint, playbook.name, pace.late, alert.starts_at),
    )
    if _only(cursor):
        return "late"
    cursor.execute(
        "SELECT count(*) >= %s FROM monitoring.responder_incidents"
        " WHERE playbook = %s AND opened_at > now() - make_interval(secs => %s) AND NOT braked",
        (playbook.max_per_hour, playbook.name, BRAKE_SECONDS),
    )
    braked = bool(_only(cursor))
    cursor.execute(
        "INSERT INTO monitoring.responder_incidents"
        " (playbook, fingerprint, alertname, labels, annotations, requested_by, starts_at, braked, next_check_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s)) RETURNING correlation_id",
        (
            playbook.name,
            alert.fingerprint,
            alert.name,
            Json(alert.labels),
            Json(alert.annotations),
            told.by,
            alert.starts_at,
            braked,
            pace.stale_after,
        ),
    )
    correlation_id = _only(cursor)
    steps = [("firing", playbook.on_firing), ("end", () if braked else playbook.on_end)]
    rows = [
        _action(correlation_id, phase, position, step, told, braked=braked)
        for phase, of_phase in steps
        for position, step in enumerate(of_phase, start=1)
    ]
    execute_values(cursor, _INSERT, rows, _ROW)
    return "braked" if braked else "opened"


def _kept(cursor: Cursor, told: Told, pace: Pace) -> bool:
    """Whether the incident is open already; then it is so for longer.

    A message of the very episode that was said to be over does not take that back: it may have been under way for
    long. While an incident ends, Prometheus decides.
    """
    alert = told.alert
    cursor.execute(
        "UPDATE monitoring.responder_incidents SET last_firing_at = now(), clear_since = NULL,"
        " starts_at = greatest(starts_at, %(starts_at)s),"
        " last_check = CASE WHEN ended_at >= %(starts_at)s THEN last_check END,"
        " state = CASE WHEN ended_at >= %(starts_at)s THEN state ELSE 'open' END,"
        " next_check_at = CASE WHEN ended_at >= %(starts_at)s THEN next_check_at"
        "  ELSE now() + make_interval(secs => %(stale_after)s) END"
        " WHERE fingerprint = %(fingerprint)s AND playbook = %(playbook)s AND state <> 'closed'"
        " RETURNING correlation_id, state",
        {
            "starts_at": alert.starts_at,
            "stale_after": pace.stale_after,
            "fingerprint": alert.fingerprint,
            "playbook": told.playbook.name,
        },
    )
    row = cursor.fetchone()
    if row is None:
        return False
    correlation_id, state = row
    # As often as Alertmanager repeats itself: what was skipped for now, and what somebody may have undone meanwhile.
    cursor.execute(
        "UPDATE monitoring.responder_actions SET state = 'pending', due_at = now(), wait = false,"
        " attempts = 0, spent = 0, started_at = NULL, finished_at = NULL"
        " WHERE correlation_id = %s AND state = 'skipped' AND wait",
        (correlation_id,),
    )
    if state == "open":
        cursor.execute(
            "UPDATE monitoring.responder_actions SET state = 'pending', due_at = now(), wait = false,"
            " spent = 0, started_at = now() WHERE correlation_id = %s AND state = 'done' AND wait",
            (correlation_id,),
        )
    return True


_INSERT = (
    "INSERT INTO monitoring.responder_actions (correlation_id, phase, position, action, parameters, dry_run,"
    " requested_by, state, error, due_at, finished_at, expires_after, cool_down, approval) VALUES %s"
)
_ROW = (
    "(%(id)s, %(phase)s, %(position)s, %(action)s, %(parameters)s, %(dry_run)s, %(by)s,"
    " CASE WHEN %(braked)s THEN 'skipped' WHEN %(within)s IS NOT NULL THEN 'waiting' ELSE 'pending' END,"
    " CASE WHEN %(braked)s THEN %(reason)s END,"
    " CASE WHEN NOT %(braked)s AND %(phase)s = 'firing'"
    "  THEN now() + make_interval(secs => coalesce(%(within)s, 0)) END,"
    " CASE WHEN %(braked)s THEN now() END,"
    " make_interval(secs => %(expires)s), make_interval(secs => %(cool_down)s), %(approval)s)"
)


def _action(
    correlation_id: object, phase: str, position: int, step: Step, told: Told, *, braked: bool
) -> dict[str, object]:
    dry_run = step.dry_run or told.dry_run
    # What would only be said needs nobody's word.
    approval = None if dry_run else step.approval
    return {
        "id": correlation_id,
        "phase": phase,
        "position": position,
        "action": step.action,
        "parameters": Json(step.parameters),
        "dry_run": dry_run,
        "by": told.by if phase == "firing" else "verified end",
        "braked": braked,
        "reason": BRAKED,
        "expires": step.expires,
        "cool_down": step.cool_down,
        "within": None if approval is None else approval.within,
        "approval": None if approval is None else Json({"from": approval.ways, "otherwise": approval.otherwise}),
    }


def _only(cursor: Cursor) -> object:
    row = cursor.fetchone()
    return None if row is None else row[0]
