"""On a well-filled database every query of the exporter is a range of an index."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg2
import pytest

from exporter.web.api import FEED
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import TODAY, small_database
from tests.contract.plans import is_long, plan, sent_queries, whole_reads
from tests.exporter.web.serving import exporter_of

BIG = ("fraud_predictions", "transactions", "security_events", "fraud_labels")
# A prediction in 5 s and an event in 10 s over eleven whole days, tomorrow included, since the clock of the test runs
# ahead: twice a busy platform's rate, and no partition with so few rows that reading it whole is best.
FIRST = "(date_trunc('day', now(), 'UTC') - interval '9 days')"
FILL = f"""
INSERT INTO platform.model_versions (model_version, trained_at, is_active, block_threshold)
VALUES ('v1', now(), true, 0.8);
INSERT INTO platform.feature_reference VALUES
    ('v1', 'wallet_age_days', 'numeric', '{{1,10,100}}', NULL, '{{10,20,30,40,0}}'),
    ('v1', 'geo_velocity_flag', 'boolean', NULL, NULL, '{{98,2,0}}');
INSERT INTO platform.fraud_predictions
    (predicted_at, transaction_id, fraud_score, decision, top_feature, model_version, wallet, source_ip, features)
SELECT {FIRST} + n * interval '5 s', 't' || n, n % 100 / 100.0,
       CASE WHEN n % 100 >= 96 THEN 'BLOCKED' WHEN n % 100 >= 90 THEN 'REVIEW' ELSE 'APPROVED' END,
       'txn_velocity_1h=3', 'v1', '0x742d35cc6634c0532925a3b844bc454e4438f44e', '203.0.113.1',
       jsonb_build_object('wallet_age_days', n % 300, 'geo_velocity_flag', n % 70 = 0, 'txn_velocity_1h', n % 5)
FROM generate_series(0, 190079) AS n;
INSERT INTO platform.fraud_labels
SELECT transaction_id, predicted_at, decision, decision = 'BLOCKED', predicted_at + interval '1 hour'
FROM platform.fraud_predictions;
INSERT INTO platform.transactions
SELECT {FIRST} + n * interval '5 s', 't' || n, 'purchase', 100, 5 FROM generate_series(0, 190079) AS n;
INSERT INTO platform.security_events (occurred_at, severity, event_type, message)
SELECT {FIRST} + n * interval '10 s', 'LOW', 'rate_limit', 'Rate limit exceeded' FROM generate_series(0, 95039) AS n
"""


@pytest.fixture(scope="module")
def filled(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "filled", f"{TODAY} - 10", f"{TODAY} + 1")
    postgres.execute(FILL, database.name)
    postgres.execute("VACUUM (ANALYZE)", database.name)
    yield database
    postgres.drop_database(database.name)


@pytest.mark.usefixtures("redis_client")  # empty, whatever the test before wrote
def test_every_query_reads_ranges_of_indexes(
    filled: ContractDatabase, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time()]
    exporter = exporter_of(filled.reader_dsn, redis_server.url(), clock=lambda: clock[0])
    queries = sent_queries(exporter, clock, monkeypatch)
    exporter.close()
    touched = dict.fromkeys(BIG, 0)
    for query in queries:
        nodes = plan(filled, query)
        if is_long(query):
            # Of a partition of which half is wanted the planner may well read the whole, but of no other.
            assert len({node["Relation Name"] for node in nodes if "Relation Name" in node}) <= 2, query
        else:
            assert whole_reads(nodes, BIG) == [], query
        for node in nodes:
            for table in BIG:
                touched[table] += node.get("Relation Name", "").startswith(table)
    assert all(touched.values())


def test_the_feed_uses_its_partial_index(filled: ContractDatabase) -> None:
    nodes = plan(filled, (FEED, ()))
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used
    assert not [node for node in nodes if "Sort" in node["Node Type"]]
    # Each partition has its own index, with a name that PostgreSQL makes from the columns.
    filled_feed = (
        "EXISTS (SELECT FROM pg_index WHERE indexrelid = ('platform.' || %s)::regclass AND indpred IS NOT NULL)"
    )
    for name in used:
        assert scalar(filled, f"SELECT {filled_feed}", name) is True


def scalar(database: ContractDatabase, sql: str, *parameters: object) -> object:
    connection = psycopg2.connect(database.dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            row = cursor.fetchone()
            return None if row is None else row[0]
    finally:
        connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT decision, count(*) FROM monitoring.fraud_predictions"
        " WHERE timestamp >= now() - interval '10 min' AND timestamp < now()"
        " GROUP BY decision",
        "SELECT sum(amount_usd) FROM monitoring.transactions"
        " WHERE timestamp >= now() - interval '10 min' AND timestamp < now()",
        "SELECT severity, count(*) FROM monitoring.security_events"
        " WHERE timestamp >= now() - interval '10 min' AND timestamp < now()"
        " GROUP BY severity",
    ],
)
def test_counts_come_from_the_index_alone(filled: ContractDatabase, sql: str) -> None:
    nodes = plan(filled, (sql, ()))
    scans = {node["Node Type"] for node in nodes if "Relation Name" in node}
    assert scans == {"Index Only Scan"}
