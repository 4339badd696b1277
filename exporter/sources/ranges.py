"""Sums of a view over several time ranges in one round trip: what `RollingWindows` reads in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exporter.deadline import Deadline
from exporter.sources.postgres import PostgresSource
from exporter.windows import Range, Read, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RangeQuery:
    """SQL that sums rows by time bucket and key.

    Bounds are written into the query as constants, so that the planner sees which partitions it needs.

    Attributes:
        source: what stands behind FROM.
        time: its column of type timestamptz.
        width: of a bucket, in seconds.
        keys: expressions to group by.
        values: aggregate expressions; the first is a count of rows.
    """

    source: str
    time: str
    width: int
    keys: tuple[str, ...]
    values: tuple[str, ...]

    def reader(self, postgres: PostgresSource, deadline: Deadline) -> Read:
        """A function that answers ranges from this database before the deadline."""

        def read(ranges: Sequence[Range]) -> list[Row]:
            sql = " UNION ALL ".join(self._select(position) for position in range(len(ranges)))
            parameters = [timestamp(bound) for bounds in ranges for bound in bounds]
            last_key = 2 + len(self.keys)
            return [
                Row(row[0], row[1], row[2:last_key], row[last_key:])
                for row in postgres.query(sql, parameters, deadline)
            ]

        return read

    def _select(self, position: int) -> str:
        bucket = f"date_bin('{self.width} s', {self.time}, TIMESTAMPTZ 'epoch')"
        outputs = [
            f"{position}",
            f"extract(epoch FROM {bucket})::bigint / {self.width}",
            *self.keys,
            *self.values,
        ]
        groups = ", ".join([bucket, *self.keys])
        return (
            f"SELECT {', '.join(outputs)} FROM {self.source}"
            f" WHERE {self.time} >= %s AND {self.time} < %s GROUP BY {groups}"
        )


def timestamp(microseconds: int) -> datetime:
    """Microseconds since the epoch as a timestamptz, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)
