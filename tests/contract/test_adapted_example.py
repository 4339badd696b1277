"""contract/examples/adapted.sql: a platform that differs in every usual way holds the contract through its views."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import StringIO

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import Config
from exporter.contract_check import check
from exporter.web import api
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import CONTRACT, FILES
from tests.contract.plans import plan, sent_queries, whole_reads
from tests.exporter.web.serving import exporter_of, secret

BIG = ("scoring_log", "orders", "audit_log")
FILL = """
SET timezone = 'America/New_York';  -- what a session's time zone is must not matter
INSERT INTO shop.scoring_log (order_ref, scored_at, risk, verdict, model, wallet_age_days, velocity_1h)
SELECT gen_random_uuid(), (now() AT TIME ZONE 'UTC') - n * interval '20 s', n * 7 % 1000,
       CASE WHEN n * 7 % 1000 >= 900 THEN 'decline' WHEN n * 7 % 1000 >= 800 THEN 'manual' ELSE 'allow' END,
       'm1', n % 300, n % 7
FROM generate_series(0, 60000) AS n;
INSERT INTO shop.orders (placed_at, order_type, price_cents, fee_cents)
SELECT (now() AT TIME ZONE 'UTC') - n * interval '20 s', (ARRAY['sale', 'resale', 'gift'])[n % 3 + 1],
       CASE n % 3 WHEN 2 THEN 0 ELSE 12345 END, 250
FROM generate_series(0, 60000) AS n;
INSERT INTO shop.audit_log (at, level, action, actor)
SELECT now() - n * interval '30 s', (ARRAY['critical', 'high', 'medium', 'low', 'info'])[n % 5 + 1],
       (ARRAY['mfa.denied', 'login.denied', 'user.created'])[n % 3 + 1], 'admin'
FROM generate_series(0, 60000) AS n;
INSERT INTO shop.models VALUES ('m0', '2025-01-01', false, 0.5, 0.5, 500, 700),
                               ('m1', '2025-06-01', true, 0.75, 0.5, 800, 900);
