"""Behind PgBouncer with transaction pooling."""

from __future__ import annotations

import pytest

from exporter.app import Exporter
from exporter.collectors import SECTIONS
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.pgbouncer import PgBouncer
from testbed.servers.redis import Redis
from tests.exporter.web.serving import secret


@pytest.mark.usefixtures("redis_client")
def test_every_section_is_collected_and_slow_queries_are_cancelled(
    database: ContractDatabase, redis_server: Redis
) -> None:
    with PgBouncer(database.server) as pooler:
        exporter = Exporter(
            Config(probes={}),
            postgres_dsn=secret("DSN", pooler.dsn("monitoring_reader", database.name)),
            redis_url=secret("URL", redis_server.url()),
        )
        try:
            exporter.scraper.scrape(SECTIONS, 30)
            assert [status.problems for status in exporter.scraper.statuses().values()] == [[]] * len(SECTIONS)
            database.server.execute(
                "CREATE OR REPLACE VIEW monitoring.transactions AS SELECT clock_timestamp() AS timestamp,"
                " pg_sleep(60)::text AS transaction_id, pg_sleep(60)::text AS kind, 1::numeric(12, 2) AS amount_usd,"
                " 1::numeric(12, 2) AS platform_fee_usd FROM platform.transactions",
                database.name,
            )
            database.server.execute(
                "INSERT INTO platform.transactions VALUES (now(), 't', 'purchase', 1, 1)", database.name
            )
            exporter.scraper.scrape(["kpis"], 1)
            (problem,) = exporter.scraper.statuses()["kpis"].problems
            assert "cancelled" in problem or "no answer" in problem
        finally:
            exporter.close()
