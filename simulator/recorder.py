"""Writes a world to PostgreSQL, step by step, without gaps or repetitions."""

import numpy as np
from psycopg2.extensions import connection as Connection  # noqa: N812

from simulator import copying, database, transactions
from simulator.copying import LABEL_DTYPE, Labels
from simulator.instants import DAY, HOUR, NEVER
from simulator.transactions import Rows
from simulator.world import World

_STEP = 2 * HOUR  # within what the world caches: its rows are asked for twice


class Recorder:
    """Remembers up to when rows are written, and which labels are still to come.

    Attributes:
        written_until: instant in microseconds; everything up to it is in the database.
        rows_written: predictions written by this recorder.
    """

    def __init__(self, world: World, written_until: int) -> None:
        self.written_until = written_until
        self.rows_written = 0
        self._world = world
        self._pending: Labels = np.zeros(0, LABEL_DTYPE)

    def recall(self, since: int, review: float = transactions.REVIEW_THRESHOLD) -> None:
        """Draw the rows of (since, written_until] again to know which of their labels are still to come."""
        for after in range(since, self.written_until, _STEP):
            until = min(after + _STEP, self.written_until)
            labels = self._labels(self._world.rows(after, until), review)
            later = labels[labels["labelled_at"] > self.written_until]
            self._pending = np.concatenate([self._pending, later])

    def fill(self, connection: Connection, until: int) -> None:
        """Write everything up to ``until`` in large steps: history."""
        database.create_partitions(connection, self.written_until, until + DAY)
        while self.written_until < until:
            self.advance(connection, min(self.written_until + _STEP, until), transactions.REVIEW_THRESHOLD)

    def advance(self, connection: Connection, until: int, review: float) -> None:
        """Write what happened in (written_until, until] in one transaction.

        Args:
            connection: not in a transaction.
            until: microseconds; in the future by no more than the world writes ahead.
            review: the review threshold in force, 0 to 1.

        Raises:
            psycopg2.Error: nothing was written then; call again.
        """
        rows = self._world.rows(self.written_until, until)
        pending = np.concatenate([self._pending, self._labels(rows, review)])
        due = pending["labelled_at"] <= until
        with connection, connection.cursor() as cursor:
            copying.write_rows(cursor, rows, review, self._world.block_threshold)
            copying.write_labels(cursor, pending[due])
            copying.write_events(cursor, self._world.events(self.written_until, until))
        self._pending = pending[~due]
        self.written_until = until
        self.rows_written += int(rows["scored"].sum())

    def _labels(self, rows: Rows, review: float) -> Labels:
        known = rows[rows["scored"] & (rows["labelled_at"] < NEVER)]
        labels = np.zeros(len(known), LABEL_DTYPE)
        for field in ("transaction_id", "at", "is_fraud", "labelled_at"):
            labels[field] = known[field]
        labels["decision"] = transactions.decisions(known, review, self._world.block_threshold)
        return labels
