"""What `--contract.check` says of own metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from exporter.config import load
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report

TABLES = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.refunds (refunded_at timestamptz, reason text, amount numeric);
    CREATE INDEX ON shop.refunds (refunded_at);
    INSERT INTO shop.refunds VALUES (now() - interval '3 minutes', 'late', 1), (now() - interval '1 h', 'lost', 2);
    CREATE VIEW monitoring.refunds AS SELECT * FROM shop.refunds;
    GRANT SELECT ON monitoring.refunds TO monitoring_reader;
"""
ENTRY = """
metrics:
  - name: refunds
    section: kpis
    from: view
    view: {view}
    time: {time}
    windows: [1h]
    keys: {{reason: {{column: {reason}, {bound}}}}}
    values: {{refunds: {{kind: count, help: Refunds.}}, usd: {{kind: sum, column: {amount}, help: USD.}}}}
  - name: mail
    section: health
    from: redis
    values: {{queue: {{command: {command}, key: mail, {field} help: Mails.}}}}
"""
RIGHT = {
    "view": "monitoring.refunds",
    "time": "refunded_at",
    "reason": "reason",
    "bound": "most: 5",
    "amount": "amount",
    "command": "LLEN",
    "field": "",
}


@pytest.fixture
def shop(platform: ContractDatabase, keys: redis.Redis) -> ContractDatabase:
    keys.rpush("mail", "a", "b")
    platform.server.execute(TABLES, platform.name)
    return platform


def lines_of(
    shop: ContractDatabase, server: Redis, directory: Path, changes: dict[str, str], sql: str = ""
) -> tuple[int, list[str]]:
    if sql:
        shop.server.execute(sql, shop.name)
    file = directory / "exporter.yml"
    file.write_text(ENTRY.format(**{**RIGHT, **changes}))
    return report(shop.reader_dsn, server.url(), load(file))


def test_right_entries(shop: ContractDatabase, redis_server: Redis, tmp_path: Path) -> None:
    status, lines = lines_of(shop, redis_server, tmp_path, {})
    assert (status, faults(lines)) == (0, ["The contract holds."])
    assert "ok own_refunds by refunded_at a range of an index" in lines
    assert "ok own_refunds time newest row is 3.0 min old" in lines
    assert "ok own_mail values.queue 2" in lines


AGAIN = (
    "DROP VIEW monitoring.refunds; CREATE VIEW monitoring.refunds AS SELECT {} FROM shop.refunds;"
    "GRANT SELECT ON monitoring.refunds TO monitoring_reader"
)


@pytest.mark.parametrize(
    ("changes", "sql", "fault", "mend"),
    [
        ({"view": "monitoring.nothing"}, "", "MISSING own_refunds no view monitoring.nothing",
         'CREATE VIEW "monitoring"."nothing" AS …'),
        ({"view": "monitoring.Refunds"}, "", "MISSING own_refunds no view monitoring.Refunds",
         "view: monitoring.refunds, as the catalog has it"),
        ({"view": "shop.refunds"}, "", "DENIED own_refunds no USAGE on schema shop",
         'GRANT USAGE ON SCHEMA "shop" TO monitoring_reader; or make the view in the schema monitoring'),
        ({}, "REVOKE SELECT ON monitoring.refunds FROM monitoring_reader",
         "DENIED own_refunds this role may not SELECT from monitoring.refunds",
         'GRANT SELECT ON "monitoring"."refunds" TO monitoring_reader'),
        ({"amount": "amout"}, "", "MISSING own_refunds values.usd no column amout in monitoring.refunds",
         "column: amount? It has amount, reason, refunded_at"),
        ({"reason": "why"}, "", "MISSING own_refunds keys.reason no column why in monitoring.refunds", "column: "),
        ({"amount": "reason"}, "", "WRONG own_refunds values.usd is text, must be numeric",
         "in the view: reason::numeric AS reason"),
        ({}, AGAIN.format("refunded_at AT TIME ZONE 'UTC' AS refunded_at, reason, amount"),
         "WRONG own_refunds time is timestamp without time zone, must be timestamp with time zone",
         "in the view: refunded_at AT TIME ZONE '…'"),
        ({}, "UPDATE shop.refunds SET refunded_at = refunded_at + interval '243 min'",
         "WRONG own_refunds time at least 2 rows in the future, the newest by 4.0 h",
         "name in the view's AT TIME ZONE the zone"),
        ({}, "DROP INDEX shop.refunds_refunded_at_idx; INSERT INTO shop.refunds SELECT now() - i * interval '1 s',"
         " repeat('x', 5), 1 FROM generate_series(1, 200000) i; ANALYZE shop.refunds",
         "WRONG own_refunds by refunded_at reads all of shop.refunds (10 MiB) each time",
         "CREATE INDEX CONCURRENTLY ON shop.refunds (refunded_at); ANALYZE shop.refunds"),
        ({"command": "SCARD"}, "", "WRONG own_mail values.queue mail is a list, SCARD is for a set", "command: LLEN"),
        ({"command": "GET"}, "", "WRONG own_mail values.queue mail is a list, GET is for a string", "command: LLEN"),
    ],
)  # fmt: skip
def test_a_wrong_entry_says_how_to_mend_it(
    shop: ContractDatabase,
    redis_server: Redis,
    tmp_path: Path,
    changes: dict[str, str],
    sql: str,
    fault: str,
    mend: str,
) -> None:
    status, lines = lines_of(shop, redis_server, tmp_path, changes, sql)
    assert status == 1
    assert faults(lines) == [fault, "1 failed"]
    assert mends(lines)[fault].startswith(mend)


def test_what_may_be_well(shop: ContractDatabase, redis_server: Redis, keys: redis.Redis, tmp_path: Path) -> None:
    keys.delete("mail")
    status, lines = lines_of(shop, redis_server, tmp_path, {"bound": "most: 1"})
    assert (status, faults(lines)) == (
        0,
        [
            "warning own_refunds keys.reason 2 names in 10,000 rows, most is 1",
            "warning own_mail values.queue no key mail now: 0",
            "The contract holds.",
        ],
    )
    keys.hset("mail", "b", "1")
    status, lines = lines_of(
        shop, redis_server, tmp_path, {"bound": "words: [lost]", "command": "HGET", "field": "field: a,"}
    )
    assert (status, faults(lines)) == (
        0,
        [
            "warning own_refunds keys.reason holds 'late', none of words",
            "warning own_mail values.queue no field a in mail now: absent",
            "The contract holds.",
        ],
    )


def test_a_state_that_reads_all_of_a_large_table(shop: ContractDatabase, redis_server: Redis, tmp_path: Path) -> None:
    rows = "SELECT now(), repeat('x', 5), 1 FROM generate_series(1, 200000)"
    shop.server.execute(f"INSERT INTO shop.refunds {rows}; ANALYZE shop.refunds", shop.name)
    file = tmp_path / "exporter.yml"
    entry = ENTRY.format(**RIGHT).replace("    windows: [1h]\n", "").replace("    time: refunded_at\n", "")
    file.write_text(entry)
    status, lines = report(shop.reader_dsn, redis_server.url(), load(file))
    assert status == 1
    assert faults(lines) == ["WRONG own_refunds reads all of shop.refunds (10 MiB) with each scrape", "1 failed"]
