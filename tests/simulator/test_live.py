"""The loop that writes to PostgreSQL, after its server was away."""

from contextlib import closing
from datetime import UTC, datetime

from simulator.database import connect
from simulator.history import resume
from simulator.instants import DAY, HOUR, MINUTE, micros, moment
from simulator.live import PostgresLoop
from simulator.recorder import Recorder
from simulator.source import OrdinaryDays
from simulator.transactions import REVIEW_THRESHOLD
from simulator.world import World
from testbed.servers.contract import ContractDatabase
from tests.simulator.helpers import SEED, StillClock, query


def postgres_loop(dsn: str, world: World, clock: StillClock) -> PostgresLoop:
    """A loop that has written nothing before the clock's instant."""
    loop = PostgresLoop(dsn, world, clock, lambda: resume(dsn, world, clock.now(), 0))
    loop.step()
    return loop


def test_it_goes_on_soon_after_a_midnight_days_later(database: ContractDatabase) -> None:
    clock = StillClock(micros(datetime.now(UTC)))
    loop = postgres_loop(database.dsn, World(OrdinaryDays(SEED, 600)), clock)
    loop.close()
    midnight = (clock.now() // DAY + 10) * DAY
    clock.instant = midnight + 30 * MINUTE
    loop.step()
    loop.close()
    ((before, after),) = query(
        database.dsn,
        "SELECT count(*) FILTER (WHERE predicted_at < %s), count(*) FILTER (WHERE predicted_at >= %s)"
        " FROM platform.fraud_predictions",
        moment(midnight),
        moment(midnight),
    )
    assert before > 100
    assert after > 100


def test_labels_come_of_what_was_written_unheard(database: ContractDatabase) -> None:
    end = micros(datetime.now(UTC))
    begin = end - 20 * HOUR
    unheard = begin + 30 * MINUTE
    world, clock = World(OrdinaryDays(SEED, 600)), StillClock(begin)
    loop = postgres_loop(database.dsn, world, clock)
    loop.close()
    # The server took it, and was gone before it could say so.
    with closing(connect(database.dsn)) as connection:
        Recorder(world, begin).advance(connection, unheard, REVIEW_THRESHOLD)
    clock.instant = unheard
    loop.step()
    clock.instant = end
    loop.step()
    loop.close()
    rows = world.rows(begin, unheard)
    written = query(
        database.dsn, "SELECT count(*) FROM platform.fraud_labels WHERE predicted_at <= %s", moment(unheard)
    )
    assert written == [((rows["labelled_at"] <= end).sum(),)]
