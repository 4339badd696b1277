"""What a query would read as a whole, by EXPLAIN: nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from exporter.contract_check.database import Database

_SIZE = """
    SELECT pg_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""


@dataclass(frozen=True)
class Scan:
    """A table that a plan reads as a whole.

    Attributes:
        schema: of the table.
        table: a partition, of one that has them.
        filter: what is asked of each row, as EXPLAIN writes it.
        size: of the table, in bytes.
    """

    schema: str
    table: str
    filter: str
    size: int


def whole_reads(database: Database, sql: str, *, forced: bool = False) -> list[Scan]:
    """The tables that a query would read as a whole: with `forced`, although PostgreSQL did all to avoid it."""
    settings = "SET LOCAL enable_seqscan = off; " if forced else ""
    ((plan,),) = database.rows(f"{settings}EXPLAIN (FORMAT JSON, VERBOSE) {sql}")
    return [_scan(database, node) for node in _nodes(plan[0]["Plan"]) if "Relation Name" in node and _reads_all(node)]


def _scan(database: Database, node: dict[str, Any]) -> Scan:
    schema, table = node["Schema"], node["Relation Name"]
    ((size,),) = database.rows(_SIZE, (schema, table))
    return Scan(schema, table, _unqualified(node.get("Filter", ""), node["Alias"]), int(size))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _reads_all(node: dict[str, Any]) -> bool:
    kind = node["Node Type"]
    if kind == "Seq Scan":
        return True
    # The whole of an index, unless it is a partial one that has just what is wanted.
    return kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and "Filter" in node


def _unqualified(text: str, alias: str) -> str:
    return re.sub(rf'"?\b{re.escape(alias)}"?\.', "", text)
