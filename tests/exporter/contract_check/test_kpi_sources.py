"""KPIs that do not come from the contract's keys: in which unit are they, and is there anything?"""

from __future__ import annotations

import pytest
import redis

from exporter.config import Config, RateLimits
from exporter.kpi_sources import FromPostgresql, FromPrometheus, FromRedis, FromView, Kpis
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report

MANY = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)
    SELECT now(), 'm' || i, 0.5, CASE WHEN i < 4 THEN 'BLOCKED' ELSE 'APPROVED' END FROM generate_series(1, 97) AS i;
    INSERT INTO platform.transactions SELECT now(), 'm' || i, 'purchase', 10, 1 FROM generate_series(1, 98) AS i;"""
VIEW = """
    CREATE VIEW monitoring.kpis AS SELECT * FROM (VALUES {rows}) AS k (name, value, as_of);
    GRANT SELECT ON monitoring.kpis TO monitoring_reader"""

pytestmark = pytest.mark.usefixtures("keys")


def checked(platform: ContractDatabase, redis_server: Redis, kpis: Kpis) -> list[str]:
    _, lines = report(platform.reader_dsn, redis_server.url(), Config(kpis=kpis))
    return lines


def test_a_key_of_another_name_is_looked_for(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    keys.delete("kpi:latency_p95")
    keys.set("shop:{a}:p95", "0.045")
    kpis = Kpis(
        api_latency_p95=FromRedis(key="shop:{a}:p95", unit="seconds"), revenue_per_hour=FromRedis(key="shop:revenue")
    )
    lines = checked(platform, redis_server, kpis)
    assert "ok shop:{a}:p95 0.045" in lines
    assert not [line for line in lines if "kpi:latency_p95" in line or "kpi:revenue" in line]
    (fault,) = (line for line in faults(lines) if "shop:" in line)
    assert fault == "warning shop:revenue not there now"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (FromRedis(key="stats:fraud"), "WRONG stats:fraud 0.04 percent; PostgreSQL counts 4: is it in a ratio?"),
        (FromRedis(key="stats:fraud", unit="ratio"), None),
    ],
)
def test_a_value_is_judged_in_its_unit(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, source: FromRedis, fault: str | None
) -> None:
    platform.server.execute(MANY, platform.name)
    keys.set("stats:fraud", "0.04")
    found = [line for line in faults(checked(platform, redis_server, Kpis(fraud_rate=source))) if "fraud" in line]
    assert [line for line in found if "stats" in line] == ([fault] if fault else [])
    assert not [line for line in found if "kpi:fraud_rate" in line]


def test_the_rows_of_the_view(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(MANY, platform.name)
    rows = """('fraud_rate', 0.04::float8, now() - interval '2 hours'), ('api_latency_p95', 0.045, NULL),
        ('transactions_per_hour', 1.6, now())"""
    platform.server.execute(VIEW.format(rows=rows), platform.name)
    kpis = Kpis(
        fraud_rate=FromView(),
        api_latency_p95=FromView(unit="seconds"),
        revenue_per_hour=FromView(),
        transactions_per_hour=FromView(),
    )
    lines = checked(platform, redis_server, kpis)
    assert "ok kpis api_latency_p95 0.045" in lines
    found = [line for line in faults(lines) if "kpi" in line]
    assert found == [
        "warning kpis revenue_per_hour no row has this name",
        "WRONG kpis.as_of is 7200 s old",
        "WRONG kpis transactions_per_hour 1.6 transactions an hour; PostgreSQL counts 100: is it in a minute?",
        "WRONG kpis fraud_rate 0.04 percent; PostgreSQL counts 4: is it in a ratio?",
    ]
    # Nothing of Redis is asked for.
    assert not [line for line in lines if "kpi:" in line and not line.startswith("mend")]


def test_a_view_that_is_not_there_or_of_other_types(platform: ContractDatabase, redis_server: Redis) -> None:
    kpis = Kpis(fraud_rate=FromView())
    lines = checked(platform, redis_server, kpis)
    fault = "MISSING kpis no such view in schema monitoring"
    assert fault in faults(lines)
    assert "contract/README.md" in mends(lines)[fault]
    platform.server.execute(VIEW.format(rows="('fraud_rate', 1.8::float8, now()::timestamp)"), platform.name)
    assert "WRONG kpis.as_of is timestamp without time zone, must be timestamp with time zone" in faults(
        checked(platform, redis_server, kpis)
    )


def test_two_rows_of_one_name(platform: ContractDatabase, redis_server: Redis) -> None:
    rows = "('fraud_rate', 1.8::float8, now()), ('fraud_rate', 1.9::float8, now())"
    platform.server.execute(VIEW.format(rows=rows), platform.name)
    assert "WRONG kpis fraud_rate 2 rows have this name" in faults(
        checked(platform, redis_server, Kpis(fraud_rate=FromView()))
    )


def test_what_is_counted_or_recorded_needs_no_key(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    for key in list(keys.scan_iter("kpi:*")):
        keys.delete(key)
    kpis = Kpis(
        transactions_per_hour=FromPostgresql(),
        fraud_rate=FromPostgresql(),
        revenue_per_hour=FromPostgresql(),
        api_latency_p95=FromPrometheus(),
    )
    config = Config(kpis=kpis, rate_limits=RateLimits(adapter="none"))
    keys.delete("ratelimit:limits", "ratelimit:blocked")
    status, lines = report(platform.reader_dsn, redis_server.url(), config)
    assert (status, [line for line in lines if "kpi:" in line or "ratelimit" in line]) == (0, [])
    assert "ok kpis fraud_rate PostgreSQL's own count" in lines
    assert "ok kpis api_latency_p95 recorded by Prometheus: not looked at here" in lines
