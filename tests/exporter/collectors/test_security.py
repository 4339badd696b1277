"""Section security, where strangers choose the names."""

from __future__ import annotations

import time

from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import Samples, parse
from tests.exporter.web.serving import secret


def happen(database: ContractDatabase, columns: str, rows: str, ago: str = "1 second") -> None:
    database.server.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, message, event_type, account)"
        f" SELECT now() - interval '{ago}', 'LOW', 'm', {columns} FROM {rows}",
        database.name,
    )


def security(exporter: Exporter) -> Samples:
    return parse(exporter.scraper.scrape(["security"], 30).text)


def failures(samples: Samples, kind: str) -> dict[str, float]:
    metric = f"ticketing_admin_{kind}_failures"
    return {dict(labels)["account"]: value for (name, labels), value in samples.items() if name == metric}


def counted_types(exporter: Exporter) -> set[str]:
    return {dict(labels)["event_type"] for name, labels in security(exporter) if name.endswith("_events_total")}


def test_a_label_is_no_longer_than_a_name(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'login_failed', repeat('x', 5000) || n", "generate_series(1, 3) AS n")
    assert failures(security(exporter), "login") == {"x" * 200: 3}


def test_an_empty_name_is_nobodys(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'mfa_failed', account", "(VALUES (''), (NULL), ('alice')) AS names (account)")
    samples = security(exporter)
    assert failures(samples, "mfa") == {"alice": 1}
    assert samples["ticketing_security_events", (("severity", "LOW"), ("window", "15m"))] == 3


def test_of_many_accounts_those_with_most_failures_are_told(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'mfa_failed', 'made-up-' || n", "generate_series(1, 2000) AS n", ago="2 minutes")
    # Spread over the window, once each time: never much, and most of all in the end.
    for ago in ("4 minutes", "2 minutes", "1 second"):
        happen(database, "'mfa_failed', 'root'", "generate_series(1, 1)", ago=ago)
    samples = security(exporter)
    assert failures(samples, "mfa")["root"] == 3
    assert len(failures(samples, "mfa")) == 50


def test_a_new_type_gets_a_name_when_old_ones_are_gone(database: ContractDatabase, redis_server: Redis) -> None:
    passed = 0.0
    exporter = Exporter(
        Config(probes={}),
        postgres_dsn=secret("DSN", database.reader_dsn),
        redis_url=secret("URL", redis_server.url()),
        clock=lambda: time.time() + passed,
    )
    try:
        happen(database, "'type-' || n, NULL", "generate_series(1, 300) AS n")
        types = counted_types(exporter)
        assert len(types) == 201
        assert "other" in types
        passed = 1200
        assert counted_types(exporter) == set()
        happen(database, "'new', NULL", "generate_series(1, 1)", ago="-1199 seconds")
        assert counted_types(exporter) == {"new"}
    finally:
        exporter.close()
