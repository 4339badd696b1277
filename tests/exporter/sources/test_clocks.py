"""An exporter whose clock is wrong counts as one whose clock is right, and tells that it is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from exporter.app import Exporter
from exporter.sources.replication import PostgresReplica
from exporter.sources.status import SourceStatus
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.web.serving import exporter_of, served

OFF = (-3600, -5, 5, 3600)
SOURCES = ("postgresql", "redis")


class Clock:
    """That of this machine, and so many seconds."""

    off = 0.0

    def __call__(self) -> float:
        return time.time() + self.off


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exporter(
    database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, clock: Clock
) -> Iterator[Exporter]:
    """One with this clock, beside sources with that of this machine."""
    assert redis_client.dbsize() == 0
    exporter = exporter_of(database.reader_dsn, redis_server.url(), clock=clock, everywhere=False)
    yield exporter
    exporter.close()


def scrape(exporter: Exporter, *sections: str) -> dict[str, float]:
    """Values by series, as they are written."""
    lines = exporter.scraper.scrape(sections, 20).text.decode().splitlines()
    split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in split}


def happen(database: ContractDatabase) -> None:
    """A failed second factor and a transaction now; a launch from now on."""
    database.server.execute(
        """
        INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)
        VALUES (clock_timestamp(), 'HIGH', 'mfa_failed', '', 'root');
        INSERT INTO platform.transactions (occurred_at, transaction_id, kind, amount_usd, platform_fee_usd)
        VALUES (clock_timestamp(), gen_random_uuid(), 'purchase', 100, 5);
        INSERT INTO platform.event_launches
        VALUES (gen_random_uuid(), '', clock_timestamp(), clock_timestamp() + interval '2 s')
        """,
        database.name,
    )


def failures(samples: dict[str, float]) -> float | None:
    return samples.get('ticketing_admin_mfa_failures{account="root",window="5m"}')


@pytest.mark.parametrize("off", OFF)
def test_the_first_scrape_after_a_start_counts_what_has_just_happened(
    exporter: Exporter, database: ContractDatabase, clock: Clock, off: float
) -> None:
    clock.off = off
    happen(database)
    samples = scrape(exporter, "security", "kpis")
    assert failures(samples) == 1
    assert samples['ticketing_transactions{kind="purchase",window="1h"}'] == 1
    assert samples["ticketing_event_launch_active"] == 1
    # And so does each one after it, at once.
    happen(database)
    assert failures(scrape(exporter, "security")) == 2


@pytest.mark.parametrize("off", OFF)
def test_minutes_are_those_of_redis(exporter: Exporter, redis_client: redis.Redis, clock: Clock, off: float) -> None:
    clock.off = off
    while (now := time.time()) % 60 > 58:
        time.sleep(0.1)
    minute = int(now // 60) - 1
    redis_client.set(f"traffic:requests:{minute}", "4523")
    redis_client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
    redis_client.zadd("ratelimit:blocked", {"198.51.100.7": now + 30, "198.51.100.8": now - 1})
    samples = scrape(exporter, "traffic")
    assert samples["ticketing_api_requests_per_minute"] == 4523
    assert samples["ticketing_rate_limited_clients"] == 1


@pytest.mark.parametrize("off", OFF)
def test_how_wrong_it_is_is_told(exporter: Exporter, clock: Clock, off: float) -> None:
    clock.off = off
    samples = scrape(exporter, *exporter.scraper.sections)
    for source in SOURCES:
        assert samples[f'ticketing_source_clock_skew_seconds{{source="{source}"}}'] == pytest.approx(off, abs=0.5)
        (problem,) = exporter.scraper.sources()[source].problems
        assert problem.startswith("the clock of the exporter is ")
        assert ("ahead of" if off > 0 else "behind") in problem
    # What is counted is right all the same.
    assert samples['ticketing_exporter_collector_success{collector="security"}'] == 1
    with served(exporter) as server:
        assert server.get("/").text.count("the clock of the exporter is ") == len(SOURCES)


def test_a_clock_that_is_right_is_no_problem(exporter: Exporter) -> None:
    for _ in range(3):
        samples = scrape(exporter, *exporter.scraper.sections)
        for source in SOURCES:
            assert abs(samples[f'ticketing_source_clock_skew_seconds{{source="{source}"}}']) < 0.1
            assert samples[f'ticketing_source_lag_seconds{{source="{source}"}}'] == 0
            assert exporter.scraper.sources()[source].problems == ()


def test_only_what_was_asked_in_a_scrape_is_told_in_it(exporter: Exporter) -> None:
    scrape(exporter, *exporter.scraper.sections)
    security, health = scrape(exporter, "security"), scrape(exporter, "health")
    assert 'ticketing_source_lag_seconds{source="postgresql"}' in security
    assert 'ticketing_source_lag_seconds{source="redis"}' not in security
    assert not [series for series in health if series.startswith("ticketing_source_")]


@pytest.mark.parametrize("off", OFF)
def test_a_clock_of_the_exporter_that_is_set_while_it_runs_moves_nothing(
    exporter: Exporter, database: ContractDatabase, clock: Clock, off: float
) -> None:
    happen(database)
    assert failures(scrape(exporter, "security")) == 1
    clock.off = off
    for times in (2, 3):
        happen(database)
        samples = scrape(exporter, "security")
        assert failures(samples) == times
        total = 'ticketing_security_events_total{severity="HIGH",event_type="mfa_failed"}'
        assert samples[total] == times - 1


@pytest.mark.parametrize("off", OFF)
def test_a_clock_of_the_database_that_was_set_is_followed_at_once(
    exporter: Exporter, database: ContractDatabase, off: float
) -> None:
    happen(database)
    # It told another time before: as after a fail-over, or a pause of this machine.
    now = time.monotonic()
    for connection in exporter._connections:
        connection.status.hear_time(time.time() + off, now, now)
    assert failures(scrape(exporter, "security")) == 1
    happen(database)
    assert failures(scrape(exporter, "security")) == 2


def test_a_slow_answer_makes_no_skew(exporter: Exporter, database: ContractDatabase) -> None:
    database.server.execute(
        """
        CREATE OR REPLACE VIEW monitoring.event_launches AS
        SELECT event_id::text, name::text, starts_at, ends_at FROM platform.event_launches, pg_sleep(1.5)
        """,
        database.name,
    )
    for _ in range(2):
        samples = scrape(exporter, "kpis")
        assert abs(samples['ticketing_source_clock_skew_seconds{source="postgresql"}']) < 0.1


# --- what is known of a clock, by readings


@given(
    off=st.floats(-1e4, 1e4),
    readings=st.lists(
        st.tuples(*(st.floats(0, 5) for _ in range(3))).map(lambda gaps: tuple(sorted(gaps))), min_size=1, max_size=9
    ),
)
def test_the_time_is_known_to_the_quickest_answer(off: float, readings: list[tuple[float, ...]]) -> None:
    status = SourceStatus("redis")
    base = time.monotonic()
    true = time.time() - base + off
    usual_seconds = min(received - sent for sent, _, received in readings)
    for number, (sent, read, received) in enumerate(readings):
        at = base + 10 * number
        status.hear_time(true + at + read, at + sent, at + received)
    skew = status.skew(time.time())
    assert skew is not None
    assert abs(skew + off) <= usual_seconds + 0.01


# --- what PostgreSQL says of its lag


def heard(rows: list[tuple[int, ...]]) -> float | None:
    status = SourceStatus("postgresql")
    replica = PostgresReplica(status)
    for row in rows:
        now, lag, *position = row
        clock: list[tuple[object, ...]] = [(-2, now * 1_000_000, lag if lag < 0 else lag * 1_000_000)]
        replica.hear([*clock, *((-3, bytes_, None) for bytes_ in position)], 0, 0, 0)
    return status.lag


def test_a_standby_is_as_late_as_it_was_complete_ago() -> None:
    assert heard([(100, 0)]) == 0  # a primary
    assert heard([(100, 0, 5000)]) == 0
    assert heard([(100, 70, 5000)]) == 70
    assert heard([(100, 0, 5000), (104, 7000, 5000)]) == 4
    assert heard([(100, 0, 5000), (104, 2, 6000)]) == 2
    # Another server, behind what the first one had.
    assert heard([(100, 0, 5000), (104, 7000, 4999)]) == 7000


def test_a_standby_that_never_had_a_transaction_is_late_without_measure() -> None:
    assert heard([(100, -1, 5000)]) == float("inf")
    assert heard([(100, 0, 5000), (103, -1, 5000)]) == 3
