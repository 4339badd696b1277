"""The SQL of an entry. Names of the configuration are quoted identifiers, words and names of rows quoted constants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any

from exporter.exposition import LONGEST_UNCUT
from exporter.own_metrics.config import UNKNOWN, Count, FromView, Histogram, Key, Sum
from exporter.own_metrics.names import Names
from exporter.own_metrics.quoting import constant, identifier
from exporter.sources.ranges import RangeQuery
from exporter.windows import MICROSECONDS, Range, Row

PER_UNIT = 10**9
"""Numbers are added up in whole billionths: an exact sum is what it was when a row has come and gone."""
MOST_SUMMED = 10**12
MOST_OBSERVED = 10**9
"""A number that is as large, infinite or NaN is left out: it would be the sum of all others, too."""
MOST_ROWS = 10_000
"""In an answer, unless PostgreSQL has folded names."""


def relation(entry: FromView) -> str:
    """What stands behind FROM."""
    schema, _, view = entry.view.partition(".")
    return f"{identifier(schema)}.{identifier(view)}"


def key(key: Key) -> str:
    """An expression for the names in a column; NULL for those that are to have none."""
    column = f"{identifier(key.column)}::text"
    if key.words:
        return f"CASE WHEN {column} IN ({', '.join(map(constant, key.words))}) THEN {column} END"
    return f"coalesce(nullif(left({column}, {LONGEST_UNCUT}), ''), {constant(UNKNOWN)})"


def limit(value: Sum | Histogram) -> int:
    """Numbers have to be below it, or are left out."""
    return MOST_OBSERVED if isinstance(value, Histogram) else MOST_SUMMED


def aggregates(value: Sum | Histogram) -> tuple[str, str]:
    """Expressions for a column's sum, in billionths, and for how many numbers are left out of it."""
    column = identifier(value.column)
    usable = f"abs({column}) < {limit(value)}"
    if isinstance(value, Histogram):
        scaled = f"({column}::float8 * {PER_UNIT})::bigint"
    else:
        scaled = f"round({column}::numeric * {PER_UNIT})"
    return f"coalesce(sum({scaled}) FILTER (WHERE {usable}), 0)", f"count(*) FILTER (WHERE NOT {usable})"


def cell(histogram: Histogram) -> str:
    """An expression for how many bounds a number exceeds; NULL for one that is not observed."""
    column = identifier(histogram.column)
    bounds = histogram.buckets
    descending = ", ".join(repr(-bound) for bound in reversed(bounds))
    # It tells equality from below: so with signs changed, a bound is what a number may be at most.
    position = f"{len(bounds)} - width_bucket(-{column}::float8, ARRAY[{descending}]::float8[])"
    return f"CASE WHEN abs({column}) < {MOST_OBSERVED} THEN {position} END"


def values(entry: FromView) -> tuple[str, ...]:
    """The aggregate expressions: the count, then two for each other value, in their order."""
    found = ["count(*)"]
    for value in entry.values.values():
        if isinstance(value, Sum | Histogram):
            found += aggregates(value)
    return tuple(found)


def positions_of(entry: FromView) -> dict[str, int]:
    """Where among `values` the sum of each value is; how many numbers it leaves out is behind it."""
    found, position = {}, 1
    for name, value in entry.values.items():
        found[name] = 0 if isinstance(value, Count) else position
        position += 0 if isinstance(value, Count) else 2
    return found


def keys(entry: FromView) -> tuple[str, ...]:
    """The expressions to group by: one for each key, and the histogram's cell."""
    cells = [cell(entry.histogram)] if entry.histogram else []
    return (*map(key, entry.keys.values()), *cells)


@dataclass
class _Bound:
    """Of an answer.

    Attributes:
        rows: that may come back; None where the query itself sees to it.
        folding: more would, so that PostgreSQL folds names.
    """

    rows: int | None = None
    folding: bool = False


