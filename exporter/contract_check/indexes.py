"""The index that makes a range of what is read as a whole, or why there can be none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from exporter.contract_check.database import Database
from exporter.contract_check.scans import Scan

_TABLE = """
    SELECT c.relkind = 'p' OR c.relispartition, coalesce(pg_partition_root(c.oid)::regclass, c.oid::regclass)::text,
           c.relrowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"""
_LEAKY = "SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY(%s) AND NOT proleakproof ORDER BY 1"
_WITH_TIME = re.compile(r" (?:>=|<=|>|<) (?:'[^']*'::timestamp with time zone|\(?now\(\))")
_CALL = re.compile(r"(\w+)\(")
_SESSION_ZONE = "::timestamp with time zone"


def index_for(database: Database, scan: Scan, *, partial: bool) -> str:
    """How to mend that a condition on a view's time reads all of a table.

    Args:
        database: asked for what is known of table and view.
        scan: the reading.
        partial: the query's other condition belongs into the index.
    """
    ((partitioned, table, row_security),) = database.rows(_TABLE, (scan.schema, scan.table))
    expression = _time_of(scan.filter)
    if row_security and expression is not None:
        leaky = _leaky(database, expression)
        if leaky:
            return (
                "under row-level security no index is used through a function that is not LEAKPROOF:"
                f" {', '.join(leaky)}."
                f" Take for the view's time a timestamptz column of {table} as it is (generated, say), and index it"
            )
    if expression is None:
        return (
            f"the view does not let a condition on its time through to {table}: it must have no DISTINCT, LIMIT,"
            " GROUP BY, window function or volatile function, and its time must be a column or an immutable expression"
        )
    if _SESSION_ZONE in expression:
        return (
            f"in the view, in place of {expression}, which depends on the session and can have no index: the column"
            f" AT TIME ZONE '…'; then an index on {table} with that expression"
        )
    concurrently = "" if partitioned else "CONCURRENTLY "
    others = [part for part in _conjuncts(scan.filter) if not _WITH_TIME.search(part)] if partial else []
    where = f" WHERE {' AND '.join(others)}" if others else ""
    return f"CREATE INDEX {concurrently}ON {table} ({_as_key(expression)}){where}; ANALYZE {table}"


def _leaky(database: Database, expression: str) -> Sequence[str]:
    called = set(_CALL.findall(expression.lower()))
    if " at time zone " in expression.lower():
        called.add("timezone")
    if _SESSION_ZONE in expression:
        called.add("timestamptz")
    return [name for (name,) in database.rows(_LEAKY, (sorted(called),))]


def _time_of(condition: str) -> str | None:
    """The first expression that is compared with a time, as EXPLAIN writes it; None without any."""
    match = _WITH_TIME.search(condition)
    if match is None:
        return None
    depth = 0
    for start in range(match.start() - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(condition[start], 0)
        if depth < 0:
            return condition[start + 1 : match.start()]
    return condition[: match.start()]


def _conjuncts(condition: str) -> Iterator[str]:
    """`A` and `B` of `(A AND B)`, each in its parentheses."""
    inner, depth, start = condition.removeprefix("(").removesuffix(")"), 0, 0
    for position, character in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and inner.startswith(" AND ", position):
            yield inner[start:position]
            start = position + len(" AND ")
    yield inner[start:]


def _as_key(expression: str) -> str:
    if re.fullmatch(r'\w+|"[^"]+"', expression):
        return expression
    return expression if expression.startswith("(") and expression.endswith(")") else f"({expression})"
