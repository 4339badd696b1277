"""Some rows of a relation, the newest where an index leads to them, and what they hold; never all of a large one."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.contract_draft.catalog import PARTITIONED, TABLE, VIEW, Column, Relation
from exporter.contract_draft.database import Database
from exporter.contract_draft.text import tokens

ROWS = 2000
WORD_ROWS = 10_000
"""As many as the check reads: a word that it would meet is met here."""
MOST_WORDS = 40
SMALL_PAGES = 2000
"""A table of up to 16 MB is sorted without an index."""
MOST_JSON_BYTES = 20_000

WITHOUT_ZONE, WITH_ZONE = "timestamp without time zone", "timestamp with time zone"
TIMES = (WITH_ZONE, WITHOUT_ZONE, "date")
WHOLE = ("smallint", "integer", "bigint")
NUMBERS = (*WHOLE, "numeric", "real", "double precision")
JSON = ("json", "jsonb")
PRIVATE = {"password", "passwd", "pwd", "secret", "token", "hash", "salt", "iban", "pan", "cvv", "cvc", "otp", "seed"}
"""Words in the names of columns whose values are not even looked at."""


@dataclass(frozen=True)
class Sample:
    """Rows of a relation.

    Attributes:
        rows: values by column; times as seconds since the epoch, those without a zone as if they were UTC.
        newest: they are the newest, by this column; None when they are just some.
    """

    rows: Sequence[Mapping[str, Any]]
    newest: Column | None

    def values(self, column: Column) -> list[Any]:
        """Those that are not NULL, in order."""
        return [row[column.name] for row in self.rows if row.get(column.name) is not None]

    def numbers(self, column: Column) -> list[float]:
        """Finite ones."""
        found = [float(value) for value in self.values(column) if not isinstance(value, bool | str)]
        return [value for value in found if math.isfinite(value)]

    def null_share(self, column: Column) -> float:
        """0 to 1."""
        return 1 - len(self.values(column)) / len(self.rows) if self.rows else 0.0

    def largest(self, column: Column) -> float | None:
        """None without any."""
        return max(self.numbers(column), default=None)

    def median(self, column: Column) -> float | None:
        """None without any."""
        numbers = self.numbers(column)
        return statistics.median(numbers) if numbers else None

    def distinct(self, column: Column) -> list[str]:
        """Its texts, the most frequent first."""
        return [text for text, _ in Counter(map(str, self.values(column))).most_common()]

    def objects(self, column: Column) -> list[Any]:
        """Its JSON, parsed."""
        found = []
        for text in self.values(column):
            try:
                found.append(json.loads(text))
            except (ValueError, RecursionError):
                continue
        return found


def is_private(column: Column) -> bool:
    """Whether its values are nobody's business."""
    return not PRIVATE.isdisjoint(tokens(column.name))


def read_sample(database: Database, relation: Relation, time: Column | None) -> Sample:
    """Up to 2,000 rows, the newest by this column if that costs no scan; none when they cannot be had."""
    columns = [column for column in relation.columns.values() if (sql := _value(column)) and not is_private(column)]
    if not columns:
        return Sample((), None)
    by = _order(relation, time)
    outputs = ", ".join(str(_value(column)) for column in columns)
    sql = f"SELECT {outputs} FROM {_some(relation, by, ROWS, columns)}"
    found = database.rows_or_none(f"rows of {relation.quoted}", sql) or []
    names = [column.name for column in columns]
    return Sample([dict(zip(names, row, strict=True)) for row in found], by if by is not None and by == time else None)


def read_words(database: Database, relation: Relation, column: Column, time: Column | None) -> list[str]:
    """The 40 most frequent words of a column in up to 10,000 rows, in the order of the alphabet."""
    by = _order(relation, time)
    source = _some(relation, by, WORD_ROWS, (column,))
    sql = (
        f"SELECT left({column.quoted}::text, 200) FROM {source}"
        f" WHERE {column.quoted} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {MOST_WORDS}"
    )
    found = database.rows_or_none(f"words of {relation.quoted}.{column.quoted}", sql) or ()
    return sorted(word for (word,) in found)


def _order(relation: Relation, time: Column | None) -> Column | None:
    """By which column the newest rows are found without reading all; None when by none."""
    small = relation.stored and relation.pages <= SMALL_PAGES
    if time is not None and (small or relation.index_by(time)):
        return time
    # Numbers are mostly given in order.
    keys = (index.key for index in relation.indexes if index.usable and index.unique and index.key)
    return next((c for key in keys if (c := relation.columns.get(key)) and c.type in WHOLE), None)


def _some(relation: Relation, by: Column | None, rows: int, only: Sequence[Column]) -> str:
    """What stands behind FROM."""
    outputs = ", ".join(column.quoted for column in only)
    sample = ""
    if by is None and relation.kind in (TABLE, PARTITIONED) and relation.pages > SMALL_PAGES:
        # Of each page that is drawn all rows come, at least a few.
        sample = f" TABLESAMPLE SYSTEM ({max(100 * rows / 5 / relation.pages, 0.0001):.4f})"
    order = f" WHERE {by.quoted} IS NOT NULL ORDER BY {by.quoted} DESC" if by is not None else ""
    return f"(SELECT {outputs} FROM {relation.quoted}{sample}{order} LIMIT {rows}) AS sampled"


def _value(column: Column) -> str | None:
    """SQL of what is looked at; None for what is not."""
    name = column.quoted
    if column.type in TIMES:
        return f"extract(epoch FROM {name})::float8"
    if column.type == "interval":
        return f"extract(epoch FROM {name})::float8"
    if column.type == "money":
        return f"{name}::numeric"
    if column.type in NUMBERS or column.type == "boolean":
        return name
    if column.type in JSON:
        return f"CASE WHEN octet_length({name}::text) < {MOST_JSON_BYTES} THEN {name}::text END"
    return None if column.type == "bytea" or column.type.endswith("[]") else f"left({name}::text, 200)"


def is_word(column: Column) -> bool:
    """Whether it holds text, or the words of an enum."""
    return column.is_enum or column.type in ("text", "character varying", "character") or column.type.endswith("citext")


def can_sort(relation: Relation, column: Column) -> bool:
    """Whether a range of it is found without reading all."""
    return relation.kind != VIEW and (relation.pages <= SMALL_PAGES or relation.index_by(column) is not None)
