"""The exporter's queries on a platform that has grown: what lacks an index, and which one mends it."""

from __future__ import annotations

import re

import psycopg2
import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import mends, report

SHOP = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.sales (at timestamp NOT NULL, ref text, cents bigint, note text);
    INSERT INTO shop.sales
    SELECT (now() AT TIME ZONE 'UTC') - n * interval '10 s', n::text, 100, repeat('x', 200)
    FROM generate_series(0, 59999) AS n;
    ANALYZE shop.sales"""
VIEW = """
    DROP VIEW monitoring.transactions; CREATE VIEW monitoring.transactions AS
    SELECT {distinct} {time} AS "timestamp", ref AS transaction_id, 'purchase'::text AS kind,
           cents / 100.0 AS amount_usd, 0::numeric AS platform_fee_usd
    FROM shop.sales {end}; GRANT SELECT ON monitoring.transactions TO monitoring_reader"""
UTC = "at AT TIME ZONE 'UTC'"
SUBJECT = "transactions by timestamp"


def shop(platform: ContractDatabase, time: str = UTC, distinct: str = "", end: str = "") -> None:
    platform.server.execute(SHOP, platform.name)
    view = VIEW.format(time=time, distinct=distinct, end=end)
    platform.server.execute(view, platform.name)


def of_the_plan(platform: ContractDatabase, redis_server: Redis) -> tuple[int, str, str]:
    """Exit status, the line of the query, and how to mend it."""
    status, lines = report(platform.reader_dsn, redis_server.url())
    (line,) = [line for line in lines if f" {SUBJECT} " in line]
    return status, line, mends(lines).get(line, "")


def test_an_index_that_is_missing_is_written_out(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    shop(platform)
    keys.mset({"kpi:txn_per_hour": "360", "kpi:revenue_per_hour": "360"})
    status, line, mend = of_the_plan(platform, redis_server)
    assert (status, line.partition(" (")[0]) == (1, f"WRONG {SUBJECT} reads all of shop.sales")
    create, _, analyze = mend.partition("; ")
    assert create == "CREATE INDEX CONCURRENTLY ON shop.sales ((at AT TIME ZONE 'UTC'::text))"
    connection = psycopg2.connect(platform.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:  # as it stands
        cursor.execute(create)
        cursor.execute(analyze)
    connection.close()
    assert of_the_plan(platform, redis_server) == (0, f"ok {SUBJECT} a range of an index", "")


@pytest.mark.usefixtures("keys")
def test_the_index_of_the_feed(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(
        "CREATE TABLE platform.scores AS SELECT now() - n * interval '10 s' AS predicted_at, n::text AS transaction_id,"
        " 0.1::float8 AS fraud_score, 'APPROVED'::text AS decision, repeat('x', 200) AS note"
        " FROM generate_series(0, 59999) AS n; ANALYZE platform.scores;"
        "DROP VIEW monitoring.fraud_predictions; CREATE VIEW monitoring.fraud_predictions AS"
        ' SELECT predicted_at AS "timestamp", transaction_id, fraud_score, decision, NULL::text AS top_feature,'
        " NULL::text AS model_version, NULL::text AS wallet, NULL::text AS source_ip, NULL::jsonb AS features"
        " FROM platform.scores; GRANT SELECT ON monitoring.fraud_predictions TO monitoring_reader",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    creates = [mend for fault, mend in mends(lines).items() if fault.startswith("WRONG fraud_predictions ")]
    assert creates == [
        "CREATE INDEX CONCURRENTLY ON platform.scores (predicted_at); ANALYZE platform.scores",
        "CREATE INDEX CONCURRENTLY ON platform.scores (predicted_at) WHERE ((fraud_score > '0.65'::double precision)"
        " OR (decision <> 'APPROVED'::text)); ANALYZE platform.scores",
    ]
    for create in creates:
        platform.server.execute(create.replace(" CONCURRENTLY", ""), platform.name)
    _, lines = report(platform.reader_dsn, redis_server.url())
    assert "ok fraud_predictions by timestamp a range of an index" in lines
    assert "ok fraud_predictions of high risk a range of an index" in lines


@pytest.mark.usefixtures("keys")
def test_a_partitioned_table(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(
        "DROP INDEX platform.transactions_occurred_at; INSERT INTO platform.transactions"
        " SELECT now(), repeat('x', 200), 'purchase', 1, 1 FROM generate_series(1, 60000);"
        "ANALYZE platform.transactions",
        platform.name,
    )
    status, line, mend = of_the_plan(platform, redis_server)
    assert status == 1
    assert re.match(rf"WRONG {SUBJECT} reads all of platform\.transactions_\d{{8}} \(\d+ MiB\) each time", line)
    assert mend == "CREATE INDEX ON platform.transactions (occurred_at); ANALYZE platform.transactions"


@pytest.mark.usefixtures("keys")
def test_a_small_table_is_warned_of(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute("DROP INDEX platform.transactions_occurred_at", platform.name)
    status, line, mend = of_the_plan(platform, redis_server)
    assert (status, line[:60]) == (0, f"warning {SUBJECT} no index serves it, and platform"[:60])
    assert mend.startswith("CREATE INDEX ON platform.transactions (occurred_at)")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("view", "says"),
    [
        ({"time": "at::timestamptz"}, "which depends on the session and can have no index"),
        ({"distinct": "DISTINCT ON (ref)"}, "does not let a condition on its time through to shop.sales"),
        ({"end": "LIMIT 1000000"}, "does not let a condition on its time through to shop.sales"),
    ],
)
def test_views_for_which_no_index_helps(
    platform: ContractDatabase, redis_server: Redis, view: dict[str, str], says: str
) -> None:
    shop(platform, **view)
    if "session" not in says:
        platform.server.execute(f"CREATE INDEX ON shop.sales (({UTC})); ANALYZE shop.sales", platform.name)
    status, line, mend = of_the_plan(platform, redis_server)
    assert (status, line.partition(" (")[0]) == (1, f"WRONG {SUBJECT} reads all of shop.sales")
    assert says in mend


@pytest.mark.usefixtures("keys")
def test_row_level_security(platform: ContractDatabase, redis_server: Redis) -> None:
    shop(platform)
    platform.server.execute(
        f"CREATE INDEX ON shop.sales (({UTC})); ANALYZE shop.sales; ALTER TABLE shop.sales ENABLE ROW LEVEL SECURITY;"
        "ALTER VIEW monitoring.transactions SET (security_invoker = true);"
        "GRANT USAGE ON SCHEMA shop TO monitoring_reader; GRANT SELECT ON shop.sales TO monitoring_reader;"
        "CREATE POLICY of_tenants ON shop.sales USING (ref <> 'another')",
        platform.name,
    )
    status, line, mend = of_the_plan(platform, redis_server)
    assert (status, line.partition(" (")[0]) == (1, f"WRONG {SUBJECT} reads all of shop.sales")
    assert mend == (
        "under row-level security no index is used through a function that is not LEAKPROOF: timezone. Take for the"
        " view's time a timestamptz column of shop.sales as it is (generated, say), and index it"
    )
