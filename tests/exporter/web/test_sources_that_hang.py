"""Sources that take connections and never say anything: who waits for them, and what is said of the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from exporter.web.routes import MOST_AT_ONCE, THREADS
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.web.serving import Served, exporter_of, served, wait_for


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield server.getsockname()[1]


@pytest.fixture
def sources_hang(silent: int) -> Iterator[Served]:
    dsn, url = f"postgresql://monitoring_reader@127.0.0.1:{silent}/none", f"redis://127.0.0.1:{silent}/0"
    with served(exporter_of(dsn, url)) as running:
        yield running


@pytest.mark.parametrize("path", ["/api/monitoring/fraud_feed", "/api/monitoring/kpis", "/-/ready"])
def test_only_a_few_wait_and_scrapes_find_a_thread(sources_hang: Served, path: str) -> None:
    requested = 2 * THREADS
    with ThreadPoolExecutor(requested) as threads:
        answers = [threads.submit(sources_hang.get, path) for _ in range(requested)]
        # All but the few are refused at once, although nothing has answered those yet.
        wait_for(lambda: sum(answer.done() for answer in answers) >= requested - MOST_AT_ONCE)
        assert "collector_success" in sources_hang.get("/metrics?collect[]=health").text
        found = [answer.result() for answer in answers]
    assert {answer.status_code for answer in found} == {503}
    refused = [answer for answer in found if "requests are waiting for this already" in answer.text]
    assert len(refused) >= requested / 2
    if path.startswith("/api"):
        assert {tuple(answer.json()) for answer in found} == {("error",)}


def test_places_are_given_back(web: Served) -> None:
    for path in ("/api/monitoring/fraud_feed", "/api/monitoring/kpis", "/-/ready"):
        with requests.Session() as session:
            answers = [session.get(web.url + path, timeout=20) for _ in range(2 * MOST_AT_ONCE)]
        assert {answer.status_code for answer in answers} == {200}


def test_redis_that_hangs_makes_no_other_source_unready(database: ContractDatabase, silent: int) -> None:
    with served(exporter_of(database.reader_dsn, f"redis://127.0.0.1:{silent}/0")) as running:
        answer = running.get("/-/ready")
    assert (answer.status_code, answer.text) == (503, "Redis: no answer within 1.0 s\n")


def test_postgresql_that_hangs_is_named_once(redis_server: Redis, silent: int) -> None:
    dsn = f"postgresql://monitoring_reader@127.0.0.1:{silent}/none"
    with served(exporter_of(dsn, redis_server.url())) as running:
        answer = running.get("/-/ready")
    assert (answer.status_code, answer.text) == (503, "PostgreSQL: no answer within 1.0 s\n")
