"""KPIs come from where the platform has them, and mean the same wherever that is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from common.yaml_files import ConfigError
from exporter.app import Exporter
from exporter.config import Absent, Config, Platform, load
from exporter.kpi_sources import FromPostgresql, FromPrometheus, FromRedis, FromView, Kpis
from exporter.web.api import kpis as api
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.contract_check.conftest import FILL
from tests.exporter.web.serving import exporter_of

COUNTED = Kpis(transactions_per_hour=FromPostgresql(), fraud_rate=FromPostgresql(), revenue_per_hour=FromPostgresql())
IN_VIEW = Kpis(
    transactions_per_hour=FromView(),
    fraud_rate=FromView(unit="ratio"),
    api_latency_p95=FromView(unit="seconds"),
    revenue_per_hour=FromView(unit="cents"),
)
IN_PROMETHEUS = Kpis(**dict.fromkeys(Kpis.__struct_fields__, FromPrometheus()))
NO_KEYS = ("kpi:txn_per_hour", "kpi:fraud_rate", "kpi:latency_p95", "kpi:revenue_per_hour", "kpi:updated_at")
VIEW = """
    DROP VIEW IF EXISTS monitoring.kpis;
    CREATE VIEW monitoring.kpis AS SELECT * FROM (VALUES {rows}) AS k (name, value, as_of);
    GRANT SELECT ON monitoring.kpis TO monitoring_reader"""
ROWS = """
    ('transactions_per_hour', 1247::float8, TIMESTAMPTZ 'epoch' + interval '1764000000 s'),
    ('fraud_rate', 0.018, TIMESTAMPTZ 'epoch' + interval '1763000000 s'),
    ('api_latency_p95', 0.045, NULL), ('revenue_per_hour', 1245050, NULL), ('another', 7, NULL)"""


@pytest.fixture(scope="module")
def filled(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "kpi_sources")
    postgres.execute(FILL, database.name)
    yield database
    postgres.drop_database(database.name)


def made(database: ContractDatabase, redis_url: str, kpis: Kpis, **absent: tuple[str, ...]) -> Exporter:
    config = Config(kpis=kpis, platform=Platform(absent=Absent(**absent)), probes={})
    return exporter_of(database.reader_dsn, redis_url, config)


def figures(exporter: Exporter, problems: int = 0) -> dict[str, float]:
    """The KPIs as the metrics have them, by the part of the name that tells them apart."""
    for _ in range(10):  # a busy machine may be late
        text = exporter.scraper.scrape(("kpis", "fraud"), 30).text.decode()
        found = [problem for status in exporter.scraper.statuses().values() for problem in status.problems]
        if len(found) == problems:
            return {name: float(value) for name, value in re.findall(r"^ticketing_kpi_(\w+) (\S+)$", text, re.M)}
    raise AssertionError(found)


def test_a_key_of_another_name_in_another_unit(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    values = {"shop:{hourly}:txn": "1247", "p95": "0.045", "kpi:fraud_rate": "1.8", "shop:cents": "1245050"}
    redis_client.mset(values | {"kpi:updated_at": "1764000000", "kpi:txn_per_hour": "3"})
    exporter = made(
        filled,
        redis_server.url(),
        Kpis(
            transactions_per_hour=FromRedis(key="shop:{hourly}:txn"),
            api_latency_p95=FromRedis(key="p95", unit="seconds"),
            revenue_per_hour=FromRedis(key="shop:cents", unit="cents"),
        ),
    )
    assert figures(exporter) == pytest.approx(
        {
            "transactions_per_hour": 1247,
            "fraud_rate_ratio": 0.018,
            "api_latency_p95_seconds": 0.045,
            "revenue_per_hour_usd": 12450.5,
            "updated_timestamp_seconds": 1764000000,
        }
    )
    assert api(exporter) == pytest.approx(
        {"transactions_per_hour": 1247, "fraud_rate": 1.8, "api_latency_p95": 45, "revenue_per_hour": 12450.5}
    )
    exporter.close()


def test_what_postgresql_counts_needs_no_redis_at_all(filled: ContractDatabase) -> None:
    """There are three figures; the latency is not known, and not made up."""
    exporter = made(filled, "redis://127.0.0.1:1/0", COUNTED, keys=NO_KEYS)
    found = figures(exporter, problems=1)  # the thresholds of section fraud
    assert found == pytest.approx({"transactions_per_hour": 2, "fraud_rate_ratio": 1 / 3, "revenue_per_hour_usd": 106})
    text = exporter.scraper.scrape(("kpis",), 30).text.decode()
    assert 'ticketing_platform_has{part="kpi:latency_p95"} 0' in text
    assert 'part="kpi:txn_per_hour"' not in text
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1' in text
    exporter.close()


def test_figures_that_are_all_recorded_by_prometheus_leave_the_section_there(filled: ContractDatabase) -> None:
    exporter = made(filled, "redis://127.0.0.1:1/0", IN_PROMETHEUS, views=("transactions", "event_launches"))
    text = exporter.scraper.scrape(("kpis",), 30).text.decode()
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1' in text
    exporter.close()


def test_the_api_tells_what_postgresql_counts(filled: ContractDatabase, redis_server: Redis) -> None:
    exporter = made(filled, redis_server.url(), COUNTED, keys=NO_KEYS)
    figures(exporter)
    answer = api(exporter)
    assert answer.pop("not_on_this_platform") == ["api_latency_p95"]
    assert answer == pytest.approx(
        {
            "transactions_per_hour": 2,
            "fraud_rate": 100 / 3,
            "api_latency_p95": None,
            "revenue_per_hour": 106,
        }
    )
    exporter.close()


def test_a_view(filled: ContractDatabase, postgres: Postgres, redis_server: Redis) -> None:
    postgres.execute(VIEW.format(rows=ROWS), filled.name)
    exporter = made(filled, redis_server.url(), IN_VIEW)
    assert figures(exporter) == pytest.approx(
        {
            "transactions_per_hour": 1247,
            "fraud_rate_ratio": 0.018,
            "api_latency_p95_seconds": 0.045,
            "revenue_per_hour_usd": 12450.5,
            "updated_timestamp_seconds": 1763000000,  # the oldest
        }
    )
    assert api(exporter) == pytest.approx(
        {"transactions_per_hour": 1247, "fraud_rate": 1.8, "api_latency_p95": 45, "revenue_per_hour": 12450.5}
    )
    exporter.close()


def test_a_time_in_the_future_is_no_time(
    filled: ContractDatabase, postgres: Postgres, redis_server: Redis, redis_client: redis.Redis
) -> None:
    """It would look fresh for ever."""
    redis_client.mset({"kpi:txn_per_hour": "3", "kpi:updated_at": f"{time.time() * 1000:.0f}"})
    exporter = made(filled, redis_server.url(), Kpis())
    assert figures(exporter, problems=1) == {"transactions_per_hour": 3}
    (problem,) = exporter.scraper.statuses()["kpis"].problems
    assert "key kpi:updated_at: " in problem
    assert "is a time in the future" in problem
    exporter.close()
    postgres.execute(VIEW.format(rows="('fraud_rate', 1.8::float8, now() + interval '1 hour')"), filled.name)
    exporter = made(filled, redis_server.url(), Kpis(fraud_rate=FromView()))
    assert "updated_timestamp_seconds" not in figures(exporter, problems=2)
    exporter.close()


@pytest.mark.parametrize("in_redis", [1762000000, 1763500000, None])
def test_a_view_and_keys_are_as_old_as_the_older(
    filled: ContractDatabase, postgres: Postgres, redis_server: Redis, redis_client: redis.Redis, in_redis: int | None
) -> None:
    postgres.execute(VIEW.format(rows=ROWS), filled.name)
    if in_redis:
        redis_client.set("kpi:updated_at", in_redis)
    exporter = made(filled, redis_server.url(), Kpis(fraud_rate=FromView(unit="ratio")))
    figures(exporter)
    # What the view said goes into the next collection: both sources are read side by side.
    assert figures(exporter)["updated_timestamp_seconds"] == min(in_redis or 1763000000, 1763000000)
    exporter.close()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("('fraud_rate', 1.8::float8, now()), ('fraud_rate', 1.9, now())", "more than one row is fraud_rate"),
        ("('fraud_rate', 'NaN'::float8, now())", "fraud_rate is not a number"),
        ("('fraud_rate', 'Infinity'::float8, now())", "fraud_rate is not a number"),
        ("('fraud_rate', NULL::float8, 'infinity'::timestamptz)", None),
        ("('fraud_rates', 1.8::float8, now())", None),
    ],
)
def test_a_row_that_cannot_be_used_costs_itself(
    filled: ContractDatabase, postgres: Postgres, redis_server: Redis, rows: str, problem: str | None
) -> None:
    postgres.execute(VIEW.format(rows=f"{rows}, ('revenue_per_hour', 5::float8, now())"), filled.name)
    exporter = made(filled, redis_server.url(), IN_VIEW)
    found = figures(exporter, problems=1 if problem else 0)
    assert found.keys() == {"revenue_per_hour_usd", "updated_timestamp_seconds"}
    assert not problem or problem in str(exporter.scraper.statuses()["kpis"].problems)
    exporter.close()


def test_a_view_that_is_not_there_costs_its_kpis_alone(
    filled: ContractDatabase, postgres: Postgres, redis_server: Redis, redis_client: redis.Redis
) -> None:
    postgres.execute("DROP VIEW IF EXISTS monitoring.kpis", filled.name)
    redis_client.set("kpi:latency_p95", "45")
    exporter = made(filled, redis_server.url(), Kpis(revenue_per_hour=FromView()))
    assert figures(exporter, problems=1) == {"api_latency_p95_seconds": 0.045}
    (problem,) = exporter.scraper.statuses()["kpis"].problems
    assert "monitoring.kpis" in problem
    assert "ticketing_transactions{" in exporter.scraper.scrape(("kpis",), 30).text.decode()
    exporter.close()


def test_what_prometheus_records_is_not_read(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    redis_client.mset(dict.fromkeys(NO_KEYS, "1"))
    exporter = made(filled, redis_server.url(), IN_PROMETHEUS)
    assert figures(exporter) == {}
    assert set(api(exporter).values()) == {None}
    exporter.close()


def test_a_reload_takes_another_source_up(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    redis_client.set("kpi:txn_per_hour", "1247")
    exporter = made(filled, redis_server.url(), Kpis())
    assert figures(exporter)["transactions_per_hour"] == 1247
    exporter.apply(Config(kpis=COUNTED, probes={}))
    assert figures(exporter)["transactions_per_hour"] == 2
    exporter.close()


def test_a_platform_without_limits(filled: ContractDatabase, redis_server: Redis, tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text("rate_limits: {adapter: none}\nprobes: {}")
    exporter = exporter_of(filled.reader_dsn, redis_server.url(), load(file))
    text = exporter.scraper.scrape(("traffic",), 30).text.decode()
    assert 'ticketing_platform_has{part="rate_limits"} 0' in text
    assert "ticketing_rate_limit" not in text
    exporter.close()


ABSENT = "platform: {absent: {features: [fraud_model]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kpis: {fraud_rate: {from: redis, unit: ms}}", "kpis.fraud_rate.unit: 'ms' is none of percent, ratio"),
        (
            "kpis: {revenue_per_hour: {from: view, unit: EUR}}",
            "kpis.revenue_per_hour.unit: 'EUR' is none of usd, cents",
        ),
        ("kpis: {api_latency_p95: {from: postgresql}}", "kpis.api_latency_p95"),
        ("kpis: {fraud_rate: {from: nowhere}}", "nowhere"),
        ("kpis: {fraud_rate: {from: view, key: a}}", "key"),
        ("kpis: {fraud_rates: {from: view}}", "fraud_rates"),
        (f"kpis: {{fraud_rate: {{from: postgresql}}}}\n{ABSENT}", "kpis.fraud_rate: platform.absent declares that"),
        (
            "kpis: {revenue_per_hour: {from: postgresql}}\nplatform: {absent: {views: [transactions]}}",
            "kpis.revenue_per_hour: platform.absent declares that there is no view transactions",
        ),
        (
            "kpis: {fraud_rate: {from: postgresql}}\nplatform: {absent: {sections: [fraud]}}",
            "kpis.fraud_rate: platform.absent declares that there is no view fraud_predictions",
        ),
        ("rate_limits: {adapter: none, client_per_minute: 5}", "with the adapter none there are no limits"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        load(file)
    assert str(file) in str(error.value)


def test_a_declaration_in_a_file_of_its_own_counts(tmp_path: Path) -> None:
    file, platform = tmp_path / "exporter.yml", tmp_path / "platform.yml"
    file.write_text("kpis: {fraud_rate: {from: postgresql}, revenue_per_hour: {from: redis, key: r}}")
    platform.write_text("platform: {absent: {keys: [kpi:fraud_rate, kpi:revenue_per_hour, kpi:latency_p95]}}")
    absence = load(file, platform).absence
    assert [name for kind, name in sorted(absence.items) if kind == "key"] == ["kpi:latency_p95"]
    platform.write_text(ABSENT)
    with pytest.raises(ConfigError, match=r"kpis\.fraud_rate"):
        load(file, platform)


def test_every_source_reads_as_documented(tmp_path: Path) -> None:
    """The example of contract/README.md."""
    guide = (Path(__file__).parents[2] / "contract/README.md").read_text()
    (example,) = re.findall(r"```yaml\n(kpis:.*?)```", guide, re.DOTALL)
    file = tmp_path / "exporter.yml"
    file.write_text(example)
    kinds: set[Any] = {type(getattr(load(file).kpis, name)) for name in Kpis.__struct_fields__}
    assert kinds == {FromRedis, FromView, FromPostgresql, FromPrometheus}
