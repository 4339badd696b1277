"""`--contract.check` against platforms that hold the contract, and against those that miss it in some way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO

import pytest
import redis

from contract.definition import REDIS_KEYS, VIEWS
from exporter.config import Config
from exporter.contract_check import check, database
from testbed.servers.contract import ContractDatabase
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.contract_check.reporting import faults, mends, report
from tests.exporter.web.serving import clean_environment, secret


def test_a_complete_platform(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (0, ["The contract holds."])
    for view, columns in VIEWS.items():
        for column, kinds in columns.items():
            assert f"ok {view}.{column} {kinds[0]}" in lines
    assert "ok lock_admin_account() there for the responder" in lines
    assert "ok kpi:txn_per_hour 1247" in lines
    assert "ok ratelimit:blocked 1 members" in lines
    assert "ok fraud_predictions by timestamp a range of an index" in lines
    assert "ok feature flag boolean, 0.0% unknown" in lines
    keys_and_columns = [line for line in lines if line.startswith("ok ") and not line.endswith(" old")]
    assert len(keys_and_columns) == sum(map(len, VIEWS.values())) + 4 + len(REDIS_KEYS) + 6 + 2
    assert keys.dbsize() > 0


def test_as_a_command(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    assert keys.dbsize() > 0

    def run() -> subprocess.CompletedProcess[str]:
        environment = {"POSTGRES_DSN": platform.reader_dsn, "REDIS_URL": redis_server.url()}
        return subprocess.run(
            [sys.executable, "-m", "exporter", "--contract.check"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**clean_environment(), **environment},
        )

    result = run()
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(
        "PostgreSQL\n  ok       fraud_predictions.timestamp                timestamp with time zone\n"
    )
    platform.server.execute("DROP VIEW monitoring.fraud_labels", platform.name)
    result = run()
    assert (result.returncode, result.stderr) == (1, "")
    assert "  MISSING  fraud_labels                               no such view in schema monitoring\n" in result.stdout
    assert result.stdout.endswith("1 failed\n")


def test_a_reader_that_has_enough(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    assert keys.dbsize() > 0
    environment = {"POSTGRES_DSN": platform.reader_dsn, "REDIS_URL": redis_server.url()}
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        result = subprocess.run(
            [sys.executable, "-m", "exporter", "--contract.check"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            env={**clean_environment(), **environment},
        )
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DROP VIEW monitoring.fraud_labels", ["MISSING fraud_labels no such view in schema monitoring"]),
        (
            "DROP VIEW monitoring.event_launches; CREATE VIEW monitoring.event_launches AS"
            " SELECT event_id, name, starts_at FROM platform.event_launches;"
            "GRANT SELECT ON monitoring.event_launches TO monitoring_reader",
            ["MISSING event_launches.ends_at must be timestamp with time zone"],
        ),
        (
            "DROP VIEW monitoring.transactions; CREATE VIEW monitoring.transactions AS"
            " SELECT occurred_at AT TIME ZONE 'UTC' AS timestamp, transaction_id, kind, amount_usd::float8,"
            " platform_fee_usd FROM platform.transactions;"
            "GRANT SELECT ON monitoring.transactions TO monitoring_reader",
            [
                "WRONG transactions.timestamp is timestamp without time zone, must be timestamp with time zone",
                "WRONG transactions.amount_usd is double precision, must be numeric",
            ],
        ),
        (
            "DROP VIEW monitoring.fraud_labels; CREATE VIEW monitoring.fraud_labels AS"
            " SELECT transaction_id, predicted_at, decision, is_fraud FROM platform.fraud_labels;"
            "GRANT SELECT ON monitoring.fraud_labels TO monitoring_reader",
            ["MISSING fraud_labels.labeled_at must be timestamp with time zone"],
        ),
        (
            "REVOKE SELECT ON monitoring.security_events FROM monitoring_reader",
            ["DENIED security_events this role may not SELECT from it"],
        ),
        (
            "REVOKE USAGE ON SCHEMA monitoring FROM monitoring_reader",
            ["DENIED schema monitoring this role has no USAGE on it"],
        ),
        (
            "UPDATE platform.fraud_predictions SET decision = CASE transaction_id WHEN 'a' THEN 'decline'"
            " WHEN 'b' THEN NULL ELSE decision END",
            ["WRONG fraud_predictions.decision holds 'decline', NULL; must be one of APPROVED, REVIEW, BLOCKED"],
        ),
        (
            "UPDATE platform.security_events SET severity = 'high'",
            ["WRONG security_events.severity holds 'high'; must be one of CRITICAL, HIGH, MEDIUM, LOW"],
        ),
        (
            "UPDATE platform.transactions SET kind = 'refund'",
            ["WRONG transactions.kind holds 'refund'; must be one of purchase, transfer"],
        ),
    ],
)
def test_what_a_platform_may_miss(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, change: str, found: list[str]
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute(change, platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert faults(lines) == [*found, f"{len(found)} failed"]


def test_warnings_do_not_fail(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    platform.server.execute(
        "DROP FUNCTION monitoring.schedule_retraining(text, timestamptz, uuid); TRUNCATE platform.fraud_labels",
        platform.name,
    )
    keys.delete("kpi:latency_p95", "kpi:updated_at", "ratelimit:blocked")
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 0
    assert faults(lines) == [
        "warning fraud_labels.labeled_at no rows yet",
        "warning schedule_retraining() the responder needs"
        " monitoring.schedule_retraining(text, timestamp with time zone, uuid)",
        "warning kpi:latency_p95 not there now",
        "The contract holds.",
    ]
    assert "ok kpi:updated_at not there now" in lines


@pytest.mark.parametrize("also_granted", [True, False])
def test_a_function_that_everybody_may_execute(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, also_granted: bool
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute(
        "GRANT EXECUTE ON FUNCTION monitoring.lock_admin_account(text, text, uuid) TO PUBLIC", platform.name
    )
    if not also_granted:
        platform.server.execute(
            "REVOKE EXECUTE ON FUNCTION monitoring.lock_admin_account(text, text, uuid) FROM monitoring_responder",
            platform.name,
        )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert faults(lines) == [
        "WRONG lock_admin_account() PUBLIC may EXECUTE it, so anybody can act through it: revoke that",
        "1 failed",
    ]


def test_a_function_that_the_responder_may_not_execute(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute(
        "REVOKE EXECUTE ON FUNCTION monitoring.lock_admin_account(text, text, uuid) FROM monitoring_responder",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 0
    assert faults(lines) == [
        "warning lock_admin_account() the role monitoring_responder may not EXECUTE it",
        "The contract holds.",
    ]


def test_functions_where_there_is_no_responder(
    own_postgres: Callable[[], Postgres], redis_server: Redis, keys: redis.Redis
) -> None:
    assert keys.dbsize() > 0
    server = own_postgres()
    database = small_database(server, "alone")
    server.execute("DROP OWNED BY monitoring_responder; DROP ROLE monitoring_responder", database.name)
    _, lines = report(database.reader_dsn, redis_server.url())
    assert "ok lock_admin_account() there for the responder" in lines
    assert "DOWN" not in "\n".join(lines)


def test_an_empty_database(postgres: Postgres, redis_server: Redis, keys: redis.Redis) -> None:
    assert keys.dbsize() > 0
    status, lines = report(postgres.dsn(), redis_server.url())
    assert status == 1
    missing = [f"MISSING {view} no such view in schema monitoring" for view in VIEWS]
    assert [line for line in faults(lines) if line.startswith("MISSING")] == missing
    assert lines[-1] == f"{len(VIEWS)} failed"


def test_both_down() -> None:
    postgres, cache = free_port(), free_port()
    status, lines = report(
        f"postgresql://reader:pg-hush@127.0.0.1:{postgres}/x", f"redis://:redis-hush@127.0.0.1:{cache}/0"
    )
    assert status == 1
    assert lines[0].startswith("PostgreSQL")
    assert lines[1].startswith("DOWN connection ")
    assert "Connection refused" in lines[1]
    assert lines[3] == "Redis"
    assert lines[4] == "DOWN connection Redis: Error 111 connecting to the server. Connection refused."
    assert lines[6] == "2 failed"
    assert "hush" not in "\n".join(lines)


def test_no_connections_given() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "exporter", "--contract.check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment(),
    )
    assert result.returncode == 1
    assert [" ".join(line.split()) for line in result.stdout.splitlines()] == [
        "PostgreSQL",
        "DOWN connection neither POSTGRES_DSN nor POSTGRES_DSN_FILE is set",
        "mend: see POSTGRES_DSN, the network, and the server's log",
        "Redis",
        "DOWN connection Redis: neither REDIS_URL nor REDIS_URL_FILE is set",
        "mend: see REDIS_URL, the network, and the server's log",
        "2 failed",
    ]


class _StopsAt(StringIO):
    """Stops a server as soon as something is written."""

    def __init__(self, server: Postgres, mark: str) -> None:
        super().__init__()
        self._server = server
        self._mark = mark

    def write(self, text: str) -> int:
        if self._mark in text:
            self._server.stop("immediate")
        return super().write(text)


def test_a_database_that_dies_in_the_middle(
    own_postgres: Callable[[], Postgres], redis_server: Redis, keys: redis.Redis
) -> None:
    assert keys.dbsize() > 0
    server = own_postgres()
    database = small_database(server, "dying")
    output = _StopsAt(server, "fraud_labels.labeled_at")
    dsn, url = secret("POSTGRES_DSN", database.reader_dsn), secret("REDIS_URL", redis_server.url())
    status = check(dsn, url, Config(), output)
    assert status == 1
    above, redis_part = output.getvalue().split("Redis\n")
    assert above.splitlines()[-2].startswith("  DOWN     connection ")
    assert "  ok       kpi:txn_per_hour " in redis_part


def test_a_view_whose_owner_may_not_read_what_is_beneath(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute("ALTER VIEW monitoring.event_launches SET (security_invoker = true)", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    (fault, _) = faults(lines)
    assert fault.startswith("WRONG event_launches cannot be read: ")
    assert fault.endswith("permission denied for table event_launches")


def test_a_column_of_words_that_holds_something_else(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute(
        "DROP VIEW monitoring.transactions; CREATE VIEW monitoring.transactions AS"
        " SELECT occurred_at AS timestamp, transaction_id, ARRAY[kind] AS kind, amount_usd, platform_fee_usd"
        " FROM platform.transactions; GRANT SELECT ON monitoring.transactions TO monitoring_reader",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert faults(lines) == [
        "WRONG transactions.kind is text[], must be text",
        "1 failed",
    ]


def test_a_view_that_takes_for_ever(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.dbsize() > 0
    platform.server.execute(
        "CREATE FUNCTION platform.slow() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(60) IS NULL';"
        "CREATE OR REPLACE VIEW monitoring.transactions AS SELECT occurred_at AS timestamp, transaction_id, kind,"
        " amount_usd, platform_fee_usd FROM platform.transactions WHERE NOT platform.slow()",
        platform.name,
    )
    monkeypatch.setattr(database, "SECONDS", 2.0)
    started = time.monotonic()
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    (fault, _) = faults(lines)
    assert fault.startswith("WRONG transactions cannot be read: PostgreSQL: query cancelled after ")
    assert mends(lines)[fault] == "its newest rows must be found by an index within 2 s: see the lines about indexes"
    assert time.monotonic() - started < 40
