"""The queries that the exporter really sends, and how PostgreSQL would run them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg2
import pytest

from common.deadline import Deadline
from exporter.app import Exporter
from exporter.sources.postgres import PostgresSource
from exporter.web import api
from testbed.servers.contract import ContractDatabase

Query = tuple[str, tuple[Any, ...]]


def sent_queries(exporter: Exporter, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> list[Query]:
    """All queries of a start, of a minute of scrapes after it, and of the JSON feed.

    Args:
        exporter: built with `lambda: clock[0]` as its clock.
        clock: one time, which goes on by this.
        monkeypatch: undone by the test.
    """
    sent: dict[Query, None] = {}
    original = PostgresSource.query

    async def recorded(
        self: PostgresSource, sql: str, parameters: Sequence[Any], deadline: Deadline
    ) -> list[tuple[Any, ...]]:
        sent[sql, tuple(parameters)] = None
        return await original(self, sql, parameters, deadline)

    monkeypatch.setattr(PostgresSource, "query", recorded)
    for _ in range(8):
        exporter.scraper.scrape(exporter.scraper.sections, 60)
        clock[0] += 20
    with suppress(api.NotHereError):
        api.fraud_feed(exporter)
    problems = {name: status.problems for name, status in exporter.scraper.statuses().items() if status.problems}
    assert not problems
    return list(sent)


def plan(database: ContractDatabase, query: Query) -> list[dict[str, Any]]:
    """All nodes of the plan that the reader gets."""
    connection = psycopg2.connect(database.reader_dsn)
    try:
        with connection.cursor() as cursor:
            sql, parameters = query
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters or None)
            rows: Any = cursor.fetchone()
    finally:
        connection.close()
    found = rows[0] if not isinstance(rows[0], str) else json.loads(rows[0])
    return list(_nodes(found[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def whole_reads(nodes: list[dict[str, Any]], tables: tuple[str, ...]) -> list[str]:
    """Nodes that read one of these tables, or a partition of it, without a range of an index."""
    return [
        f"{node['Node Type']} on {node['Relation Name']}"
        for node in nodes
        if node.get("Relation Name", "").startswith(tables)
        and not (("Index Scan" in node["Node Type"] or "Index Only" in node["Node Type"]) and is_range(node))
        and node["Node Type"] != "Bitmap Heap Scan"
    ]


def is_long(query: Query) -> bool:
    """Whether it reads more than three hours: history after a start, a large part of a day's partition at once."""
    _, parameters = query
    bounds = [bound for bound in parameters if isinstance(bound, datetime)]
    return any(end - start > timedelta(hours=3) for start, end in pairwise(bounds))


def is_range(node: dict[str, Any]) -> bool:
    """Whether the index narrows it down: by the range asked for, or by being partial, with nothing left to filter."""
    return "Index Cond" in node or "Filter" not in node
