"""A hot standby is as good as its primary, until it is late: on real servers, as an ordinary role."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import psycopg2
import pytest

from common.yaml_files import Duration
from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase, create_contract_database
from testbed.servers.postgres import REPLICATED, Postgres, Standby
from testbed.servers.redis import Redis
from tests.exporter.web.serving import exporter_of, served, wait_for

LIMIT = 1.0
LAG = 'ticketing_source_lag_seconds{source="postgresql"}'
SUCCESS = 'ticketing_exporter_collector_success{collector="security"}'
FAILURES = 'ticketing_admin_mfa_failures{account="root",window="5m"}'


@pytest.fixture(scope="module")
def primary() -> Iterator[Postgres]:
    with Postgres(settings=REPLICATED) as server:
        create_contract_database(server, "tickets")
        yield server


@pytest.fixture(scope="module")
def standby_server(primary: Postgres) -> Iterator[Standby]:
    # So that it goes back to its primary at once.
    with Standby(primary, {"wal_retrieve_retry_interval": "100ms", "wal_receiver_timeout": "1s"}) as server:
        yield server


@pytest.fixture
def standby(primary: Postgres, standby_server: Standby) -> Iterator[Standby]:
    """One that has all there is."""
    primary.execute("TRUNCATE platform.security_events", "tickets")
    wait_for(lambda: count(standby_server) == 0)
    yield standby_server
    if not primary.running:
        primary.start()
    standby_server.execute("SELECT pg_wal_replay_resume()")


@pytest.fixture
def exporter(standby: Standby, redis_server: Redis) -> Iterator[Exporter]:
    exporter = started(standby, redis_server)
    yield exporter
    exporter.close()


def started(server: Postgres, redis_server: Redis) -> Exporter:
    reader = ContractDatabase(server, "tickets").reader_dsn
    return exporter_of(reader, redis_server.url(), Config(probes={}, max_lag=Duration(LIMIT)))


def security(exporter: Exporter) -> dict[str, float]:
    """Values by series, as they are written."""
    lines = exporter.scraper.scrape(["security"], 20).text.decode().splitlines()
    split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in split}


def fail(primary: Postgres, times: int) -> None:
    """Failed second factors of one account, now."""
    primary.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)"
        f" SELECT clock_timestamp(), 'HIGH', 'mfa_failed', '', 'root' FROM generate_series(1, {times})",
        "tickets",
    )


def count(server: Postgres) -> int:
    connection = psycopg2.connect(server.dsn(dbname="tickets"))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM platform.security_events")
            return int(cursor.fetchall()[0][0])
    finally:
        connection.close()


def test_what_it_has_replayed_is_counted(exporter: Exporter, primary: Postgres, standby: Standby) -> None:
    fail(primary, 3)
    wait_for(lambda: count(standby) == 3)
    samples = security(exporter)
    assert (samples[FAILURES], samples[SUCCESS]) == (3, 1)
    assert 0 <= samples[LAG] < LIMIT
    assert exporter.unready() == []


def test_one_that_has_stopped_to_replay_is_not_believed(
    exporter: Exporter, primary: Postgres, standby: Standby
) -> None:
    fail(primary, 2)
    wait_for(lambda: security(exporter).get(FAILURES) == 2)
    standby.execute("SELECT pg_wal_replay_pause()")
    fail(primary, 50)
    wait_for(lambda: security(exporter)[SUCCESS] == 0)
    samples = security(exporter)
    assert LIMIT < samples[LAG] < LIMIT + 5
    assert not [series for series in samples if series.startswith(("ticketing_admin_", "ticketing_security_"))]
    for (reason,) in (exporter.scraper.statuses()["security"].problems, exporter.unready()):
        assert re.fullmatch(r"PostgreSQL: a replica whose data are \d+\.\d s late; max_lag is 1 s", reason)
    with served(exporter) as server:
        assert server.get("/-/ready").status_code == 503
        assert server.get("/api/monitoring/fraud_feed").status_code == 503
        assert f"max_lag is {LIMIT:g} s" in server.get("/").text
        standby.execute("SELECT pg_wal_replay_resume()")
        wait_for(lambda: security(exporter).get(FAILURES) == 52)
        assert server.get("/-/ready").status_code == 200


def test_an_idle_primary_makes_nothing_late(exporter: Exporter, standby: Standby, redis_server: Redis) -> None:
    security(exporter)
    time.sleep(2 * LIMIT)
    fresh = started(standby, redis_server)
    for one in (exporter, fresh):
        samples = security(one)
        assert (samples[LAG], samples[SUCCESS]) == (0, 1)
    fresh.close()


def test_a_short_break_is_as_long_as_it_is_and_not_as_the_primary_was_idle(
    exporter: Exporter, primary: Postgres, standby: Standby
) -> None:
    time.sleep(2 * LIMIT)
    security(exporter)
    primary.stop("immediate")
    wait_for(lambda: not is_receiving(standby))
    assert 0 < security(exporter)[LAG] < 2 * LIMIT
    primary.start()
    wait_for(lambda: security(exporter)[LAG] == 0)
    assert security(exporter)[SUCCESS] == 1


def test_one_without_its_primary_is_late_sooner_or_later(
    exporter: Exporter, primary: Postgres, standby: Standby, redis_server: Redis
) -> None:
    fail(primary, 1)
    wait_for(lambda: security(exporter).get(FAILURES) == 1)
    primary.kill9()
    wait_for(lambda: security(exporter)[SUCCESS] == 0)
    fresh = started(standby, redis_server)
    assert security(fresh)[LAG] > LIMIT
    assert security(fresh)[SUCCESS] == 0
    fresh.close()
    primary.start()
    wait_for(lambda: security(exporter)[SUCCESS] == 1)


def is_receiving(server: Postgres) -> bool:
    connection = psycopg2.connect(server.dsn())
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT (pg_stat_get_wal_receiver()).pid IS NOT NULL")
            return bool(cursor.fetchall()[0][0])
    finally:
        connection.close()


@pytest.mark.parametrize("function", ["pg_last_wal_receive_lsn()", "pg_stat_get_wal_receiver()"])
def test_a_role_that_may_not_ask_reads_all_the_same(
    primary: Postgres, standby: Standby, redis_server: Redis, function: str
) -> None:
    revoked = f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"
    allowed: Callable[[], bool] = lambda: may_execute(standby, function)  # noqa: E731
    primary.execute(revoked, "tickets")
    wait_for(lambda: not allowed())
    exporter = started(standby, redis_server)
    try:
        fail(primary, 2)
        wait_for(lambda: security(exporter).get(FAILURES) == 2)
        samples = security(exporter)
        assert samples[SUCCESS] == 1
        assert LAG not in samples
        assert abs(samples['ticketing_source_clock_skew_seconds{source="postgresql"}']) < 1
        assert exporter.unready() == []
    finally:
        exporter.close()
        primary.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC", "tickets")
        wait_for(allowed)


def may_execute(server: Postgres, function: str) -> bool:
    connection = psycopg2.connect(server.dsn(dbname="tickets"))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT has_function_privilege('monitoring_reader', %s, 'EXECUTE')", [function])
            return bool(cursor.fetchall()[0][0])
    finally:
        connection.close()
