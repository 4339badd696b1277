"""Millions of predictions at a constant rate, for benchmarks: drawn once, repeated with other times and names."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from simulator import copying, database, events, transactions
from simulator.instants import DAY, HOUR, MINUTE, NEVER, micros, moment, texts
from simulator.keyed import generator

_LOG = logging.getLogger(__name__)

PER_HOUR = 1247.0
_POOL_ROWS = 1 << 16
_TIMEOUT_SECONDS = 3600.0

_WORKERS = 2

Instants = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class _Pool:
    """Rows to choose from, their text ready; all of the same length.

    Attributes:
        predictions: COPY lines without instant and identifier.
        sold: COPY lines of the transaction, None for a blocked one.
        label: decision and truth, tab between.
        delays: from prediction to label, microseconds; ``NEVER`` without one.
    """

    predictions: list[str]
    sold: list[str | None]
    labels: list[str]
    delays: Instants


def bulk_load(
    dsn: str,
    rows: int,
    per_hour: float = PER_HOUR,
    end: datetime | None = None,
    companions: bool = True,
    seed: int = 1,
) -> None:
    """Write predictions at a constant rate up to ``end``; the contract must be applied.

    Days without a partition are loaded frozen, two at a time; ends with VACUUM ANALYZE.

    Args:
        dsn: PostgreSQL connection string of the owner of schema ``platform``.
        rows: number of predictions.
        per_hour: predictions per hour.
        end: aware; now unless told otherwise.
        companions: also write matching transactions and labels, and some security events.
        seed: of all random numbers.

    Raises:
        psycopg2.Error: the days finished before are kept.
    """
    started = time.monotonic()
    last = micros(end or datetime.now(UTC))
    gap = HOUR / per_hour
    first = last - int(rows * gap)
    pool = _draw_pool(seed)
    # Row i happens within its own gap, so instants are in order and the identifiers made of them unique.
    jitter = generator(seed, "bulk instants", 0).random(rows)
    instants = first + ((np.arange(rows) + jitter) * gap).astype(np.int64)
    days = range(first // DAY, last // DAY + 1)
    edges = np.searchsorted(instants, [day * DAY for day in (*days, days[-1] + 1)]).tolist()
    parts = [instants[begin:stop] for begin, stop in pairwise(edges) if begin < stop]

    def load(share: list[Instants]) -> None:
        with closing(_connect(dsn)) as connection:
            for at in share:
                _load_day(connection, seed, at, pool, last, companions)

    with closing(_connect(dsn)) as connection:
        database.prepare(connection, last + DAY, last, seed)
    _at_once(load, [parts[worker::_WORKERS] for worker in range(_WORKERS)])
    with closing(_connect(dsn)) as connection, connection:
        database.create_partitions(connection, first, last + DAY)
    _at_once(partial(_vacuum, dsn), [["fraud_predictions"], ["transactions", "fraud_labels", "security_events"]])
    _LOG.info("loaded %d predictions in %.1f s", rows, time.monotonic() - started)


def _at_once(work: Callable[[list[T]], None], shares: list[list[T]]) -> None:
    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(work, shares))


def _connect(dsn: str) -> Connection:
    connection = database.connect(dsn, _TIMEOUT_SECONDS)
    with connection, connection.cursor() as cursor:
        # Nothing is lost with the last commits that could not be loaded again.
        cursor.execute("SET synchronous_commit = off")
        # Hundreds of partitions of one distribution need no fine statistics each.
        cursor.execute("SET default_statistics_target = 25")
    return connection


def _vacuum(dsn: str, tables: list[str]) -> None:
    with closing(_connect(dsn)) as connection:
        connection.autocommit = True
        for table in tables:
            with connection.cursor() as cursor:
                cursor.execute(f"VACUUM ANALYZE platform.{table}")


def _draw_pool(seed: int) -> _Pool:
    rows = transactions.draw(generator(seed, "bulk pool", 0), np.zeros(_POOL_ROWS, np.int64))
    decisions = transactions.decisions(rows, transactions.REVIEW_THRESHOLD, transactions.BLOCK_THRESHOLD)
    sold = transactions.sold(rows, transactions.BLOCK_THRESHOLD).tolist()
    return _Pool(
        predictions=copying.prediction_lines(rows, decisions),
        sold=[
            line if went_through else None
            for line, went_through in zip(copying.transaction_lines(rows), sold, strict=True)
        ],
        labels=[
            f"{decision}\t{'t' if fraud else 'f'}"
            for decision, fraud in zip(decisions, rows["is_fraud"].tolist(), strict=True)
        ],
        delays=rows["labelled_at"],
    )


def _load_day(connection: Connection, seed: int, at: Instants, pool: _Pool, end: int, companions: bool) -> None:
    day = int(at[0]) // DAY
    rng = generator(seed, "bulk", day)
    chosen = rng.integers(0, _POOL_ROWS, len(at))
    heads = [f"{text}\ttxn_{instant:016x}" for text, instant in zip(texts(at), at.tolist(), strict=True)]
    rows = chosen.tolist()
    predictions = [f"{head}\t{pool.predictions[row]}" for head, row in zip(heads, rows, strict=True)]
    sold = [f"{head}\t{pool.sold[row]}" for head, row in zip(heads, rows, strict=True) if pool.sold[row]]
    with connection, connection.cursor() as cursor:
        loads = [_Load(cursor, "fraud_predictions", day)]
        loads[0].copy(copying.PREDICTION_COLUMNS, predictions)
        if companions:
            loads.append(_Load(cursor, "transactions", day))
            loads[1].copy(copying.TRANSACTION_COLUMNS, sold)
            _load_labels(cursor, at, chosen, heads, pool, end)
        for load in loads:
            load.attach()
        if companions:
            database.create_partitions(connection, int(at[0]), int(at[-1]))
            minutes = range(int(at[0]) // MINUTE + 1, int(at[-1]) // MINUTE)
            copying.write_events(cursor, [e for m in minutes for e in events.background(rng, m)])
    _LOG.debug("loaded %s", moment(day * DAY).date())


def _load_labels(cursor: Cursor, at: Instants, chosen: Instants, heads: Sequence[str], pool: _Pool, end: int) -> None:
    delays = pool.delays[chosen]
    labelled_at = at + np.where(delays < NEVER, delays, 0)
    known = np.flatnonzero((delays < NEVER) & (labelled_at <= end))
    lines = (
        f"{heads[i]}\t{pool.labels[row]}\t{text}"
        for i, row, text in zip(known.tolist(), chosen[known].tolist(), texts(labelled_at[known]), strict=True)
    )
    columns = "predicted_at, transaction_id, decision, is_fraud, labeled_at"
    copying.copy(cursor, "platform.fraud_labels", columns, lines)


class _Load:
    """The load of one day of one table, into a partition of its own unless the day has one already."""

    def __init__(self, cursor: Cursor, parent: str, day: int) -> None:
        self._cursor = cursor
        self._parent = f"platform.{parent}"
        self._bounds = (moment(day * DAY), moment((day + 1) * DAY))
        self._partition = f"{self._parent}_{self._bounds[0]:%Y%m%d}"
        cursor.execute("SELECT to_regclass(%s) IS NULL", (self._partition,))
        self._is_new: bool = cursor.fetchall()[0][0]

    def copy(self, columns: str, lines: Sequence[str]) -> None:
        """Copy the lines; into a table made in this transaction they go frozen, visible to all."""
        if not self._is_new:
            copying.copy(self._cursor, self._parent, columns, lines)
            return
        like = f"LIKE {self._parent} INCLUDING DEFAULTS INCLUDING INDEXES"
        self._cursor.execute(f"CREATE TABLE {self._partition} ({like})")
        copying.copy(self._cursor, self._partition, columns, lines, "FREEZE")

    def attach(self) -> None:
        """Make the new table a partition: last, for it locks the parent until the commit."""
        if self._is_new:
            self._cursor.execute(
                f"ALTER TABLE {self._parent} ATTACH PARTITION {self._partition} FOR VALUES FROM (%s) TO (%s)",
                self._bounds,
            )
