"""The newest row of a view and its rows from the future, as the exporter tells them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import TODAY, small_database
from tests.exporter.web.serving import exporter_of

SECTIONS = {"fraud_predictions": "fraud", "transactions": "kpis", "security_events": "security"}
AGE = "newest_row_age_seconds"
ROW = {
    "fraud_predictions": "(predicted_at, transaction_id) SELECT {at}, 'a'",
    "transactions": "SELECT {at}, 'a', 'purchase', 1, 1",
    "security_events": "(occurred_at, severity, event_type, message) SELECT {at}, 'LOW', 'x', 'm'",
}


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "freshness", f"{TODAY} - 2", f"{TODAY} + 2")
    yield database
    postgres.drop_database(database.name)


def insert(database: ContractDatabase, view: str, at: str, rows: int = 1) -> None:
    values = ROW[view].format(at=at)
    database.server.execute(f"INSERT INTO platform.{view} {values} FROM generate_series(1, {rows})", database.name)


def told(exporter: Exporter) -> dict[tuple[str, str], float]:
    text = exporter.scraper.scrape(list(SECTIONS.values()), 60).text.decode()
    found = re.findall(r'^ticketing_view_(\w+)\{(?:collector="(\w+)",)?view="(\w+)"\} (\S+)$', text, re.MULTILINE)
    assert all(SECTIONS[view] == collector for _, collector, view, _ in found if collector)
    return {(name, view): float(value) for name, _, view, value in found}


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize("view", SECTIONS)
def test_the_newest_row(empty: ContractDatabase, redis_server: Redis, view: str) -> None:
    clock = [time.time() + 1]
    exporter = exporter_of(empty.reader_dsn, redis_server.url(), Config(probes={}), clock=lambda: clock[0])
    try:
        found = told(exporter)
        assert not [name for name in found if name[0] == AGE]
        insert(empty, view, "now() - interval '200 s'")
        insert(empty, view, "now() - interval '100 s'", 3)
        restarted = exporter_of(empty.reader_dsn, redis_server.url(), Config(probes={}), clock=lambda: clock[0])
        assert 100 <= told(restarted)[AGE, view] < 110
        insert(empty, view, "now()")
        clock[0] = time.time() + 1
        assert 0 <= told(restarted)[AGE, view] < 10
        restarted.close()
    finally:
        exporter.close()


@pytest.mark.usefixtures("redis_client")
@pytest.mark.parametrize("view", SECTIONS)
def test_rows_from_the_future(empty: ContractDatabase, redis_server: Redis, view: str) -> None:
    clock = [time.time()]
    exporter = exporter_of(empty.reader_dsn, redis_server.url(), Config(probes={}), clock=lambda: clock[0])
    try:
        insert(empty, view, "now() + interval '30 s'", 2)  # clocks differ
        assert told(exporter)["future_rows", view] == 0
        insert(empty, view, "now() + interval '10 min'", 3)
        assert told(exporter)["future_rows", view] == 0  # they are counted once a minute
        clock[0] += 60
        found = told(exporter)
        assert found["future_rows", view] == 3
        assert -600 < found[AGE, view] < -500
        insert(empty, view, "now() + interval '1 day'", 2000)
        insert(empty, view, "now() + interval '40 hours'")
        clock[0] += 60
        found = told(exporter)
        assert found["future_rows", view] == 1000
        assert -40 * 3600 < found[AGE, view] < -40 * 3600 + 200
        empty.server.execute(f"DELETE FROM platform.{view}", empty.name)
        clock[0] += 60
        found = told(exporter)
        assert found["future_rows", view] == 0
        assert found.get((AGE, view), 0) >= 0
    finally:
        exporter.close()
