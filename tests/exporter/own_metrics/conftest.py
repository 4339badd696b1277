"""What the tests of own metrics share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from common.deadline import Deadline
from exporter.sources.postgres import PostgresSource
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.own_metrics.running import Running

TABLES = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.refunds
        (refunded_at timestamptz NOT NULL, reason text, provider text, amount numeric, wait float8);
    CREATE INDEX ON shop.refunds (refunded_at);
    CREATE VIEW monitoring.refunds AS SELECT * FROM shop.refunds;
    GRANT SELECT ON monitoring.refunds TO monitoring_reader;
"""


@pytest.fixture
def running(
    database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, tmp_path: Path
) -> Iterator[Running]:
    """A platform with a view of refunds, without an exporter yet."""
    assert redis_client.dbsize() == 0
    running = Running(database, redis_server.url(), tmp_path)
    running.execute(TABLES)
    yield running
    running.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are sent, by the name of the connection, and how many rows come back."""
    sent: list[str] = []
    original = PostgresSource.query

    async def query(
        self: PostgresSource, sql: str, parameters: Sequence[Any], deadline: Deadline
    ) -> list[tuple[Any, ...]]:
        rows = await original(self, sql, parameters, deadline)
        sent.extend([self._name.partition("/")[2]] + [f"{self._name.partition('/')[2]} row"] * len(rows))
        return rows

    monkeypatch.setattr(PostgresSource, "query", query)
    return sent
