"""Sums of a view over several time ranges in one round trip: what `RollingWindows` reads in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.windows import MICROSECONDS, Range, Row

ASIDE, AHEAD = -1, -4
"""In place of a position in the ranges. What lies between is the status of a replica."""
MOST_AHEAD_SECONDS = 60
"""A row may be so much ahead of the database's clock: those who write it may have one of their own."""
MOST_COUNTED_AHEAD = 1000
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
        values: aggregate expressions of whole numbers, which add up and subtract exactly; the first is a count of
            rows.
        rest: aggregate expressions of anything else, which come as they are.
        apart: each bucket is read by itself. That is for many rows in few buckets: the planner sees how few groups
            they make, and aggregates take them in the order of time.
        may_lack: text columns that are NULL where the source has none of the name; of queries that are read `apart`.
    """

    source: str
    time: str
    width: int
    keys: tuple[str, ...]
    values: tuple[str, ...]
    rest: tuple[str, ...] = ()
    apart: bool = False
    may_lack: tuple[str, ...] = ()

    def sql(
        self, ranges: Sequence[Range], *, apart: bool = False, aside: str | None = None, ahead_of: int | None = None
    ) -> str:
        """The query.

        Args:
            ranges: what is read; `rows` makes `Row`s of the answer.
            apart: the first has so many rows that to plan it by itself is worth the time.
            aside: another SELECT that is to be answered along with it, with one output for each of `keys`, `values` and
                `rest`, of the same type.
            ahead_of: also count rows more than a minute later than this, up to a thousand, and tell the newest.
        """
        if self.apart:
            sql = self._buckets(ranges)
        elif apart and len(ranges) > 1:
            sql = f"{self._one(ranges[0])} UNION ALL {self._several(ranges[1:], first=1)}"
        else:
            sql = self._several(ranges, first=0) if len(ranges) > 1 else self._one(ranges[0])
        if aside:
            sql += f" UNION ALL SELECT {ASIDE}, 0, aside.* FROM ({aside}) AS aside"
        if ahead_of is not None:
            sql += f" UNION ALL {self.ahead(ahead_of)}"
        return sql

    @property
    def title(self) -> str:
        """The view's name, in messages."""
        return self.source.split()[0]

    def asks_anew(self, answer: Sequence[tuple[Any, ...]]) -> bool:  # noqa: ARG002
        """Whether an answer is of no use, and `sql` now another question."""
        return False

    def rows(self, answer: Iterable[tuple[Any, ...]]) -> list[Row]:
        """The rows of an answer.

        Those with the range `ASIDE` are of the other SELECT. `AHEAD`'s bucket is a count, its first value the newest
        time in milliseconds since the epoch; None without one.
        """
        values = 2 + len(self.keys)
        rest = values + len(self.values)
        return [
            Row(row[0], row[1], row[2:values], row[values:], ())
            if row[0] < 0
            else Row(row[0], row[1], row[2:values], tuple(map(int, row[values:rest])), row[rest:])
            for row in answer
        ]

    def ahead(self, now: int) -> str:
        """A SELECT that counts rows more than a minute later than now, see `sql`."""
        time = literal(now + MOST_AHEAD_SECONDS * MICROSECONDS)
        # Infinity is a time, too, and has no number.
        newest = "(extract(epoch FROM max(time) FILTER (WHERE isfinite(time))) * 1000)::bigint"
        others = ["NULL"] * (len(self.values) - 1 + len(self.rest))
        outputs = ", ".join([*["NULL"] * len(self.keys), newest, *others])
        rows = f"SELECT {self.time} AS time FROM {self.source} WHERE {self.time} > {time} ORDER BY 1 DESC"
        return f"SELECT {AHEAD}, count(*), {outputs} FROM ({rows} LIMIT {MOST_COUNTED_AHEAD}) AS ahead"

    def _one(self, bounds: Range) -> str:
        return f"SELECT 0, sums.* FROM ({self._sums(literal(bounds.start), literal(bounds.end))}) AS sums"

    def _several(self, ranges: Sequence[Range], first: int) -> str:
        # Planning takes longer than reading a few rows, and each range as a SELECT of its own would be planned by
        # itself. The outer bounds leave the planner the partitions that any of them needs.
        rows = ", ".join(f"({number}, {literal(r.start)}, {literal(r.end)})" for number, r in enumerate(ranges, first))
        return (
            f"SELECT ranges.position, sums.* FROM (VALUES {rows}) AS ranges (position, starts, ends),"
            f" LATERAL ({self._sums('ranges.starts', 'ranges.ends', _hull(ranges))}) AS sums"
        )

    def _buckets(self, ranges: Sequence[Range]) -> str:
        width = self.width * MICROSECONDS
        parts = [
            (position, number, max(r.start, number * width), min(r.end, (number + 1) * width))
            for position, r in enumerate(ranges)
            for number in range(r.start // width, (r.end - 1) // width + 1)
        ]
        rows = ", ".join(f"({p}, {number}, {literal(start)}, {literal(end)})" for p, number, start, end in parts)
        outputs = ", ".join([*self.keys, *self.values, *self.rest])
        condition = self._within("buckets.starts", "buckets.ends", _hull(ranges))
        groups = ", ".join(self._groups(1))
        # A name that the source lacks means the one beside it.
        lacked = ", ".join(f"NULL::text AS {column}" for column in self.may_lack)
        return (
            "SELECT buckets.position, buckets.number, sums.*"
            f" FROM (VALUES {rows}) AS buckets (position, number, starts, ends), (SELECT {lacked}) AS lacked,"
            f" LATERAL (SELECT {outputs} FROM {self.source} WHERE {condition} GROUP BY {groups}) AS sums"
        )

    def _sums(self, start: str, end: str, within: tuple[str, str] | None = None) -> str:
        bucket = f"date_bin('{self.width} s', {self.time}, TIMESTAMPTZ 'epoch')"
        number = f"extract(epoch FROM {bucket})::bigint / {self.width}"
        outputs = ", ".join([number, *self.keys, *self.values, *self.rest])
        condition = self._within(start, end, within)
        groups = ", ".join([bucket, *self._groups(2)])
        return f"SELECT {outputs} FROM {self.source} WHERE {condition} GROUP BY {groups}"

    def _within(self, start: str, end: str, hull: tuple[str, str] | None) -> str:
        condition = f"{self.time} >= {start} AND {self.time} < {end}"
        return f"{condition} AND {self.time} >= {hull[0]} AND {self.time} < {hull[1]}" if hull else condition

    def _groups(self, first: int) -> list[str]:
        # The keys by their positions: the shorter a query, the sooner it is parsed and planned.
        return [str(position) for position in range(first, first + len(self.keys))]


def _hull(ranges: Sequence[Range]) -> tuple[str, str]:
    return literal(min(r.start for r in ranges)), literal(max(r.end for r in ranges))


def one_of(column: str, words: Sequence[str]) -> str:
    """An expression for a key: the column where it holds one of the words, else NULL, so that no others are kept."""
    return f"CASE WHEN {column} IN ({', '.join(map(repr, words))}) THEN {column} END"


def literal(microseconds: int) -> str:
    """A time as a constant of type timestamptz, exactly."""
    return f"TIMESTAMPTZ '{EPOCH + timedelta(microseconds=microseconds)}'"
