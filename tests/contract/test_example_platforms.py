"""Platforms that differ in everything: a draft, at most five edited lines, and every value is that of their tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.config import Config
from exporter.contract_check.check import check
from exporter.web import api
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.drafting import Platform, apply, create_example, drafted
from tests.contract.example_platforms import PLATFORMS
from tests.contract.plans import plan, sent_queries, whole_reads
from tests.contract.source_truth import FAMILIES, Truth, Values
from tests.exporter.web.serving import exporter_of, secret


@dataclass(frozen=True)
class Connected:
    """An example with its draft applied."""

    platform: Platform
    database: ContractDatabase
    files: dict[str, str]


@pytest.fixture(scope="module", params=PLATFORMS, ids=lambda platform: platform.name)
def connected(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connected]:
    platform: Platform = request.param
    database = create_example(postgres, platform)
    files = drafted(database, tmp_path_factory.mktemp(platform.name) / "draft")
    apply(database, files, platform.edits)
    yield Connected(platform, database, files)
    postgres.drop_database(database.name)


def test_each_line_to_fill_in_is_marked(connected: Connected) -> None:
    marked = [line.strip() for line in connected.files["30-views.sql"].splitlines() if "-- EDIT: " in line]
    assert [line for line in marked if line not in connected.platform.edits] == []
    assert ("To be filled in" in connected.files["questions.md"]) == bool(marked)


def test_what_is_not_there_is_declared(connected: Connected) -> None:
    declared = yaml.safe_load(connected.files["platform.yml"])["platform"]["absent"]
    assert declared["views"] == list(connected.platform.absent)
    no_model = "fraud_predictions" in connected.platform.absent
    assert declared.get("sections", []) == (["fraud", "model"] if no_model else [])


def test_the_contract_check_finds_nothing_wrong(connected: Connected) -> None:
    output = StringIO()
    dsn = secret("POSTGRES_DSN", connected.database.reader_dsn)
    check(dsn, secret("REDIS_URL", "redis://127.0.0.1:1"), Config(), output)
    lines = [line.split() for line in output.getvalue().partition("Redis\n")[0].splitlines()[1:]]
    lines = [words for words in lines if words[0] != "mend:"]
    assert {state for state, *_ in lines} <= {"ok", "warning"}, output.getvalue()


@pytest.mark.usefixtures("redis_client")  # empty: these platforms have no keys
def test_every_value_is_that_of_the_source_tables(connected: Connected, redis_server: Redis) -> None:
    now = time.time()
    exporter = exporter_of(connected.database.reader_dsn, redis_server.url(), clock=lambda: now)
    text = exporter.scraper.scrape(["kpis", "fraud", "model", "security"], 60).text.decode()
    problems = {name: status.problems for name, status in exporter.scraper.statuses().items() if status.problems}
    feed = api.fraud_feed(exporter)
    exporter.close()
    assert not problems
    found = values(text)
    expected = Truth(connected.database, connected.platform, now).values()
    if "predictions" not in connected.platform.truth:
        # Views without rows: 0, as long as nothing says that they are absent.
        found = {key: value for key, value in found.items() if not key[0].startswith(("fraud_", "model_")) or value}
    assert found.keys() == expected.keys()
    assert {key: value for key, value in found.items() if value != pytest.approx(expected[key], rel=1e-9)} == {}
    assert bool(feed) == ("predictions" in connected.platform.truth)


@pytest.mark.usefixtures("redis_client")
def test_the_drafted_indexes_serve_every_query(
    connected: Connected, redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.time()]
    exporter = exporter_of(connected.database.reader_dsn, redis_server.url(), clock=lambda: clock[0])
    queries = sent_queries(exporter, clock, monkeypatch)
    exporter.close()
    tables = ("risk_checks", "orders", "event_log", "payments", "audit_trail", "FraudScore", "Order", "AdminAuditEntry")
    for query in queries:
        assert whole_reads(plan(connected.database, query), tables) == [], query


def values(exposition: str) -> Values:
    """Those of `FAMILIES`, by name and labels in the order of their names."""
    return {
        (family.name.removeprefix("ticketing_"), *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(exposition)
        if family.name.removeprefix("ticketing_") in FAMILIES
        for sample in family.samples
        if sample.name == family.name
    }
