"""On a well-filled database every query of a wall is a range of an index, and answers with bounded rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from simulator import ledger
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.viewer.board import Asked, queries
from testbed.viewer.macros import filled
from tests.contract.applying import TODAY, small_database
from tests.contract.plans import plan, whole_reads

SQL = queries(sql=True)
BIG = ("fraud_predictions", "fraud_labels", "security_events", "responder_actions")
# A prediction in 5 s and an event in 10 s over three whole days, today's future included: twice a busy platform's rate,
# and no partition with so few rows that reading it whole is best.
FIRST = "(date_trunc('day', now(), 'UTC') - interval '2 days')"
FILL = f"""
INSERT INTO platform.fraud_predictions
    (predicted_at, transaction_id, fraud_score, decision, top_feature, model_version, wallet, source_ip, features)
SELECT {FIRST} + n * interval '5 s', 't' || n, n % 100 / 100.0,
       CASE WHEN n % 100 >= 96 THEN 'BLOCKED' WHEN n % 100 >= 90 THEN 'REVIEW' ELSE 'APPROVED' END,
       'txn_velocity_1h=3', 'v1', '0x' || n % 3000, '203.0.113.1', '{{"txn_velocity_1h": 3}}'
FROM generate_series(0, 51839) AS n;
INSERT INTO platform.fraud_labels
SELECT transaction_id, predicted_at, decision, decision = 'BLOCKED', predicted_at + interval '1 hour'
FROM platform.fraud_predictions;
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, correlation_id)
SELECT {FIRST} + n * interval '10 s', 'LOW', 'rate_limit', 'Rate limit exceeded',
       CASE WHEN n % 500 = 0 THEN gen_random_uuid() END
FROM generate_series(0, 25919) AS n
"""
SEARCHES = [query for query in SQL if query.uid == "ticketing-investigate" and query.number in (201, 301, 303)]
CHOSEN = {"transaction": ["t5"], "wallet": ["0x742d35cc"], "client": ["203.0.113.1"]}


@contextmanager
def filled_database(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "large", f"{TODAY} - 2", TODAY)
    postgres.execute(FILL, database.name)
    postgres.execute(ledger.YEAR, database.name)
    postgres.execute("VACUUM (ANALYZE)", database.name)
    yield database
    postgres.drop_database(database.name)


# One test, so that pytest-xdist fills the database once and not in each of its workers.
def test_plans(postgres: Postgres, subtests: pytest.Subtests) -> None:
    with filled_database(postgres) as large:
        # Whoever searches a wallet or a client reads the chosen time, once; a wall must not, every five seconds.
        for query in SQL:
            if query not in SEARCHES:
                with subtests.test("no large table is read whole", query=str(query)):
                    check_no_large_table_is_read_whole(large, query)
        with subtests.test("partial index"):
            check_the_scatter_and_the_feed_use_the_partial_index(large)
        with subtests.test("sample"):
            check_two_days_of_points_is_a_sample(large)


def check_no_large_table_is_read_whole(large: ContractDatabase, query: Asked) -> None:
    text = filled(query, datetime.now(UTC), CHOSEN)
    nodes = plan(large, (text, ()))
    assert whole_reads(nodes, BIG) == [], text


@pytest.mark.parametrize("query", SQL, ids=str)
def test_answers_are_bounded(query: Asked) -> None:
    assert re.search(r"\bLIMIT \d+\b", query.text)
    assert not re.search(r"SELECT \*|now\(\)", query.text), "a chosen time in the past would not be shown"


def check_the_scatter_and_the_feed_use_the_partial_index(large: ContractDatabase) -> None:
    for number, ref in ((201, "B"), (205, "A")):
        (query,) = (each for each in SQL if (each.uid, each.number, each.ref) == ("ticketing", number, ref))
        # An hour within one day: of the few minutes since midnight, another index would do as well.
        nodes = plan(large, (filled(query, datetime.now(UTC).replace(hour=12) - timedelta(days=1)), ()))
        used = [node["Index Name"] for node in nodes if "Index Name" in node]
        # Its columns are one; PostgreSQL names the index of a partition by them.
        assert used
        assert all(re.fullmatch(r"fraud_predictions_\d{8}_predicted_at_idx\d?", name) for name in used)
        # What is chosen among the rows that were read is another matter.
        assert not [node for node in nodes if "Filter" in node and node["Node Type"] != "CTE Scan"]


def check_two_days_of_points_is_a_sample(large: ContractDatabase) -> None:
    (query,) = (each for each in SQL if (each.uid, each.number, each.ref) == ("ticketing", 201, "A"))
    end = datetime.now(UTC)
    text = filled(query, end)
    # The macros of an hour become those of two days.
    hour_ago = f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    two_days = text.replace(hour_ago, f"{end - timedelta(days=2):%Y-%m-%dT%H:%M:%S.%fZ}")
    nodes = plan(large, (two_days, ()))
    assert whole_reads(nodes, BIG) == []
    rows = _rows(large, two_days)
    assert len(rows) == 360 * 8
    assert all((score <= 0.65, name) == (True, "Approved") for _, score, name in rows)


def _rows(large: ContractDatabase, text: str) -> list[tuple[datetime, float, str]]:
    connection = psycopg2.connect(large.reader_dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall()
    finally:
        connection.close()
