"""`--contract.check` against platforms that hold the contract, and against those that miss it in some way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import redis

from exporter.config import Config, RateLimits
from exporter.contract.check import check
from exporter.contract.definition import REDIS_KEYS, VIEWS
from simulator.local.contract import ContractDatabase
from simulator.local.ports import free_port
from simulator.local.postgres import Postgres
from simulator.local.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.web.serving import clean_environment, secret

FILL = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)
    VALUES (now(), 'a', 0.9, 'BLOCKED'), (now(), 'b', 0.7, 'REVIEW'), (now(), 'c', 0.1, 'APPROVED');
    INSERT INTO platform.fraud_labels VALUES ('a', now(), 'BLOCKED', true, now());
    INSERT INTO platform.transactions VALUES (now(), 'a', 'purchase', 100, 5), (now(), 'b', 'transfer', 0, 1);
    INSERT INTO platform.security_events (occurred_at, severity, event_type, message)
    VALUES (now(), 'HIGH', 'login_failed', 'm');
    INSERT INTO platform.model_versions (model_version, trained_at, is_active) VALUES ('v1', now(), true);
    INSERT INTO platform.feature_reference VALUES ('v1', 'flag', 'boolean', NULL, NULL, '{1,2,0}');
"""


@pytest.fixture(scope="module")
def pristine(postgres: Postgres) -> str:
    """A database with the contract, one day of partitions and a few rows; small, so that copies are cheap."""
    database = small_database(postgres, "check_template")
    postgres.execute(FILL, database.name)
    return database.name


@pytest.fixture
def platform(postgres: Postgres, pristine: str) -> Iterator[ContractDatabase]:
    postgres.create_database("check", pristine)
    yield ContractDatabase(postgres, "check")
    postgres.drop_database("check")


