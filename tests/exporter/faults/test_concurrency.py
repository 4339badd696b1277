"""Many scrapes, at once and one after the other: what they cost and what they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest

from tests.exporter.faults.platform_double import DATABASE, SECONDS, Platform, StartExporter, reader_dsn
from tests.exporter.faults.series import expect, successes
from tests.exporter.faults.test_postgres_faults import changed, locked
from tests.exporter.process import wait_until

SCRAPES = 1000
FREQUENT = ("security", "kpis", "traffic")
MOST_POSTGRES = 7
"""Connections, as contract/postgresql/10-roles.sql tells administrators."""
MOST_REDIS = 4
"""Parts that read Redis, each with one connection at a time."""


def end_connections(platform: Platform) -> None:
    platform.end_exporter_connections()


def end_redis_connections(platform: Platform) -> None:
    with platform.redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)


def exceed_deadlines(platform: Platform) -> None:
    with locked("security_events", platform):
        samples = platform.exporter.scrape(0.7, ["security", "kpis"])
    assert successes(samples) == {"security": False, "kpis": True}


def miss_a_view(platform: Platform) -> None:
    with changed("ALTER VIEW monitoring.transactions RENAME TO transactions_real", platform):
        assert successes(platform.scrape(["kpis", "fraud"])) == {"kpis": False, "fraud": True}


FAULTS: tuple[Callable[[Platform], None], ...] = (end_connections, end_redis_connections, exceed_deadlines, miss_a_view)


def test_nothing_leaks(platform: Platform) -> None:
    process = psutil.Process(platform.exporter.pid)

    def counts() -> tuple[int, int]:
        return process.num_fds(), process.num_threads()

    for fault in FAULTS:
        fault(platform)
    for _ in range(50):
        platform.exporter.scrape(SECONDS, keep_alive=True)
    postgres = sorted(platform.exporter_connections())
    files, threads = map(max, zip(*(counts() for _ in range(20)), strict=True))
    for number in range(SCRAPES):
        # All sections now and then, and those that Prometheus asks for most often every time.
        sections = FREQUENT if number % 10 else None
        samples = platform.exporter.scrape(SECONDS, sections, keep_alive=True)
        assert all(successes(samples).values()), number
        if number % 50 == 25:
            FAULTS[number // 50 % len(FAULTS)](platform)
            assert len(platform.exporter_connections()) <= MOST_POSTGRES
            assert len(platform.redis_connections()) <= MOST_REDIS
    expect(platform.scrape())
    assert sorted(platform.exporter_connections()) == postgres
    assert 0 < len(platform.redis_connections()) <= MOST_REDIS
    # Probes open and close their own all the time.
    wait_until(lambda: counts()[0] <= files + MOST_REDIS, what=f"at most {files} open files, as before")
    wait_until(lambda: counts()[1] <= threads, what=f"at most {threads} threads, as before")


def test_concurrent_scrapes_cost_one_query(platform: Platform) -> None:
    platform.execute("ALTER ROLE monitoring_reader IN DATABASE platform SET log_statement = 'all'")
    try:
        platform.replace_view("security_events", "*", "(SELECT pg_sleep(0.3)) IS NOT NULL")
        platform.end_exporter_connections()
        platform.scrape(["security"])

        def queries() -> int:
            lines = platform.postgres.log.read_text().splitlines()
            return sum("statement: SET LOCAL" in line and "monitoring.security_events" in line for line in lines)

        before = queries()
        together = threading.Barrier(8)

        def scrape() -> dict[str, bool]:
            together.wait()
            return successes(platform.scrape(["security"]))

        with ThreadPoolExecutor(8) as threads:
            scrapes = [threads.submit(scrape) for _ in range(8)]
            assert [each.result() for each in scrapes] == [{"security": True}] * 8
        assert queries() == before + 1
    finally:
        platform.execute("ALTER ROLE monitoring_reader IN DATABASE platform RESET log_statement")
        platform.restore_views()
        platform.end_exporter_connections()


@pytest.mark.parametrize("seconds", [0.9, 1.5])
def test_short_timeout_does_not_fail_a_longer_one(platform: Platform, seconds: float) -> None:
    """Both wait for the same collection; when the shorter gives up, the longer goes on with one of its own."""
    with ThreadPoolExecutor() as threads:
        with locked("security_events", platform):
            impatient = threads.submit(platform.exporter.scrape, seconds, ["security"])
            wait_until(lambda: bool(platform.running_queries()), what="the query waits for the lock")
            patient = threads.submit(platform.scrape, ["security"])
            assert successes(impatient.result()) == {"security": False}
        assert successes(patient.result()) == {"security": True}


def test_long_timeout_does_not_hold_a_shorter_one(platform: Platform) -> None:
    with ThreadPoolExecutor() as threads:
        with locked("security_events", platform):
            patient = threads.submit(platform.scrape, ["security"])
            wait_until(lambda: bool(platform.running_queries()), what="the query waits for the lock")
            assert successes(platform.exporter.scrape(0.7, ["security"])) == {"security": False}
            assert successes(platform.exporter.scrape(0.7, ["kpis"])) == {"kpis": True}
        assert successes(patient.result()) == {"security": True}


def test_long_timeout_costs_a_shorter_one_only_what_hangs(platform: Platform) -> None:
    """Asked for the same sections: it does not wait for an answer that may come too late for it."""
    sections = ["security", "kpis"]
    with ThreadPoolExecutor() as threads:
        with locked("security_events", platform):
            patient = threads.submit(platform.scrape, sections)
            wait_until(lambda: bool(platform.running_queries()), what="the query waits for the lock")
            assert successes(platform.exporter.scrape(1.5, sections)) == {"security": False, "kpis": True}
        assert successes(patient.result()) == {"security": True, "kpis": True}


def test_scrapes_at_the_same_time_lose_only_what_hangs(platform: Platform) -> None:
    """As from a pair of Prometheus servers: one waits for the answer of the other, which comes at the last moment."""
    together = threading.Barrier(4)

    def scrape() -> dict[str, bool]:
        together.wait()
        return successes(platform.exporter.scrape(1.5, ["security", "kpis"]))

    with ThreadPoolExecutor() as threads, locked("security_events", platform):
        scrapes = [threads.submit(scrape) for _ in range(4)]
        assert [each.result() for each in scrapes] == [{"security": False, "kpis": True}] * 4


def test_stops_while_a_query_hangs(platform: Platform, start_exporter: StartExporter) -> None:
    """It does not wait for the answer, and leaves nothing behind."""
    with (
        start_exporter(reader_dsn(platform.postgres, DATABASE), platform.redis.url()) as exporter,
        ThreadPoolExecutor() as threads,
        locked("security_events", platform),
    ):
        scrape = threads.submit(partial(exporter.scrape, 30, ["security"]))
        wait_until(lambda: bool(platform.running_queries()), what="the query waits for the lock")
        assert exporter.stop(timeout=5) == 0
        assert scrape.exception() is not None
