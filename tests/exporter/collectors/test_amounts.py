"""Amounts, scores and thresholds that no sum can have in it cost themselves alone, and leave nothing behind."""

from __future__ import annotations

from decimal import Decimal

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import Samples, parse
from tests.exporter.web.serving import secret

UNUSABLE = ("NaN", "Infinity", "-Infinity", str(2**256 - 1), str(-(2**256)), "1e28", "1e12", "-1e12", "1e400", "1e5000")


@pytest.fixture
def odd(database: ContractDatabase) -> ContractDatabase:
    """A platform whose columns take every number that PostgreSQL has."""
    execute(
        database,
        """
        DROP VIEW monitoring.transactions;
        CREATE VIEW monitoring.transactions AS
            SELECT occurred_at AS timestamp, transaction_id, kind, amount_usd, platform_fee_usd FROM amounts;
        GRANT SELECT ON monitoring.transactions TO monitoring_reader;
        """,
        before="CREATE TABLE amounts (occurred_at timestamptz, transaction_id text, kind text,"
        " amount_usd numeric, platform_fee_usd numeric)",
    )
    return database


def execute(database: ContractDatabase, sql: str, before: str = "") -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"{before};{sql}" if before else sql)
    connection.close()


def sell(database: ContractDatabase, amount: str, fee: str = "0", kind: str = "purchase") -> None:
    execute(
        database,
        f"INSERT INTO amounts VALUES (now() - interval '1 second', 't', '{kind}', '{amount}'::numeric, '{fee}')",
    )


def scrape(exporter: Exporter, section: str = "kpis") -> Samples:
    return parse(exporter.scraper.scrape([section], 30).text)


def revenue(exporter: Exporter) -> float:
    return scrape(exporter)["ticketing_revenue_usd", (("window", "1h"),)]


@pytest.mark.parametrize("amount", UNUSABLE)
def test_an_amount_that_is_none_counts_for_nothing_and_leaves_nothing_behind(
    odd: ContractDatabase, exporter: Exporter, amount: str
) -> None:
    sell(odd, "19.99", fee="0.01")
    assert revenue(exporter) == 20
    sell(odd, amount)
    sell(odd, "1", fee=amount)
    assert revenue(exporter) == 21
    status = exporter.scraper.statuses()["kpis"]
    assert status.rejected == {"monitoring.transactions: an amount is not below 1,000,000,000,000 USD": 2}
    execute(odd, f"DELETE FROM amounts WHERE '{amount}' IN (amount_usd, platform_fee_usd)")
    assert revenue(exporter) == 20
    assert exporter.scraper.statuses()["kpis"].rejected == {}


amounts = st.one_of(
    st.decimals(min_value=-(10**11), max_value=10**11, places=2),
    st.decimals(min_value=0, max_value=1, places=6),
    st.sampled_from(UNUSABLE),
)


@given(rows=st.lists(st.tuples(amounts, st.booleans()), max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_revenue_is_exact_in_any_history(
    odd: ContractDatabase, redis_server: Redis, rows: list[tuple[Decimal | str, bool]]
) -> None:
    execute(odd, "TRUNCATE amounts")
    exporter = Exporter(
        Config(probes={}), postgres_dsn=secret("DSN", odd.reader_dsn), redis_url=secret("URL", redis_server.url())
    )
    try:
        kept = Decimal(0)
        for amount, stays in rows:
            sell(odd, str(amount))
            scrape(exporter)
            if not stays:
                execute(odd, "DELETE FROM amounts WHERE ctid = (SELECT max(ctid) FROM amounts)")
            elif isinstance(amount, Decimal):
                kept += amount
        assert revenue(exporter) == float(kept)
    finally:
        exporter.close()


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity", "1e308", "-1e308", "1e6"])
def test_a_score_that_is_none_is_not_observed(database: ContractDatabase, exporter: Exporter, score: str) -> None:
    scrape(exporter, "fraud")
    execute(
        database,
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)"
        f" SELECT now(), 't' || n, score, 'APPROVED' FROM (VALUES (1, 0.5), (2, '{score}'::float8), (3, '{score}'))"
        " AS rows (n, score)",
    )
    samples = scrape(exporter, "fraud")
    assert samples["ticketing_fraud_score_count", ()] == 1
    assert samples["ticketing_fraud_score_sum", ()] == 0.5
    assert samples["ticketing_fraud_predictions", (("decision", "APPROVED"), ("window", "10m"))] == 3
    assert exporter.scraper.statuses()["fraud"].success
    assert sum(exporter.scraper.statuses()["fraud"].rejected.values()) == 2


def test_of_the_active_model_what_is_no_number_or_time_is_absent(
    database: ContractDatabase, exporter: Exporter
) -> None:
    execute(
        database,
        "INSERT INTO platform.model_versions"
        " VALUES ('v1', now(), true, 'NaN', 0.9, 'Infinity', 0.6, 'Infinity', 'infinity')",
    )
    samples = scrape(exporter, "model") | scrape(exporter, "fraud")
    metrics = {name for name, _ in samples}
    assert "ticketing_model_next_retraining_timestamp_seconds" not in metrics
    baselines = [dict(labels) for name, labels in samples if name == "ticketing_model_baseline_ratio"]
    assert baselines == [{"metric": "recall"}]
    assert ("ticketing_fraud_threshold_ratio", (("threshold", "block"),)) not in samples
    assert sum(exporter.scraper.statuses()["model"].rejected.values()) == 3
    assert sum(exporter.scraper.statuses()["fraud"].rejected.values()) == 1