@dataclass(frozen=True)
class OwnQuery(RangeQuery):
    """A `RangeQuery` whose keys may be names that strangers choose.

    Attributes:
        names: of each key that has no words, by its position.
        view: as the configuration has it.
        cells: how many combinations of keys a bucket may have.
        bound: how many rows there may be.
    """

    names: dict[int, Names] = field(default_factory=dict)
    view: str = ""
    cells: int = 1
    bound: _Bound = field(default_factory=_Bound)

    @classmethod
    def of(cls, entry: FromView) -> OwnQuery:
        """The query of an entry with time and windows."""
        return cls(
            source=relation(entry),
            time=identifier(str(entry.time)),
            width=entry.width,
            keys=keys(entry),
            values=values(entry),
            names={at: Names(key.most) for at, key in enumerate(entry.keys.values()) if not key.words},
            view=entry.view,
            cells=entry.cells,
        )

    @property
    def title(self) -> str:
        """See `RangeQuery`."""
        return self.view

    def sql(
        self, ranges: Sequence[Range], *, apart: bool = False, aside: str | None = None, ahead_of: int | None = None
    ) -> str:
        """See `RangeQuery`; of a column without words no more names come back than there are places, or few rows."""
        if not self.names:
            return super().sql(ranges, apart=apart, aside=aside, ahead_of=ahead_of)
        width = self.width * MICROSECONDS
        for names in self.names.values():
            names.ask(max(bounds.end for bounds in ranges) // width)
        keys = [
            self.names[at].of_known(key) if at in self.names and not self.names[at].free else key
            for at, key in enumerate(self.keys)
        ]
        sql = RangeQuery(self.source, self.time, self.width, tuple(keys), self.values).sql(ranges, apart=apart)
        free = {at: names for at, names in self.names.items() if names.free}
        self.bound.rows = None
        if free and self.bound.folding:
            sql = folded(sql, len(self.keys), len(self.values), free)
        elif free:
            # To fold them takes PostgreSQL as long again as all the rest. So it does when there are many.
            buckets = sum((bounds.end - 1) // width - bounds.start // width + 1 for bounds in ranges)
            self.bound.rows = min(buckets * self.cells, MOST_ROWS)
            sql = f"(SELECT * FROM ({sql}) AS rows LIMIT {self.bound.rows + 1})"
        return sql if ahead_of is None else f"{sql} UNION ALL {self.ahead(ahead_of)}"

    def asks_anew(self, answer: Sequence[tuple[Any, ...]]) -> bool:
        """See `RangeQuery`: there are more rows than may come, so that PostgreSQL is to fold them."""
        bound = self.bound
        if bound.rows is None or sum(row[0] >= 0 for row in answer) <= bound.rows:
            return False
        bound.folding = True
        return True

    def rows(self, answer: Iterable[tuple[Any, ...]]) -> list[Row]:
        """See `RangeQuery`; each name is where it has its place."""
        found = super().rows(answer)
        if not self.names:
            return found
        bound, read = self.bound, sum(row.range >= 0 for row in found)
        merged: dict[tuple[Any, ...], Row] = {}
        # Names before what is folded already: of those that are new, all rows of this answer are here.
        for row in sorted(found, key=lambda row: None in row.key):
            placed = tuple(
                self.names[at].place(name, row.bucket) if at in self.names and row.range >= 0 else name
                for at, name in enumerate(row.key)
            )
            where = (row.range, row.bucket, placed)
            before = merged.get(where)
            sums = row.values if before is None else tuple(map(add, before.values, row.values))
            merged[where] = row._replace(key=placed, values=sums)
        if bound.folding and read < MOST_ROWS / 2:
            bound.folding = any(row.range >= 0 and row.key[at] is None for row in found for at in self.names)
        return list(merged.values())


def folded(sql: str, keys: int, values: int, names: dict[int, Names]) -> str:
    """The rows of another SELECT (two numbers, keys, counts and sums), of whose names few keep a row of their own.

    Args:
        sql: the SELECT.
        keys: how many it has.
        values: how many counts and sums; the first is a count.
        names: of the keys with places that are free, by position. Those known keep theirs; of the others as many as
            there are places, those with most rows. What is left is summed with the key NULL.
    """
    columns = [*(f"k{at}" for at in range(keys)), *(f"v{at}" for at in range(values))]
    parts = [f"cells (position, bucket, {', '.join(columns)}) AS MATERIALIZED ({sql})"]
    outputs = [f"k{at}" for at in range(keys)]
    for at, known in names.items():
        is_known = known.is_known(f"k{at}")
        new = f"SELECT k{at} FROM cells WHERE NOT {is_known} GROUP BY 1 ORDER BY sum(v0) DESC, 1 LIMIT {known.free}"
        parts.append(f"new{at} (name) AS ({new})")
        outputs[at] = f"CASE WHEN {is_known} OR k{at} IN (SELECT name FROM new{at}) THEN k{at} END"
    sums = ["sum(v0)::bigint", *(f"sum(v{at})" for at in range(1, values))]
    groups = ", ".join(str(position) for position in range(1, keys + 3))
    return (
        f"WITH {', '.join(parts)} SELECT position, bucket, {', '.join([*outputs, *sums])} FROM cells GROUP BY {groups}"
    )
