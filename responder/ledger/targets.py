"""What incidents hold changed: which state it returns to, and what the responder has made of it since.

A target may be held by several actions at once. Each wants a state of it, and the strictest is in force. The state of
before the first one is the operator's. When an operator changes the target meanwhile, that is the new one: it begins
another generation, and who held the target before holds it no more. All of it is read and written under the lock of
the target.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extras import Json

from responder.ledger.claims import Claim, State
from responder.postgres import Cursor


@dataclass(frozen=True)
class Target:
    """A target as one action finds it, or is about to leave it.

    Attributes:
        name: of the target.
        base: the operator's state, as long as there are some of ours.
        ours: the states in which it may be by what the responder did; none when nobody holds it.
        wants: the states that the other actions want that hold it.
        generation: of the base; None for one that begins now.
        fence: of the last write; 0 before the first one.
    """

    name: str
    base: State
    ours: tuple[State, ...] = ()
    wants: tuple[State, ...] = ()
    generation: int | None = None
    fence: int = 0


_HOLDS = "a.target = t.target AND a.before_state IS NOT NULL AND a.due_at IS NOT NULL"
# What a release before this table had left held.
_ADOPT = """
INSERT INTO monitoring.responder_targets (target, base, ours, generation, fence)
SELECT target, (array_agg(before_state ORDER BY action_id))[1], jsonb_agg(before_state) || jsonb_agg(after_state), 0, 0
FROM monitoring.responder_actions
WHERE target = %s AND before_state IS NOT NULL AND due_at IS NOT NULL AND generation = 0
GROUP BY target
ON CONFLICT DO NOTHING
"""
_LOAD = f"""
SELECT t.base, CASE WHEN EXISTS (SELECT FROM monitoring.responder_actions a WHERE {_HOLDS}) THEN t.ours ELSE '[]' END,
    (SELECT coalesce(jsonb_agg(a.after_state ORDER BY a.action_id), '[]') FROM monitoring.responder_actions a
     WHERE {_HOLDS} AND a.action_id <> %(action_id)s AND a.generation = t.generation
       AND a.state IN ('running', 'pending', 'done')),
    t.generation, t.fence
FROM monitoring.responder_targets t WHERE t.target = %(target)s
"""
"""What is being put back, or has failed, wants nothing any more; but the target may be as it was made then."""
_WRITE = """
INSERT INTO monitoring.responder_targets AS t (target, base, ours, generation, fence)
SELECT %(target)s, %(base)s, %(ours)s, coalesce(%(generation)s, next.fence), next.fence
FROM (SELECT nextval('monitoring.responder_fence') AS fence) AS next
WHERE EXISTS (SELECT FROM monitoring.responder_actions WHERE action_id = %(action_id)s AND fence = %(claim)s)
ON CONFLICT (target) DO UPDATE
SET base = excluded.base, ours = excluded.ours, generation = excluded.generation, fence = excluded.fence
WHERE t.fence = %(fence)s
RETURNING t.generation, t.fence
"""


def load(cursor: Cursor, claim: Claim, name: str) -> Target | None:
    """The target as the action of a claim finds it; None when nobody ever held it."""
    for _ in range(2):
        cursor.execute(_LOAD, {"target": name, "action_id": claim.action_id})
        row = cursor.fetchone()
        if row is not None:
            base, ours, wants, generation, fence = row
            return Target(name, base, tuple(ours), tuple(wants), generation, fence)
        cursor.execute(_ADOPT, (name,))
    return None


def write(cursor: Cursor, claim: Claim, target: Target) -> tuple[int, int] | None:
    """Write down how the target may be from now on, before it is changed.

    Returns:
        Generation and fence; None when the claim, or the lock of the target, is somebody else's by now.
    """
    cursor.execute(
        _WRITE,
        {
            "target": target.name,
            "base": Json(target.base),
            "ours": Json(target.ours),
            "generation": target.generation,
            "action_id": claim.action_id,
            "claim": claim.fence,
            "fence": target.fence,
        },
    )
    row = cursor.fetchone()
    return None if row is None else (row[0], row[1])


def is_last(cursor: Cursor, name: str, fence: int) -> bool:
    """Whether nobody has written the target down since."""
    cursor.execute("SELECT FROM monitoring.responder_targets WHERE target = %s AND fence = %s", (name, fence))
    return bool(cursor.rowcount)


def made(cursor: Cursor, name: str, fence: int, state: State) -> bool:
    """The target is in this state now, and no older write can follow; False when somebody has written since."""
    cursor.execute(
        "UPDATE monitoring.responder_targets SET ours = %s WHERE target = %s AND fence = %s",
        (Json([state]), name, fence),
    )
    return bool(cursor.rowcount)
