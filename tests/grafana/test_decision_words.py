"""Decisions under a platform's own words: the scatter, the feed and what a transaction leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.viewer.board import Asked, queries
from testbed.viewer.macros import filled
from tests.contract.own_words import with_own_words

SQL = {(query.uid, query.number, query.ref): query for query in queries(sql=True)}
FEED = SQL["ticketing", 205, "A"]
RISKY, APPROVED = SQL["ticketing", 201, "B"], SQL["ticketing", 201, "A"]
TRANSACTION = SQL["ticketing-investigate", 101, "A"]
OF_WALLET = SQL["ticketing-investigate", 201, "A"]
# All of one moment, as a batch is scored.
FILL = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, wallet)
    SELECT date_trunc('second', now()) - interval '1 s', 't' || n, CASE WHEN n = 1 THEN 0.9 ELSE 0.1 END, decision,
           '0xa'
    FROM unnest(ARRAY['APPROVED', 'APPROVED', 'APPROVED', 'REVIEW', 'REVIEW', 'REVIEW', 'BLOCKED', 'BLOCKED', NULL])
         WITH ORDINALITY AS one (decision, n)"""


@pytest.fixture
def platform(postgres: Postgres, contract_template: str) -> Iterator[ContractDatabase]:
    postgres.create_database("shown_words", contract_template)
    database = ContractDatabase(postgres, "shown_words")
    postgres.execute(FILL, database.name)
    yield database
    postgres.drop_database("shown_words")


def ask(database: ContractDatabase, query: Asked) -> list[dict[str, Any]]:
    connection = psycopg2.connect(database.reader_dsn)
    try:
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(filled(query, datetime.now(UTC), {"transaction": ["t5"], "wallet": ["0xa"]}))
            return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()


def test_without_words_of_its_own(platform: ContractDatabase) -> None:
    assert Counter(row["Decision"] for row in ask(platform, FEED)) == {"APPROVED": 1, "REVIEW": 3, "BLOCKED": 2}
    points = ask(platform, RISKY)
    assert Counter(row["metric"] for row in points) == {"Approved above 0.65": 1, "Review": 3, "Blocked": 2}
    assert len({(row["metric"], row["time"]) for row in points}) == 6
    assert [row["metric"] for row in ask(platform, APPROVED)] == ["Approved"] * 2
    assert [row["Decision"] for row in ask(platform, TRANSACTION)] == ["REVIEW"]


def test_each_word_is_shown_with_the_class_that_colours_it(platform: ContractDatabase) -> None:
    with_own_words(
        platform,
        "CASE transaction_id WHEN 't1' THEN 'allow' WHEN 't2' THEN 'allow' WHEN 't4' THEN 'hold'"
        " WHEN 't5' THEN 'step-up' WHEN 't7' THEN 'BLOCKED' WHEN 't9' THEN 'lost' END",
    )
    expected = {"APPROVED: allow": 1, "REVIEW: hold": 1, "REVIEW: step-up": 1, "REVIEW": 1, "BLOCKED": 2}
    assert Counter(row["Decision"] for row in ask(platform, FEED)) == expected
    assert Counter(row["metric"] for row in ask(platform, RISKY)) == {
        "Approved above 0.65: allow": 1, "Review: hold": 1, "Review: step-up": 1, "Review": 1, "Blocked": 2,
    }  # fmt: skip
    assert Counter(row["metric"] for row in ask(platform, APPROVED)) == {"Approved: allow": 1, "Approved": 1}
    assert [row["Decision"] for row in ask(platform, TRANSACTION)] == ["REVIEW: step-up"]
    # Of a decision that the contract does not have nothing else is known.
    assert Counter(row["Decision"] for row in ask(platform, OF_WALLET)) == {
        **expected, "APPROVED: allow": 2, "APPROVED": 1, "lost": 1,
    }  # fmt: skip


def test_more_words_than_can_be_told_apart(platform: ContractDatabase) -> None:
    platform.server.execute(
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)"
        " SELECT now(), 'm' || n / 2, 0.9, 'REVIEW' FROM generate_series(2, 201) AS n",
        platform.name,
    )
    with_own_words(platform, "transaction_id || repeat('x', 1000)")
    names = Counter(row["metric"] for row in ask(platform, RISKY))
    assert len(names) == 12 + 3  # and the three classes
    assert names.total() == 206
    assert max(map(len, names)) == len("Review: ") + 40
    assert max(len(row["Decision"]) for row in ask(platform, FEED)) == len("REVIEW: ") + 40
