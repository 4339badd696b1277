"""The two loops that keep PostgreSQL and Redis up to date, each surviving the loss of its server."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread

import psycopg2
import redis
from psycopg2.extensions import connection as Connection  # noqa: N812
from redis import Redis

from simulator import copying, database, redis_state, transactions
from simulator.clock import Clock
from simulator.instants import DAY, HOUR, SECOND
from simulator.recorder import Recorder
from simulator.world import World

_LOG = logging.getLogger(__name__)

POSTGRES_EVERY_SECONDS = 0.5
REDIS_EVERY_SECONDS = 2.0
_UPKEEP_EVERY = 10 * SECOND
_LONGEST_CATCH_UP = HOUR
_LONGEST_BACKOFF_SECONDS = 15.0


class PostgresLoop:
    """Writes rows as they happen.

    Attributes:
        review: the review threshold in force; the Redis loop keeps it.
        recorder: what is written so far; None until the database could be prepared.
    """

    def __init__(self, dsn: str, world: World, clock: Clock, start: Callable[[], Recorder]) -> None:
        self.review = transactions.REVIEW_THRESHOLD
        self.recorder: Recorder | None = None
        self._dsn = dsn
        self._world = world
        self._clock = clock
        self._start = start
        self._connection: Connection | None = None
        self._next_upkeep = 0

    def step(self) -> None:
        """Write what is due; psycopg2.Error when the database does not take it."""
        if self.recorder is None:
            self.recorder = self._start()
        try:
            if self._connection is None:
                self._connection = self._reconnect(self.recorder)
            now = self._clock.now()
            if now >= self._next_upkeep:
                self._upkeep(self._connection, self.recorder.written_until, now)
                self._next_upkeep = now + _UPKEEP_EVERY
            until = now + self._world.written_ahead
            if until > self.recorder.written_until:
                self.recorder.advance(self._connection, until, self.review)
        except psycopg2.Error:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; the next step opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _reconnect(self, recorder: Recorder) -> Connection:
        connection = database.connect(self._dsn)
        with connection:
            span = database.written_span(connection, recorder.written_until)
        if span:
            # The last commit succeeded without our hearing of it.
            since, recorder.written_until = recorder.written_until, span[1]
            recorder.recall(since, self.review)
        # What is older than an hour is lost.
        recorder.written_until = max(recorder.written_until, self._clock.now() - _LONGEST_CATCH_UP)
        self._next_upkeep = 0
        return connection

    def _upkeep(self, connection: Connection, written_until: int, now: int) -> None:
        with connection:
            # After a pause, rows of a day that nobody prepared are written too.
            database.create_partitions(connection, written_until, now + DAY)
            database.finish_retraining(connection, now)
            self._world.block_threshold = database.block_threshold(connection) or self._world.block_threshold
            with connection.cursor() as cursor:
                copying.write_launches(cursor, self._world.launches(now - DAY, now + DAY))


class RedisLoop:
    """Rewrites the state in Redis every few seconds, and hears of changed settings."""

    def __init__(self, client: Redis, world: World, clock: Clock, postgres: PostgresLoop) -> None:
        self._client = client
        self._world = world
        self._clock = clock
        self._postgres = postgres

    def step(self) -> None:
        """Write the state of now; redis.RedisError when Redis does not take it."""
        redis_state.write_state(self._client, self._clock.now(), self._world)
        threshold = redis_state.review_threshold(self._client)
        self._postgres.review = transactions.REVIEW_THRESHOLD if threshold is None else threshold


def start_loop(name: str, step: Callable[[], None], every_seconds: float, stop: Event) -> Thread:
    """Call ``step`` again and again in a thread until ``stop`` is set; failures back off and are logged."""
    thread = Thread(target=_run, args=(name, step, every_seconds, stop), name=name, daemon=True)
    thread.start()
    return thread


def _run(name: str, step: Callable[[], None], every_seconds: float, stop: Event) -> None:
    backoff = 0.0
    while not stop.is_set():
        started = time.monotonic()
        try:
            step()
        except (psycopg2.Error, redis.RedisError, OSError) as error:
            backoff = min(max(2 * backoff, 0.5), _LONGEST_BACKOFF_SECONDS)
            _LOG.warning("%s is away, retrying in %.1f s: %s", name, backoff, describe(error))
            stop.wait(backoff)
            continue
        except Exception:
            # Not the server's fault but ours; a stand-in that dies silently would be worse.
            _LOG.exception("step of %s failed", name)
            stop.wait(_LONGEST_BACKOFF_SECONDS)
            continue
        if backoff:
            _LOG.info("%s is back", name)
            backoff = 0.0
        stop.wait(max(0.0, every_seconds - (time.monotonic() - started)))


def describe(error: Exception) -> str:
    """Describe an error in one line that holds no connection string."""
    kind = type(error).__name__
    # A malformed connection string is quoted in the message of a ProgrammingError.
    if isinstance(error, psycopg2.ProgrammingError) and error.pgcode is None:
        return kind
    return f"{kind}: {str(error).strip().splitlines()[0]}" if str(error).strip() else kind
