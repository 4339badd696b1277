"""Whether the dashboards' queries are answered, as Grafana asks them: the store for metrics, PostgreSQL for rows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import psycopg2
import requests

from demo.parts import Parts
from testbed.viewer.asking import answer
from testbed.viewer.board import Asked, queries
from testbed.viewer.macros import filled
from tests.grafana.test_live import MAY_BE_EMPTY
from tests.responder.sql import rows

PROMQL, SQL = queries(sql=False), queries(sql=True)


def unanswered(parts: Parts, asked: Collection[Asked]) -> dict[str, str]:
    """Why each query that has no answer has none."""
    found = {}
    for query in asked:
        if reason := _sql(parts, query) if query.is_sql else _promql(parts, query):
            found[str(query)] = reason
    return found


def expected(parts: Parts) -> list[Asked]:
    """Those that have an answer now and always should."""
    missing = unanswered(parts, [*PROMQL, *SQL])
    return [query for query in (*PROMQL, *SQL) if str(query) not in missing and str(query) not in MAY_BE_EMPTY]


def _promql(parts: Parts, query: Asked) -> str | None:
    assert parts.store is not None
    try:
        return None if answer(parts.store.url, query) else "nothing"
    except requests.RequestException as error:
        return str(error)


def _sql(parts: Parts, query: Asked) -> str | None:
    try:
        rows(parts.database.reader_dsn, filled(query, datetime.now(UTC)))
    except psycopg2.Error as error:
        return str(error)
    return None
