"""Section security, where strangers choose the names."""

from __future__ import annotations

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import parse
from tests.exporter.web.serving import exporter_of


def test_a_label_is_no_longer_than_a_name(database: ContractDatabase, redis_server: Redis) -> None:
    database.server.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)"
        " SELECT now() - interval '1 second', 'LOW', 'login_failed', 'm', repeat('x', 5000) || n"
        " FROM generate_series(1, 3) AS n",
        database.name,
    )
    exporter = exporter_of(database.reader_dsn, redis_server.url())
    try:
        samples = parse(exporter.scraper.scrape(["security"], 30).text)
    finally:
        exporter.close()
    failures = {dict(labels)["account"]: value for (name, labels), value in samples.items() if "login" in name}
    assert failures == {"x" * 200: 3}
