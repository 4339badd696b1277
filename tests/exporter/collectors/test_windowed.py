"""How history is read after a start, from a PostgreSQL that takes its time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg2
import pytest

from common.deadline import Deadline, DeadlineExceededError
from exporter.collectors import windowed
from exporter.collectors.base import COMPLETE, History, Moment
from exporter.collectors.windowed import WindowedView
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery
from exporter.waiting import complete
from testbed.servers.contract import ContractDatabase
from tests.exporter.web.serving import secret

HOUR = 3600


class Watched(PostgresSource):
    """Counts its queries, and those that were too slow."""

    queries = 0
    cut_off = 0

    async def query(self, sql: str, parameters: Sequence[Any], deadline: Deadline) -> list[tuple[Any, ...]]:
        self.queries += 1
        try:
            return await super().query(sql, parameters, deadline)
        except DeadlineExceededError:
            self.cut_off += 1
            raise


@pytest.fixture
def source(database: ContractDatabase) -> Iterator[Watched]:
    source = Watched(secret("POSTGRES_DSN", database.dsn), "test")
    yield source
    source.close()


@pytest.fixture
def view(source: Watched, database: ContractDatabase) -> WindowedView:
    """A row every ten seconds; to read one of the last 50 minutes takes as long as a table says."""
    times = "generate_series(now() - interval '2 h', now() - interval '30 s', interval '10 s')"
    execute(database, f"CREATE TABLE events AS SELECT {times} AS time")
    execute(database, "CREATE TABLE slowness AS SELECT 0::float8 AS seconds")
    slow = "SELECT pg_sleep(seconds) AS slept FROM slowness WHERE time > now() - interval '50 min'"
    query = RangeQuery(
        source=f"events LEFT JOIN LATERAL ({slow}) AS slow ON true",
        time="time",
        width=5,
        keys=("'all'",),
        values=("count(*)", "count(slept)"),
    )
    return WindowedView(source, query, (HOUR,), settle=20)


def execute(database: ContractDatabase, sql: str) -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def refresh(view: WindowedView, seconds: float) -> History:
    """What is still to be read; there are no problems."""
    moment = Moment(round(time.time() * 1_000_000), Deadline(seconds))
    complete(view.refresh(moment))
    assert moment.problems == []
    return moment.history


def test_a_slice_that_would_not_be_there_in_time_is_left_for_the_next_refresh(
    source: Watched, view: WindowedView, database: ContractDatabase
) -> None:
    execute(database, "UPDATE slowness SET seconds = 0.075")
    # A slice has 14 rows, and takes about a second of the two that there are for history.
    left = refresh(view, 3.6)
    assert 0 < left.missing < HOUR
    assert left.complete == pytest.approx(1 - left.missing / HOUR)
    assert (source.queries, source.cut_off) == (2, 0)
    execute(database, "UPDATE slowness SET seconds = 0")
    assert refresh(view, 30) == COMPLETE
    assert source.queries <= 2 + 1 + 24
    assert view.sums(HOUR) is not None


def test_history_that_cannot_be_read_is_a_problem_in_the_end(
    source: Watched, view: WindowedView, database: ContractDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database, "UPDATE slowness SET seconds = 30")
    assert refresh(view, 1.5).missing  # that may pass
    monkeypatch.setattr(windowed, "PATIENCE_SECONDS", 0.1)
    moment = Moment(round(time.time() * 1_000_000), Deadline(1.5))
    complete(view.refresh(moment))
    (problem,) = moment.problems
    assert "h of history are still to be read, and for" in problem
    assert source.cut_off == 2
    execute(database, "UPDATE slowness SET seconds = 0")
    assert refresh(view, 60) == COMPLETE


def test_slices_grow_again_after_a_slow_time(source: Watched, view: WindowedView, database: ContractDatabase) -> None:
    execute(database, "UPDATE slowness SET seconds = 30")
    for _ in range(2):
        assert refresh(view, 1.5).missing
    assert source.cut_off == 2
    execute(database, "UPDATE slowness SET seconds = 0")
    source.queries = 0
    assert refresh(view, 60) == COMPLETE
    assert source.queries < 60
    ((count, _),) = (view.sums(HOUR) or {}).values()
    assert count == pytest.approx(HOUR / 10 - 3, abs=1)
