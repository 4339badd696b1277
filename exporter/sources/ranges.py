"""Sums of a view over several time ranges in one round trip: what `RollingWindows` reads in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.windows import Range, Row

ASIDE = -1
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

    def sql(self, ranges: Sequence[Range], aside: str | None = None) -> str:
        """The query.

        Args:
            ranges: what is read; `rows` makes `Row`s of the answer.
            aside: another SELECT that is to be answered along with it, with one output for each of `values`, of
                the same type.
        """
        sql = self._select(ranges)
        if aside:
            no_key = ", NULL" * len(self.keys)
            sql += f" UNION ALL SELECT {ASIDE}, 0{no_key}, aside.* FROM ({aside}) AS aside"
        return sql

    def rows(self, answer: Iterable[tuple[Any, ...]]) -> list[Row]:
        """The rows of an answer; those with the range `ASIDE` are of the other SELECT."""
        last_key = 2 + len(self.keys)
        return [Row(row[0], row[1], row[2:last_key], row[last_key:]) for row in answer]

    def _select(self, ranges: Sequence[Range]) -> str:
        if len(ranges) == 1:
            return f"SELECT 0, sums.* FROM ({self._sums(literal(ranges[0].start), literal(ranges[0].end))}) AS sums"
        # Planning takes longer than reading these few rows: each range as a SELECT of its own would be planned by
        # itself. The outer bounds leave the planner the partitions that any of them needs.
        rows = ", ".join(f"({position}, {literal(r.start)}, {literal(r.end)})" for position, r in enumerate(ranges))
        within = literal(min(r.start for r in ranges)), literal(max(r.end for r in ranges))
        return (
            f"SELECT ranges.position, sums.* FROM (VALUES {rows}) AS ranges (position, starts, ends),"
            f" LATERAL ({self._sums('ranges.starts', 'ranges.ends', within)}) AS sums"
        )

    def _sums(self, start: str, end: str, within: tuple[str, str] | None = None) -> str:
        bucket = f"date_bin('{self.width} s', {self.time}, TIMESTAMPTZ 'epoch')"
        outputs = ", ".join([f"extract(epoch FROM {bucket})::bigint / {self.width}", *self.keys, *self.values])
        condition = f"{self.time} >= {start} AND {self.time} < {end}"
        if within:
            condition += f" AND {self.time} >= {within[0]} AND {self.time} < {within[1]}"
        # The keys by their positions: the shorter a query, the sooner it is parsed and planned.
        groups = ", ".join([bucket, *(str(position) for position in range(2, 2 + len(self.keys)))])
        return f"SELECT {outputs} FROM {self.source} WHERE {condition} GROUP BY {groups}"


def literal(microseconds: int) -> str:
    """A time as a constant of type timestamptz, exactly."""
    return f"TIMESTAMPTZ '{EPOCH + timedelta(microseconds=microseconds)}'"
