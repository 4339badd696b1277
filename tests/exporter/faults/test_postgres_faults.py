"""PostgreSQL breaks in every way it can, while one exporter goes on being scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial

import psycopg2
import pytest
import requests

from testbed.servers.postgres import Postgres
from tests.exporter.faults.platform_double import (
    DATABASE,
    FAULT_SECONDS,
    Platform,
    StartExporter,
    reader_dsn,
    wait_for_all,
)
from tests.exporter.faults.series import POSTGRES, expect
from tests.exporter.process import wait_until

Fault = Callable[[Platform], AbstractContextManager[None]]

# What each view is read for.
READERS = {
    "fraud_predictions": {"fraud/postgres", "model/labels", "model/drift"},
    "fraud_labels": {"model/labels"},
    "transactions": {"kpis/postgres"},
    "model_versions": {"fraud/postgres", "model/labels", "model/drift"},
    "feature_reference": {"model/drift"},
    "security_events": {"security/postgres"},
    "event_launches": {"kpis/postgres"},
}


@contextmanager
def stopped(platform: Platform) -> Iterator[None]:
    platform.postgres.stop("fast")
    yield
    platform.postgres.start()


@contextmanager
def killed(platform: Platform) -> Iterator[None]:
    platform.postgres.kill9()
    yield
    platform.postgres.start()


@contextmanager
def suspended(platform: Platform) -> Iterator[None]:
    platform.postgres.suspend()
    yield
    platform.postgres.resume()


@contextmanager
def no_connections_left(platform: Platform) -> Iterator[None]:
    """Others have taken every connection that the server allows."""
    taken = []

    def take_all() -> bool:
        platform.end_exporter_connections()
        with suppress(psycopg2.OperationalError):
            while True:
                taken.append(psycopg2.connect(platform.postgres.dsn("monitoring_responder", DATABASE)))
        return not platform.exporter_connections()

    platform.execute("ALTER ROLE monitoring_responder CONNECTION LIMIT -1")
    try:
        wait_until(take_all, what="all connections are taken")
        yield
    finally:
        for connection in taken:
            connection.close()
        platform.execute("ALTER ROLE monitoring_responder CONNECTION LIMIT 20")
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitoring_responder'"
    wait_until(lambda: platform.rows(count) == [(0,)], what="the connections are given back")


@contextmanager
def role_limit_reached(platform: Platform) -> Iterator[None]:
    """Another client of the same role has all the connections that the role may have."""
    with closing(psycopg2.connect(platform.postgres.dsn("monitoring_reader", DATABASE))):
        platform.execute("ALTER ROLE monitoring_reader CONNECTION LIMIT 1")
        platform.end_exporter_connections()
        yield
        platform.execute("ALTER ROLE monitoring_reader CONNECTION LIMIT 60")


@contextmanager
def login_refused(platform: Platform) -> Iterator[None]:
    platform.execute("ALTER ROLE monitoring_reader NOLOGIN")
    platform.end_exporter_connections()
    yield
    platform.execute("ALTER ROLE monitoring_reader LOGIN")


@contextmanager
def locked(table: str, platform: Platform) -> Iterator[None]:
    with closing(psycopg2.connect(platform.postgres.dsn(dbname=DATABASE))) as connection:
        connection.cursor().execute(f"LOCK TABLE platform.{table} IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def changed(sql: str, platform: Platform) -> Iterator[None]:
    """The contract is broken by some statement."""
    try:
        platform.execute(sql)
        platform.write_rows()
        yield
    finally:
        platform.restore_views()


@contextmanager
def slow(view: str, platform: Platform) -> Iterator[None]:
    try:
        platform.replace_view(view, "*", "(SELECT pg_sleep(30)) IS NOT NULL")
        platform.write_rows()
        yield
    finally:
        platform.restore_views()


@contextmanager
def retyped(column: str, expression: str, platform: Platform) -> Iterator[None]:
    view, name = column.split(".")
    others = f"SELECT attname FROM pg_attribute WHERE attrelid = 'monitoring.{view}'::regclass AND attname <> '{name}'"
    columns = ", ".join(f'"{other}"' for (other,) in platform.rows(others))
    try:
        platform.replace_view(view, f'{columns}, {expression} AS "{name}"')
        platform.write_rows()
        yield
    finally:
        platform.restore_views()


def check(platform: Platform, fault: Fault, lost: frozenset[str] | set[str], *, reachable: bool = True) -> None:
    """The whole course of a fault: what is lost while it lasts, what it leaves behind, and that it ends."""
    with fault(platform):
        expect(platform.scrape(seconds=FAULT_SECONDS), lost)
        if reachable:
            platform.expect_nothing_running()
        else:
            platform.wait_for_probe("postgresql", success=False)
            expect(platform.scrape(seconds=FAULT_SECONDS), lost)
    platform.write()
    samples = platform.scrape()
    expect(samples)
    platform.agrees(samples)
    platform.expect_nothing_running()
    if not reachable:
        platform.wait_for_probe("postgresql", success=True)


@pytest.mark.parametrize("fault", [stopped, killed, suspended, no_connections_left, role_limit_reached, login_refused])
def test_no_answer(platform: Platform, fault: Fault) -> None:
    check(platform, fault, POSTGRES, reachable=False)


@pytest.mark.parametrize("table", READERS)
def test_locked_table(platform: Platform, table: str) -> None:
    check(platform, partial(locked, table), READERS[table])


@pytest.mark.parametrize("view", ["fraud_predictions", "event_launches", "security_events"])
def test_slow_view(platform: Platform, view: str) -> None:
    check(platform, partial(slow, view), READERS[view])


@pytest.mark.parametrize("view", READERS)
def test_missing_view(platform: Platform, view: str) -> None:
    check(platform, partial(changed, f"DROP VIEW monitoring.{view}"), READERS[view])
    assert f'relation \\"monitoring.{view}\\" does not exist' in platform.exporter.log()


@pytest.mark.parametrize("view", READERS)
def test_revoked_grant(platform: Platform, view: str) -> None:
    check(platform, partial(changed, f"REVOKE SELECT ON monitoring.{view} FROM monitoring_reader"), READERS[view])


def test_revoked_schema(platform: Platform) -> None:
    @contextmanager
    def revoked(platform: Platform) -> Iterator[None]:
        platform.execute("REVOKE USAGE ON SCHEMA monitoring FROM monitoring_reader")
        yield
        platform.execute("GRANT USAGE ON SCHEMA monitoring TO monitoring_reader")

    check(platform, revoked, POSTGRES)


@pytest.mark.parametrize(
    ("column", "lost"),
    [
        ("fraud_predictions.timestamp", READERS["fraud_predictions"]),
        ("fraud_predictions.decision", {"fraud/postgres"}),
        ("fraud_predictions.fraud_score", {"fraud/postgres"}),
        ("fraud_predictions.features", {"model/drift"}),
        ("fraud_labels.labeled_at", {"model/labels"}),
        ("fraud_labels.is_fraud", {"model/labels"}),
        ("transactions.platform_fee_usd", {"kpis/postgres"}),
        ("model_versions.block_threshold", {"fraud/postgres"}),
        ("model_versions.baseline_f1", {"model/labels"}),
        ("model_versions.is_active", READERS["model_versions"]),
        ("feature_reference.ref_counts", {"model/drift"}),
        ("security_events.account", {"security/postgres"}),
        ("event_launches.ends_at", {"kpis/postgres"}),
    ],
)
def test_missing_column(platform: Platform, column: str, lost: set[str]) -> None:
    view, name = column.split(".")
    check(platform, partial(changed, f'ALTER VIEW monitoring.{view} RENAME COLUMN "{name}" TO other'), lost)


@pytest.mark.parametrize(
    ("column", "expression", "lost"),
    [
        ("fraud_predictions.timestamp", '"timestamp"::text', READERS["fraud_predictions"]),
        ("fraud_predictions.fraud_score", "fraud_score::text", {"fraud/postgres"}),
        ("fraud_predictions.features", "features::text", {"model/drift"}),
        ("fraud_labels.is_fraud", "is_fraud::text", {"model/labels"}),
        ("fraud_labels.predicted_at", "predicted_at::text", {"model/labels"}),
        ("transactions.amount_usd", "amount_usd::text", {"kpis/postgres"}),
        ("model_versions.is_active", "is_active::text", READERS["model_versions"]),
        ("model_versions.model_version", "1", {"model/labels", "model/drift"}),
        ("model_versions.next_retraining_at", "next_retraining_at::text", {"model/labels"}),
        ("feature_reference.cuts", "cuts::text", {"model/drift"}),
        ("security_events.event_type", "1", {"security/postgres"}),
        ("security_events.account", "1", {"security/postgres"}),
        ("event_launches.starts_at", "starts_at::text", {"kpis/postgres"}),
    ],
)
def test_wrong_type(platform: Platform, column: str, expression: str, lost: set[str]) -> None:
    check(platform, partial(retyped, column, expression), lost)


@pytest.mark.parametrize("fault", [stopped, suspended])
def test_down_at_start(platform: Platform, start_exporter: StartExporter, fault: Fault) -> None:
    exporter = start_exporter(reader_dsn(platform.postgres, DATABASE), platform.redis.url())
    with fault(platform):
        exporter.start()
        starting = Platform(platform.postgres, DATABASE, platform.redis, exporter)
        starting.wait_for_probe("postgresql", success=False)
        expect(starting.scrape(seconds=FAULT_SECONDS), POSTGRES)
    try:
        starting.wait_for_history()
        samples = starting.scrape()
        expect(samples)
        platform.agrees(samples)
    finally:
        exporter.close()


@pytest.fixture
def standby(platform: Platform, postgres: Postgres, contract_template: str) -> Iterator[Platform]:
    """The same platform on another server, in a database of the same name."""
    postgres.create_database(DATABASE, contract_template)
    standby = Platform(postgres, DATABASE, platform.redis, platform.exporter)
    platform.copy_to(standby)
    yield standby
    postgres.drop_database(DATABASE)


@pytest.mark.parametrize("fault", [killed, suspended])
@pytest.mark.parametrize("at_start", [False, True], ids=["while-running", "at-start"])
def test_fail_over(
    platform: Platform,
    standby: Platform,
    start_exporter: StartExporter,
    fault: Fault,
    at_start: bool,
) -> None:
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in (platform.postgres, standby.postgres))
    exporter = start_exporter(f"postgresql://monitoring_reader@{hosts}/{DATABASE}", platform.redis.url())
    standby.exporter = exporter
    if not at_start:
        exporter.start()
        wait_for_all(exporter)
    try:
        with fault(platform):
            if at_start:
                exporter.start()
                wait_for_all(exporter)
            elif fault is suspended:
                # Connections to the first server are not known to be dead until one was waited for.
                expect(standby.scrape(seconds=FAULT_SECONDS), POSTGRES)
            standby.write_rows()
            samples = standby.scrape(seconds=3)
            expect(samples)
            standby.agrees(samples)
    finally:
        exporter.close()


def test_exporter_dies_during_query(platform: Platform, start_exporter: StartExporter) -> None:
    """What it had asked the database ends there all the same."""
    with (
        start_exporter(reader_dsn(platform.postgres, DATABASE), platform.redis.url()) as exporter,
        ThreadPoolExecutor() as threads,
        locked("security_events", platform),
    ):
        scrape = threads.submit(exporter.scrape, 3, ["security"])
        wait_until(lambda: bool(platform.running_queries()), what="the query waits for the lock")
        exporter.kill9()
        assert isinstance(scrape.exception(), requests.ConnectionError)
        wait_until(lambda: not platform.running_queries(), what="the query ends")
