"""Values that are there, of the right type, and mean something else."""

from __future__ import annotations

import json
import time
from io import StringIO

import pytest
import redis

from exporter.config import Config
from exporter.contract_check import check
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report
from tests.exporter.web.serving import secret

BUSY = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)
    SELECT now() - n * interval '5 s', n::text, 0.1, CASE WHEN n % 50 = 0 THEN 'BLOCKED' ELSE 'APPROVED' END,
           '{"flag": true}' FROM generate_series(1, 500) AS n;
    INSERT INTO platform.transactions
    SELECT now() - n * interval '5 s', n::text, 'purchase', 20, 1 FROM generate_series(1, 500) AS n"""
"""502 transactions, 10,606 USD, 2.2 % blocked."""

SAY = "or say so: `unit: {}` beside the KPI's `from` under `kpis` of the exporter's configuration"
SAY_SECONDS = SAY.format("seconds")


ALL = "100.0% of the newest 3 predictions are unknown"


@pytest.fixture
def busy(platform: ContractDatabase) -> ContractDatabase:
    platform.server.execute(BUSY, platform.name)
    return platform


def features(platform: ContractDatabase, kind: str, name: str, held: str) -> None:
    """Let the reference have one feature, and predictions hold this."""
    reference = {
        "boolean": "NULL, NULL, '{80,20,0}'",
        "numeric": "'{1,10}', NULL, '{50,40,10,0}'",
        "categorical": "NULL, '{a,b}', '{50,40,10,0}'",
    }[kind]
    platform.server.execute(
        "DELETE FROM platform.feature_reference;"
        f"INSERT INTO platform.feature_reference VALUES ('v1', '{name}', '{kind}', {reference});"
        f"UPDATE platform.fraud_predictions SET features = $json${held}$json$",
        platform.name,
    )


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("kind", "name", "held", "fault", "mend"),
    [
        (
            "numeric",
            "txn_velocity",
            '{"txn_velocity_1h": 3}',
            "is in no object in features, but txn_velocity_1h is",
            "one name in both: feature = 'txn_velocity_1h' in feature_reference, say",
        ),
        (
            "boolean",
            "vpn",
            '{"vpn": 1}',
            f"is boolean, which needs a JSON boolean, and is a JSON number: {ALL}",
            "in the view: features || jsonb_build_object('vpn', (features ->> 'vpn') IN ('1', 'true')) AS features;"
            " or another kind of reference",
        ),
        (
            "numeric",
            "age",
            '{"age": "12.5"}',
            f"is numeric, which needs a JSON number, and is a JSON string: {ALL}",
            "in the view: features || jsonb_build_object('age', (features ->> 'age')::numeric) AS features;"
            " or another kind of reference",
        ),
        (
            "numeric",
            "age",
            '{"age": "young"}',
            f"is numeric, which needs a JSON number, and is a JSON string: {ALL}",
            "declare another kind than numeric for it in feature_reference, with counts to match",
        ),
        (
            "categorical",
            "region",
            '{"region": 7}',
            f"is categorical, which needs a JSON string, and is a JSON number: {ALL}",
            "in the view: features || jsonb_build_object('region', features ->> 'region') AS features;"
            " or another kind of reference",
        ),
        (
            "numeric",
            "age",
            '{"age": null}',
            ALL,
            "see what writes features",
        ),
        ("numeric", "zeal", "{}", "is in no object in features", "one name in both: features has none"),
    ],
)
def test_features_that_are_unknown(
    platform: ContractDatabase, redis_server: Redis, kind: str, name: str, held: str, fault: str, mend: str
) -> None:
    features(platform, kind, name, held)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (1, [f"WRONG feature {name} {fault}", "1 failed"])
    assert mends(lines)[f"WRONG feature {name} {fault}"].startswith(mend)


@pytest.mark.usefixtures("keys")
def test_features_held_as_a_json_string(platform: ContractDatabase, redis_server: Redis) -> None:
    features(platform, "boolean", "flag", json.dumps('{"flag": true}'))
    status, lines = report(platform.reader_dsn, redis_server.url())
    fault = "WRONG fraud_predictions.features holds a JSON string, not an object, in 3 of the newest 3 rows"
    assert (status, faults(lines)) == (1, [fault, "1 failed"])
    assert mends(lines)[fault] == "in the view: (features #>> '{}')::jsonb AS features"


@pytest.mark.usefixtures("keys")
def test_a_reference_that_makes_no_sense(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute("UPDATE platform.feature_reference SET ref_counts = '{1,2}'", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert faults(lines)[0] == "WRONG feature flag ref_counts has 2 counts, its boolean bins and NULL make 3"


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("key", "value", "fault", "mend"),
    [
        ("kpi:latency_p95", "0.180", "0.18 ms cannot be: is it 0.18 s?", f"write milliseconds: 180; {SAY_SECONDS}"),
        ("kpi:latency_p95", "180000", "180000 ms cannot be: is it microseconds?", "write milliseconds: 180"),
        (
            "kpi:fraud_rate",
            "0.02",
            "0.02 percent; PostgreSQL counts 2.187: is it in a ratio?",
            f"write percent: × 100; {SAY}".format("ratio"),
        ),
        ("kpi:fraud_rate", "180", "180 is above 100 percent", "write blocked / all in percent: 1.8"),
        (
            "kpi:txn_per_hour",
            "8",
            "8 transactions an hour; PostgreSQL counts 502: is it in a minute?",
            "write transactions an hour: × 60",
        ),
        (
            "kpi:revenue_per_hour",
            "1060000",
            "1.06e+06 USD an hour; PostgreSQL counts 1.061e+04: is it in cents?",
            f"write USD an hour: × 0.01; {SAY}".format("cents"),
        ),
        ("kpi:revenue_per_hour", "-5", "-5 is negative", "correct what writes it"),
        ("config:fraud_threshold", "60", "60 is not between 0 and 1", "write a score from 0 to 1: 0.6, not 60"),
    ],
)
def test_units_of_keys(
    busy: ContractDatabase, redis_server: Redis, keys: redis.Redis, key: str, value: str, fault: str, mend: str
) -> None:
    keys.mset({"kpi:txn_per_hour": "502", "kpi:revenue_per_hour": "10606", "kpi:fraud_rate": "2.0"})
    keys.set(key, value)
    status, lines = report(busy.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (1, [f"WRONG {key} {fault}", "1 failed"])
    assert mends(lines)[f"WRONG {key} {fault}"] == mend


@pytest.mark.parametrize(
    ("off", "fault"),
    [(-4 * 3600, "old"), (4 * 3600, "in the future"), (None, "is no unix time in seconds")],
)
def test_when_kpis_were_written(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, off: int | None, fault: str
) -> None:
    keys.set("kpi:updated_at", str(time.time() * 1000 if off is None else time.time() + off))
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    (found,) = [line for line in faults(lines) if line.startswith("WRONG kpi:updated_at ")]
    assert fault in found


@pytest.mark.usefixtures("keys")
def test_a_difference_that_no_unit_explains(busy: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    keys.mset({"kpi:txn_per_hour": "502", "kpi:revenue_per_hour": "10606", "kpi:fraud_rate": "9"})
    status, lines = report(busy.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (
        0,
        ["warning kpi:fraud_rate 9 percent; PostgreSQL counts 2.187", "The contract holds."],
    )


@pytest.mark.usefixtures("keys")
def test_amounts(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(
        "INSERT INTO platform.transactions VALUES (now(), 'c', 'purchase', -5, -1), (now(), 'd', 'purchase', NULL, 1)",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (
        1,
        [
            "WRONG transactions.amount_usd is negative in 1 of the newest 4 rows",
            "WRONG transactions.platform_fee_usd is negative in 1 of the newest 4 rows",
            "WRONG transactions.amount_usd is NULL in 1 of the newest 3 purchases, which count as nothing",
            "3 failed",
        ],
    )


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("currency", "found"),
    [
        ("CASE kind WHEN 'purchase' THEN 'EUR' ELSE 'usd' END", "WRONG transactions.currency EUR, USD are added up"),
        ("'EUR'::text", "warning transactions.currency is EUR, where the product says USD"),
        ("'usd'::text", "ok transactions.currency USD"),
    ],
)
def test_currencies(platform: ContractDatabase, redis_server: Redis, currency: str, found: str) -> None:
    platform.server.execute(
        "CREATE OR REPLACE VIEW monitoring.transactions AS SELECT occurred_at AS timestamp, transaction_id, kind,"
        f" amount_usd, platform_fee_usd, {currency} AS currency FROM platform.transactions",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == int(found.startswith("WRONG"))
    assert [line for line in lines if line.startswith(found)]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ("security_events SET severity = 'high'", "in the view: upper(severity) AS severity"),
        ("transactions SET kind = 'PURCHASE'", "in the view: lower(kind) AS kind"),
        (
            "fraud_predictions SET decision = 'deny'",
            "in the view: CASE decision WHEN 'deny' THEN '…' ELSE decision END AS decision",
        ),
        ("fraud_predictions SET decision = NULL", "in the view: coalesce(decision, '…') AS decision"),
    ],
)
def test_words(platform: ContractDatabase, redis_server: Redis, change: str, mend: str) -> None:
    platform.server.execute(f"UPDATE platform.{change}", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert mend in mends(lines).values()


def test_as_json(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    keys.set("kpi:latency_p95", "0.180")
    output = StringIO()
    dsn, url = secret("POSTGRES_DSN", platform.reader_dsn), secret("REDIS_URL", redis_server.url())
    assert check(dsn, url, Config(), output, "json") == 1
    told = json.loads(output.getvalue())
    assert told["failed"] == 1
    assert {
        "source": "Redis",
        "state": "WRONG",
        "subject": "kpi:latency_p95",
        "detail": "0.18 ms cannot be: is it 0.18 s?",
        "mend": f"write milliseconds: 180; {SAY_SECONDS}",
    } in told["findings"]
    assert {finding["source"] for finding in told["findings"]} == {"PostgreSQL", "Redis"}
