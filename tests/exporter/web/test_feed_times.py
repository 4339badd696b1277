"""The feed of risky transactions, whatever stands in the column of their time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.exporter.web.serving import Served


@pytest.fixture
def database(postgres: Postgres, contract_template: str) -> Iterator[ContractDatabase]:
    """One whose view may be replaced."""
    postgres.create_database("feed_times", contract_template)
    yield ContractDatabase(postgres, "feed_times")
    postgres.drop_database("feed_times")


@pytest.mark.parametrize(
    "time", ["NULL", "'20000-01-01Z'", "'0044-03-15Z BC'", "'infinity'", "'-infinity'", "now() + interval '3 years'"]
)
def test_a_row_without_a_time_that_can_be_keeps_nobody_out(web: Served, database: ContractDatabase, time: str) -> None:
    database.server.execute(
        "CREATE OR REPLACE VIEW monitoring.fraud_predictions AS"
        " SELECT rows.timestamp, transaction_id, 0.9::float8 AS fraud_score, 'BLOCKED' AS decision,"
        " '' AS top_feature, '' AS model_version, '' AS wallet, '' AS source_ip, '{}'::jsonb AS features"
        f" FROM (VALUES (CAST({time} AS timestamptz), 'odd'), (now(), 'good')) AS rows (timestamp, transaction_id)",
        database.name,
    )
    assert [entry["txn_id"] for entry in web.get("/api/monitoring/fraud_feed").json()] == ["good"]
