"""Platforms that differ in everything: a draft, at most five edited lines, and every value is that of their tables."""

from __future__ import annotations

import time
from io import StringIO

import psycopg2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from common.secret_text import SecretText
from exporter.absence import KEYS
from exporter.contract_check.check import check
from exporter.web import api
from tests.contract.conftest import NO_REDIS, Connected
from tests.contract.plans import plan, sent_queries, whole_reads
from tests.contract.source_truth import FAMILIES, Truth, Values
from tests.exporter.web.serving import exporter_of, secret


def test_each_line_to_fill_in_is_marked(connected: Connected) -> None:
    marked = [line.strip() for line in connected.files["30-views.sql"].splitlines() if "-- EDIT: " in line]
    assert [line for line in marked if line not in connected.platform.edits] == []
    assert ("To be filled in" in connected.files["questions.md"]) == bool(marked)


def test_what_is_not_there_is_declared(connected: Connected) -> None:
    absent = yaml.safe_load(connected.files["platform.yml"])["platform"]["absent"]
    assert absent["views"] == list(connected.platform.absent)
    assert absent["keys"] == list(KEYS)
    no_model = "fraud_predictions" in connected.platform.absent
    assert absent.get("features", []) == (["fraud_model"] if no_model else [])


def test_the_contract_check_finds_nothing_wrong(connected: Connected) -> None:
    output = StringIO()
    dsn = secret("POSTGRES_DSN", connected.database.reader_dsn)
    # Without Redis, which is declared.
    status = check(dsn, SecretText("REDIS_URL", {}), connected.config, output)
    assert (status, output.getvalue().splitlines()[-1]) == (0, "The contract holds."), output.getvalue()


def test_every_value_is_that_of_the_source_tables(connected: Connected) -> None:
    now = time.time()
    exporter = exporter_of(connected.database.reader_dsn, NO_REDIS, connected.config, clock=lambda: now)
    sections = exporter.scraper.sections
    text = exporter.scraper.scrape(sections, 60).text.decode()
    problems = {name: status.problems for name, status in exporter.scraper.statuses().items() if status.problems}
    if "fraud_predictions" in connected.platform.absent:
        with pytest.raises(api.NotHereError):
            api.fraud_feed(exporter)
    else:
        feed = api.fraud_feed(exporter)
        assert len(feed) == api.FEED_ROWS
        assert {(entry["decision_word"], entry["decision"]) for entry in feed} == connected.platform.decision_words
    exporter.close()
    assert not problems
    found = values(text)
    expected = Truth(connected.database, connected.platform, now).values()
    assert found.keys() == expected.keys()
    assert {key: value for key, value in found.items() if value != pytest.approx(expected[key], rel=1e-9)} == {}
    assert ("fraud" in sections) == ("fraud_predictions" not in connected.platform.absent)
    assert "traffic" not in sections


def test_the_drafted_indexes_serve_every_query(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.time()]
    exporter = exporter_of(connected.database.reader_dsn, NO_REDIS, connected.config, clock=lambda: clock[0])
    queries = sent_queries(exporter, clock, monkeypatch)
    exporter.close()
    tables = ("risk_checks", "orders", "event_log", "payments", "audit_trail", "FraudScore", "Order", "AdminAuditEntry")
    # Partitions of days to come, or of a month that has just begun: reading a few pages is as good as an index.
    connection = psycopg2.connect(connected.database.dsn)
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) < 65536")
        small = {name for (name,) in cursor.fetchall()}
    connection.close()
    for query in queries:
        found = whole_reads(plan(connected.database, query), tables)
        assert [scan for scan in found if scan.rpartition(" ")[2] not in small] == [], query


def values(exposition: str) -> Values:
    """Those of `FAMILIES`, by name and labels in the order of their names."""
    return {
        (family.name.removeprefix("ticketing_"), *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(exposition)
        if family.name.removeprefix("ticketing_") in FAMILIES
        for sample in family.samples
        if sample.name == family.name
    }
