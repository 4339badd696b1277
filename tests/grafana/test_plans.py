"""On a well-filled database every query of a wall is a range of an index, and answers with bounded rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from simulator.local.contract import ContractDatabase
from simulator.local.postgres import Postgres
from tests.contract.applying import TODAY, small_database
from tests.contract.plans import plan, whole_reads
from tests.contract.test_plans import BIG, FILL
from tests.grafana.board import Asked, queries
from tests.grafana.macros import filled

SQL = queries(sql=True)
CHOSEN = {"transaction": ["t5"], "wallet": ["0x742d35cc"], "client": ["203.0.113.1"]}


@pytest.fixture(scope="module")
def large(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "large", f"{TODAY} - 10", f"{TODAY} + 1")
    postgres.execute(FILL, database.name)
    postgres.execute("VACUUM (ANALYZE)", database.name)
    yield database
    postgres.drop_database(database.name)


@pytest.mark.parametrize("query", SQL, ids=str)
def test_no_large_table_is_read_whole(large: ContractDatabase, query: Asked) -> None:
    text = filled(query, datetime.now(UTC), CHOSEN)
    nodes = plan(large, (text, ()))
    assert whole_reads(nodes, BIG) == [], text


@pytest.mark.parametrize("query", SQL, ids=str)
def test_answers_are_bounded(query: Asked) -> None:
    assert re.search(r"\bLIMIT \d+\b", query.text)
    assert not re.search(r"SELECT \*|now\(\)", query.text), "a chosen time in the past would not be shown"


def test_the_scatter_and_the_feed_use_the_partial_index(large: ContractDatabase) -> None:
    for number, ref in ((201, "B"), (205, "A")):
        (query,) = (each for each in SQL if (each.uid, each.number, each.ref) == ("ticketing", number, ref))
        nodes = plan(large, (filled(query, datetime.now(UTC)), ()))
        used = [node["Index Name"] for node in nodes if "Index Name" in node]
        # Its columns are one; PostgreSQL names the index of a partition by them.
        assert used
        assert all(re.fullmatch(r"fraud_predictions_\d{8}_predicted_at_idx\d?", name) for name in used)
        assert not [node for node in nodes if "Filter" in node]


def test_a_week_of_points_is_a_sample(large: ContractDatabase) -> None:
    (query,) = (each for each in SQL if (each.uid, each.number, each.ref) == ("ticketing", 201, "A"))
    end = datetime.now(UTC)
    text = filled(query, end)
    # The macros of an hour become those of a week.
    hour_ago = f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    week = text.replace(hour_ago, f"{end - timedelta(days=7):%Y-%m-%dT%H:%M:%S.%fZ}")
    nodes = plan(large, (f"{week}", ()))
    assert whole_reads(nodes, BIG) == []
    rows = large_rows(large, week)
    assert len(rows) == 360 * 8
    assert all(score <= 0.65 for _, score in rows)


def large_rows(large: ContractDatabase, text: str) -> list[tuple[datetime, float]]:
    import psycopg2

    connection = psycopg2.connect(large.reader_dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()
    finally:
        connection.close()
