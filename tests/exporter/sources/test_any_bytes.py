"""A database that keeps any bytes: what is no UTF-8 costs nothing but its own looks."""

from __future__ import annotations

import psycopg2
import pytest

from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase, install_contract
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import parse
from tests.exporter.web.serving import secret

CUT_INSIDE = "中".encode() * 66 + b"a" + "中".encode()
"""Its 200th byte is the first of a character."""


@pytest.fixture(scope="module")
def ascii_database(postgres: Postgres) -> ContractDatabase:
    connection = psycopg2.connect(postgres.dsn(dbname="postgres"))
    connection.autocommit = True
    connection.cursor().execute(
        "CREATE DATABASE any_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    connection.close()
    return install_contract(postgres, "any_bytes")


def test_every_account_is_seen(ascii_database: ContractDatabase, redis_server: Redis) -> None:
    connection = psycopg2.connect(ascii_database.dsn, client_encoding="SQL_ASCII")
    with connection, connection.cursor() as cursor:
        for name in (b"alice", b"\xff", b"\\xff", b"\xfe", "grüße".encode(), "中".encode()[:2], CUT_INSIDE):
            cursor.execute(
                b"INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)"
                b" SELECT now(), 'HIGH', 'mfa_failed', '\xff', '" + name + b"' FROM generate_series(1, 3)"
            )
    connection.close()
    exporter = Exporter(
        Config(probes={}),
        postgres_dsn=secret("DSN", ascii_database.reader_dsn),
        redis_url=secret("URL", redis_server.url()),
    )
    try:
        samples = parse(exporter.scraper.scrape(["security"], 30).text)
    finally:
        exporter.close()
    accounts = {dict(labels)["account"]: n for (name, labels), n in samples.items() if "mfa_failures" in name}
    assert set(accounts.values()) == {3}
    assert accounts.keys() >= {"alice", r"\xff", r"\x5cxff", r"\xfe", "grüße", r"\xe4\xb8"}
    assert len(accounts) == 7
    assert exporter.scraper.statuses()["security"].success