INSERT INTO shop.drops VALUES (7, 'Launch', (now() AT TIME ZONE 'UTC') - interval '1 min', '2 hours')
"""


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = ContractDatabase(postgres, "shop")
    postgres.create_database(database.name)
    postgres.execute(FILES[0].read_text(), database.name)
    example = (CONTRACT / "examples" / "adapted.sql").read_text()
    postgres.execute(example, database.name)
    postgres.execute(FILL, database.name)
    postgres.execute(example, database.name)  # applied again it changes nothing
    postgres.execute("VACUUM (ANALYZE)", database.name)
    yield database
    postgres.drop_database(database.name)


def test_the_contract_check_passes(shop: ContractDatabase) -> None:
    output = StringIO()
    check(secret("POSTGRES_DSN", shop.reader_dsn), secret("REDIS_URL", "redis://127.0.0.1:1"), Config(), output)
    lines = [" ".join(line.split()) for line in output.getvalue().partition("Redis\n")[0].splitlines()]
    assert [line for line in lines[1:] if not line.startswith(("ok ", "mend: "))] == [
        "warning fraud_labels.labeled_at no rows yet",
        "warning feature_reference no rows of the active model: no drift",
        *[
            f"warning {name}() the responder needs monitoring.{name}({arguments})"
            for name, arguments in (
                ("record_security_event", "text, text, text, text, text, uuid"),
                ("lock_admin_account", "text, text, uuid"),
                ("add_threat_indicator", "text, text, uuid"),
                ("schedule_retraining", "text, timestamp with time zone, uuid"),
            )
        ],
    ]


def test_the_ledger_of_the_responder_applies_as_it_is(shop: ContractDatabase) -> None:
    (ledger,) = [file for file in FILES if file.name == "50-responder.sql"]
    for _ in range(2):
        shop.server.execute(ledger.read_text(), shop.name)
    shop.server.execute("SELECT monitoring.failed_sign_in_sources('admin', now() - interval '1 hour')", shop.name)


@pytest.mark.usefixtures("redis_client")  # empty, whatever the test before wrote
def test_the_numbers_are_those_of_the_shop(shop: ContractDatabase, redis_server: Redis) -> None:
    now = time.time()
    exporter = exporter_of(shop.reader_dsn, redis_server.url(), clock=lambda: now)
    text = exporter.scraper.scrape(["kpis", "fraud", "model", "security"], 60).text.decode()
    feed = api.fraud_feed(exporter)
    exporter.close()
    found = {
        (sample.name.removeprefix("ticketing_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    connection = psycopg2.connect(shop.dsn)
    cursor = connection.cursor()

    def count(table: str, time_column: str, seconds: int, what: str = "count(*)") -> list[tuple[object, ...]]:
        cursor.execute(
            f"SELECT {what} FROM shop.{table}"
            f" WHERE {time_column} > to_timestamp(%s) AND {time_column} <= to_timestamp(%s)",
            (now - seconds, now),
        )
        return cursor.fetchall()

    for verdict, decision in (("allow", "APPROVED"), ("manual", "REVIEW"), ("decline", "BLOCKED")):
        for window, seconds in (("10m", 600), ("1h", 3600), ("24h", 86400)):
            ((expected,),) = count(
                "scoring_log",
                "(scored_at AT TIME ZONE 'UTC')",
                seconds,
                f"count(*) FILTER (WHERE verdict = '{verdict}')",
            )
            assert found["fraud_predictions", decision, window] == expected
    ((sales, gifts, cents),) = count(
        "orders",
        "(placed_at AT TIME ZONE 'UTC')",
        3600,
        "count(*) FILTER (WHERE order_type <> 'gift'), count(*) FILTER (WHERE order_type = 'gift'),"
        " sum(fee_cents) + sum(price_cents) FILTER (WHERE order_type <> 'gift')",
    )
    assert found["transactions", "purchase", "1h"] == sales
    assert found["transactions", "transfer", "1h"] == gifts
    assert found["revenue_usd", "1h"] == pytest.approx(float(str(cents)) / 100)
    for severity, level in (("CRITICAL", "= 'critical'"), ("LOW", "IN ('low', 'info')")):
        ((expected,),) = count("audit_log", "at", 900, f"count(*) FILTER (WHERE level {level})")
        assert found["security_events", severity, "15m"] == expected
    ((failures,),) = count("audit_log", "at", 300, "count(*) FILTER (WHERE action = 'mfa.denied')")
    assert found["admin_mfa_failures", "admin", "5m"] == failures
    ((predictions,),) = count("scoring_log", "(scored_at AT TIME ZONE 'UTC')", 86400)
    assert found["model_unlabelled_predictions", "24h"] == predictions
    assert found["model_baseline_ratio", "f1"] == pytest.approx(0.6)
    assert found["fraud_threshold_ratio", "block"] == 0.9
    assert found["event_launch_active",] == 1
    assert found["model_info", "m1"] == 1
    assert not [name for name, *_ in found if "drift" in name]
    cursor.execute(
        "SELECT order_ref::text FROM shop.scoring_log WHERE risk > 650 OR verdict <> 'allow'"
        " ORDER BY scored_at DESC LIMIT 50"
    )
    assert [entry["txn_id"] for entry in feed] == [row[0] for row in cursor.fetchall()]
    connection.close()


@pytest.mark.usefixtures("redis_client")  # empty, whatever the test before wrote
def test_plans_stay_ranges_of_indexes(
    shop: ContractDatabase, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time()]
    exporter = exporter_of(shop.reader_dsn, redis_server.url(), clock=lambda: clock[0])
    queries = sent_queries(exporter, clock, monkeypatch)
    exporter.close()
    used = set()
    for query in queries:
        nodes = plan(shop, query)
        assert whole_reads(nodes, BIG) == [], query
        used |= {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used >= {
        "scoring_log_monitoring",
        "scoring_log_monitoring_feed",
        "orders_monitoring",
        "audit_log_monitoring",
    }