@pytest.fixture
def keys(redis_client: redis.Redis) -> redis.Redis:
    redis_client.mset(
        {
            "kpi:txn_per_hour": "1247",
            "kpi:fraud_rate": "1.8",
            "kpi:latency_p95": "45",
            "kpi:revenue_per_hour": "12450",
            "kpi:updated_at": "1764354153",
            "config:fraud_threshold": "0.60",
            "config:fraud_model": "xgboost",
        }
    )
    minute = int(time.time() // 60)
    for back in range(3):  # whatever minute it is when the check gets there
        redis_client.set(f"traffic:requests:{minute + 1 - back}", "4523")
        redis_client.zadd(f"traffic:clients:{minute + 1 - back}", {"203.0.113.42": 98})
    redis_client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
    redis_client.zadd("ratelimit:blocked", {"198.51.100.7": 1764357753})
    return redis_client


def report(dsn: str, redis_url: str, config: Config | None = None) -> tuple[int, list[str]]:
    """The exit status and the lines, each with single spaces."""
    output = StringIO()
    status = check(secret("POSTGRES_DSN", dsn), secret("REDIS_URL", redis_url), config or Config(), output)
    return status, [" ".join(line.split()) for line in output.getvalue().splitlines()]


def faults(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith("ok ") and line not in ("PostgreSQL", "Redis")]


def test_a_complete_platform(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (0, ["The contract holds."])
    for view, columns in VIEWS.items():
        for column, kinds in columns.items():
            assert f"ok {view}.{column} {kinds[0]}" in lines
    assert "ok lock_admin_account() there for the responder" in lines
    assert "ok kpi:txn_per_hour 1247" in lines
    assert "ok ratelimit:blocked 1 members" in lines
    assert len(lines) == 2 + sum(map(len, VIEWS.values())) + 4 + len(REDIS_KEYS) + 1
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
        "warning fraud_labels.decision no rows yet",
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


def test_redis_keys_that_are_not_as_they_should_be(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    keys.delete("kpi:txn_per_hour", "ratelimit:blocked")
    keys.rpush("kpi:txn_per_hour", "1")
    keys.set("ratelimit:blocked", "1")
    keys.mset({"kpi:fraud_rate": "1.8%", "kpi:latency_p95": "nan", "config:fraud_threshold": "0_6"})
    keys.hdel("ratelimit:limits", "client_per_minute")
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    assert faults(lines) == [
        "WRONG kpi:txn_per_hour is a list, must be a string",
        "WRONG kpi:fraud_rate '1.8%' is not a number",
        "WRONG kpi:latency_p95 'nan' is not a number",
        "WRONG ratelimit:limits no number in client_per_minute",
        "WRONG ratelimit:blocked is a string, must be a zset",
        "WRONG config:fraud_threshold '0_6' is not a number",
        "6 failed",
    ]


def test_other_rate_limiters_need_no_contract_keys(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis
) -> None:
    keys.delete("ratelimit:limits")
    _, lines = report(platform.reader_dsn, redis_server.url(), Config(rate_limits=RateLimits(adapter="flask-limiter")))
    assert not [line for line in lines if "ratelimit:" in line]


LIMITERS = (
    (RateLimits(adapter="flask-limiter"), "LIMITS:LIMITER/*", "LIMITS:LIMITER/198.51.100.7/login/5/1/minute"),
    (RateLimits(adapter="sliding-window", client_per_minute=5), "rate_limit:ip:*", "rate_limit:ip:198.51.100.7"),
)


@pytest.mark.parametrize(("limits", "pattern", "key"), LIMITERS)
def test_the_keys_of_another_rate_limiter(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, limits: RateLimits, pattern: str, key: str
) -> None:
    status, lines = report(platform.reader_dsn, redis_server.url(), Config(rate_limits=limits))
    assert (status, faults(lines)) == (0, ["The contract holds."])
    assert f"ok {pattern} 0 blocked" in lines
    keys.hset(key, "strange", "1")
    status, lines = report(platform.reader_dsn, redis_server.url(), Config(rate_limits=limits))
    assert status == 1
    fault, _ = faults(lines)
    assert fault.startswith(f"WRONG {pattern} key {key}: WRONGTYPE ")


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(("limits", "pattern", "key"), LIMITERS)
def test_a_redis_user_without_rights_to_the_keys_of_another_rate_limiter(
    platform: ContractDatabase,
    redis_server: Redis,
    keys: redis.Redis,
    limits: RateLimits,
    pattern: str,
    key: str,
    there: bool,
) -> None:
    if there:
        keys.set(key, "1")
    keys.acl_setuser(
        "limited",
        enabled=True,
        passwords=["+limited-pw"],
        keys=["kpi:*", "traffic:*", "config:*"],
        commands=["+@read", "+@connection"],
    )
    try:
        url = redis_server.url().replace("//", "//limited:limited-pw@")
        status, lines = report(platform.reader_dsn, url, Config(rate_limits=limits))
    finally:
        keys.acl_deluser("limited")
    assert status == 1
    fault, _ = faults(lines)
    assert fault.startswith(f"DENIED {pattern} ")


def test_a_redis_user_without_rights(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    keys.acl_setuser(
        "narrow", enabled=True, passwords=["+narrow-pw"], keys=["kpi:*"], commands=["+@read", "+ping", "+client"]
    )
    try:
        url = redis_server.url().replace("//", "//narrow:narrow-pw@")
        status, lines = report(platform.reader_dsn, url)
    finally:
        keys.acl_deluser("narrow")
    assert status == 1
    assert "ok kpi:fraud_rate 1.8" in lines
    assert any(line.startswith("DENIED config:fraud_model ") for line in lines)
    assert "narrow-pw" not in "\n".join(lines)


def test_both_down() -> None:
    postgres, cache = free_port(), free_port()
    status, lines = report(
        f"postgresql://reader:pg-hush@127.0.0.1:{postgres}/x", f"redis://:redis-hush@127.0.0.1:{cache}/0"
    )
    assert status == 1
    assert lines[0].startswith("PostgreSQL")
    assert lines[1].startswith("DOWN connection ")
    assert "Connection refused" in lines[1]
    assert lines[2] == "Redis"
    assert lines[3].startswith(f"DOWN connection Redis: Error 111 connecting to 127.0.0.1:{cache}")
    assert lines[4] == "2 failed"
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
        "Redis",
        "DOWN connection Redis: neither REDIS_URL nor REDIS_URL_FILE is set",
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
    assert above.splitlines()[-1].startswith("  DOWN     connection ")
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
        "WRONG transactions.kind holds '{purchase}', '{transfer}'; must be one of purchase, transfer",
        "2 failed",
    ]
