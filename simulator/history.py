"""Fills the database with the hours before now."""

from datetime import datetime

from simulator import copying, database
from simulator.instants import DAY, HOUR, micros
from simulator.recorder import Recorder
from simulator.source import OrdinaryDays
from simulator.world import World

_ANNOUNCED = 14 * DAY


def backfill(dsn: str, *, end: datetime, hours: float, seed: int, world: World | None = None) -> int:
    """Write the hours before ``end``, and what does not depend on time; the contract must be applied.

    Rows that an earlier run wrote are kept: it resumes after the newest row.

    Args:
        dsn: PostgreSQL connection string of a role that may write to schema ``platform``.
        end: aware; not in the future.
        hours: how far back.
        seed: of all random numbers.
        world: what to write, instead of ordinary days under the seed.

    Returns:
        Number of predictions written.
    """
    return resume(dsn, world or World(OrdinaryDays(seed)), micros(end), hours).rows_written


def resume(dsn: str, world: World, end: int, hours: float) -> Recorder:
    """Fill up to ``end`` (microseconds) from where the database ends, and return what continues there."""
    start = end - int(hours * HOUR)
    connection = database.connect(dsn, 60.0)
    try:
        database.prepare(connection, start, end, world.source.seed, world.source.baseline_precision)
        world.block_threshold = database.block_threshold(connection) or world.block_threshold
        span = database.written_span(connection, start)
        connection.rollback()
        recorder = Recorder(world, span[1] if span else start)
        if span:
            recorder.recall(span[0] - 1)
        recorder.fill(connection, end)
        with connection, connection.cursor() as cursor:
            copying.write_launches(cursor, world.launches(start, end + _ANNOUNCED))
    finally:
        connection.close()
    return recorder
