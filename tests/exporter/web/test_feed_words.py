"""The feed of a platform that has words of its own for decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from exporter.web import api
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.own_words import with_own_words
from tests.exporter.web.serving import exporter_of
from tests.exporter.web.test_api import predict


@pytest.fixture
def own(postgres: Postgres, contract_template: str) -> Iterator[ContractDatabase]:
    postgres.create_database("own_words", contract_template)
    database = ContractDatabase(postgres, "own_words")
    with_own_words(database, "CASE decision WHEN 'REVIEW' THEN 'hold' WHEN 'BLOCKED' THEN repeat('x', 100) END")
    yield database
    postgres.drop_database("own_words")


def test_each_decision_comes_with_the_platforms_own_word(own: ContractDatabase) -> None:
    now = datetime.now(UTC)
    decisions = ("REVIEW", "BLOCKED", "APPROVED", None)
    predict(own, *[(now - timedelta(seconds=n), f"t{n}", 0.9, word, None) for n, word in enumerate(decisions)])
    exporter = exporter_of(own.reader_dsn, "redis://127.0.0.1:1")
    feed = api.fraud_feed(exporter)
    exporter.close()
    found = [(entry["decision"], entry["decision_word"]) for entry in feed]
    assert found == [("REVIEW", "hold"), ("BLOCKED", "x" * 40), ("APPROVED", None), (None, None)]
