"""The stop switch in Redis as it was seen last, for when Redis does not say."""

from __future__ import annotations

from responder.postgres import Cursor


def remember(cursor: Cursor, redis_key: str, *, thrown: bool) -> None:
    """Write down what Redis says now."""
    cursor.execute(
        "INSERT INTO monitoring.responder_switch AS s (redis_key, thrown) VALUES (%s, %s)"
        " ON CONFLICT (redis_key) DO UPDATE SET thrown = excluded.thrown WHERE s.thrown <> excluded.thrown",
        (redis_key, thrown),
    )


def remembered(cursor: Cursor, redis_key: str) -> bool:
    """Whether it was thrown when a responder saw it last; not, if none ever did."""
    cursor.execute("SELECT thrown FROM monitoring.responder_switch WHERE redis_key = %s", (redis_key,))
    row = cursor.fetchone()
    return bool(row and row[0])
