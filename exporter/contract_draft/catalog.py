"""What there is in a database: relations with their columns, sizes, indexes and keys. Catalogs alone are read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.contract_draft.database import Database

MOST_RELATIONS = 5000
ROWS_A_PAGE = 50
TABLE, PARTITIONED, VIEW, MATERIALIZED, FOREIGN = "r", "p", "v", "m", "f"
KINDS = {TABLE: "table", PARTITIONED: "partitioned table", VIEW: "view", MATERIALIZED: "materialized view"}
KINDS[FOREIGN] = "foreign table"

# Partitions are read through their parents, and what an extension brought is none of the platform's. Functions that
# would wait for a lock are left alone: sizes are as of the last ANALYZE, or by the rows that the statistics count.
_RELATIONS = f"""
    WITH RECURSIVE leaf (top, oid) AS (
        SELECT c.oid, c.oid FROM pg_class c WHERE c.relkind IN ('p', 'r', 'm') AND NOT c.relispartition
        UNION ALL
        SELECT leaf.top, i.inhrelid FROM leaf JOIN pg_inherits i ON i.inhparent = leaf.oid
        JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition
    ), size AS (
        SELECT leaf.top AS oid,
               sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END) AS rows,
               sum(coalesce(nullif(c.relpages, 0), pg_stat_get_live_tuples(c.oid) / {ROWS_A_PAGE})) AS pages
        FROM leaf JOIN pg_class c ON c.oid = leaf.oid WHERE c.relkind <> 'p' GROUP BY 1
    )
    SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text,
           has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'), c.relrowsecurity,
           coalesce(size.rows, c.reltuples)::float8, coalesce(size.pages, c.relpages)::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN size ON size.oid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('information_schema', 'monitoring') AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname LIMIT {MOST_RELATIONS}"""
_COLUMNS = """
    SELECT a.attrelid, a.attnum, a.attname, quote_ident(a.attname),
           format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, NULL), a.attnotnull,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"""
_INDEXES = """
    SELECT i.indrelid, c.relname, i.indkey::int2[]::int[], i.indnkeyatts, i.indisunique, i.indpred IS NOT NULL,
           m.amname = 'btree' AND i.indisvalid, pg_get_indexdef(i.indexrelid, 1, true),
           pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = ANY(%s::oid[]) ORDER BY c.relname"""
_CONSTRAINTS = """
    SELECT conrelid, conkey[1], contype::text, confrelid, confkey[1], pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE conrelid = ANY(%s::oid[]) AND contype IN ('c', 'f') AND array_length(conkey, 1) = 1
    ORDER BY conrelid, conname"""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: as it is.
        quoted: as SQL has it.
        type: of a domain, the type beneath.
        not_null: it is never NULL.
        words: that it may hold, by an enum type or a CHECK; none when anything.
        readable: this role may.
        references: the relation's OID and its column's number, of a foreign key.
    """

    name: str
    quoted: str
    type: str
    not_null: bool = False
    words: tuple[str, ...] = ()
    is_enum: bool = False
    readable: bool = True
    references: tuple[int, int] | None = None


@dataclass(frozen=True)
class Index:
    """An index.

    Attributes:
        name: of it.
        first: what it is sorted by first, as PostgreSQL writes it.
        columns: names of all that are stored in it.
        key: name of the column it is sorted by first; None for an expression.
        unique: by `key` alone, no two rows are the same.
        usable: for ranges over all rows: a valid B-tree without a condition.
        partial: it has a condition.
        definition: all of it.
    """

    name: str
    first: str
    columns: tuple[str, ...]
    key: str | None
    unique: bool
    usable: bool
    partial: bool
    definition: str


@dataclass(frozen=True, eq=False)
class Relation:
    """A table, view or the like.

    Attributes:
        oid: of it.
        schema: of it.
        name: of it.
        quoted: both, as SQL has them.
        kind: one of `KINDS`.
        readable: this role may read at least some column.
        row_security: it is switched on.
        rows: an estimate; below 0 when nobody knows.
        pages: of 8 KiB.
        columns: those this role may read, by name.
        indexes: of it.
    """

    oid: int
    schema: str
    name: str
    quoted: str
    kind: str
    readable: bool = True
    row_security: bool = False
    rows: float = -1
    pages: int = 0
    columns: Mapping[str, Column] = field(default_factory=dict)
    indexes: Sequence[Index] = ()

    @property
    def stored(self) -> bool:
        """It may have indexes."""
        return self.kind in (TABLE, PARTITIONED, MATERIALIZED)

    def index_by(self, column: Column) -> Index | None:
        """One that finds ranges of this column."""
        return next((index for index in self.indexes if index.usable and index.key == column.name), None)

    def is_unique(self, column: Column) -> bool:
        """No two rows are the same in it."""
        return any(index.unique and index.key == column.name for index in self.indexes)


def read_catalog(database: Database) -> list[Relation]:
    """All relations of the platform, also those that this role may not read.

    Raises:
        PostgresError: there is no connection to be had, or a catalog cannot be read.
        DeadlineExceededError: it took too long.
    """
    found = database.rows(_RELATIONS)
    oids = [row[0] for row in found]
    columns = _columns(database, oids)
    indexes: dict[int, list[Index]] = {}
    for oid, name, numbers, keys, unique, partial, btree, first, definition in database.rows(_INDEXES, oids):
        of_relation = columns.get(oid, {})
        names = tuple(of_relation[number].name for number in numbers if number in of_relation)
        key = of_relation[numbers[0]].name if numbers[0] in of_relation else None
        index = Index(
            name, first, names, key, unique and keys == 1 and not partial, btree and not partial, partial, definition
        )
        indexes.setdefault(oid, []).append(index)
    return [
        Relation(
            oid,
            schema,
            name,
            quoted,
            kind,
            readable,
            secured,
            rows=-1 if rows is None else rows,
            pages=pages or 0,
            columns={column.name: column for column in columns.get(oid, {}).values() if column.readable},
            indexes=indexes.get(oid, ()),
        )
        for oid, schema, name, quoted, kind, readable, secured, rows, pages in found
    ]


def _columns(database: Database, oids: Sequence[int]) -> dict[int, dict[int, Column]]:
    """By OID of the relation and number of the column."""
    words: dict[tuple[int, int], tuple[str, ...]] = {}
    references: dict[tuple[int, int], tuple[int, int]] = {}
    for oid, number, kind, other, other_number, definition in database.rows(_CONSTRAINTS, oids):
        if kind == "f":
            references[oid, number] = (other, other_number)
        elif listed := _words_of_check(definition):
            words[oid, number] = listed
    columns: dict[int, dict[int, Column]] = {}
    for oid, number, name, quoted, kind, not_null, labels, readable in database.rows(_COLUMNS, oids):
        columns.setdefault(oid, {})[number] = Column(
            name,
            quoted,
            kind,
            not_null,
            tuple(labels) or words.get((oid, number), ()),
            bool(labels),
            readable,
            references.get((oid, number)),
        )
    return columns


def _words_of_check(definition: str) -> tuple[str, ...]:
    # CHECK (status IN (…)) and CHECK (status = ANY (ARRAY[…])), as PostgreSQL writes both.
    if not re.search(r"= ANY \(+ARRAY\[", definition):
        return ()
    return tuple(text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'::", definition))
