"""What the check says of traffic and limits in views."""

from __future__ import annotations

import pytest

from exporter.config import Absent, Config, Platform, RateLimits
from exporter.traffic_sources import Traffic
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report

VIEWS = """
    CREATE TABLE platform.calls (at timestamptz, address text, n bigint);
    CREATE TABLE platform.blocks (address text, ends timestamptz);
    CREATE TABLE platform.limits (scope text, n numeric);
    INSERT INTO platform.calls
    SELECT date_trunc('minute', now()) - n * interval '1 min', '10.0.0.' || n % 3, 7 FROM generate_series(0, 60) AS n;
    INSERT INTO platform.blocks VALUES ('10.0.0.1', now() + interval '1 min');
    INSERT INTO platform.limits VALUES ('global', 10000), ('client', 100);
    CREATE INDEX ON platform.calls (at) INCLUDE (address, n);
    CREATE INDEX ON platform.blocks (ends) INCLUDE (address);
    CREATE VIEW monitoring.requests AS SELECT at AS timestamp, address AS client, n AS requests FROM platform.calls;
    CREATE VIEW monitoring.blocked_clients AS SELECT address AS client, ends AS blocked_until FROM platform.blocks;
    CREATE VIEW monitoring.rate_limits AS SELECT scope, n AS requests_per_minute FROM platform.limits;
    GRANT SELECT ON monitoring.requests, monitoring.blocked_clients, monitoring.rate_limits TO monitoring_reader"""
KEYS = ("traffic:requests", "traffic:clients", "ratelimit:limits", "ratelimit:blocked")
CONFIG = Config(
    traffic=Traffic(requests="view", clients="view"),
    rate_limits=RateLimits(adapter="view"),
    platform=Platform(absent=Absent(keys=KEYS)),
)

pytestmark = pytest.mark.usefixtures("keys")


@pytest.fixture
def counting(platform: ContractDatabase) -> ContractDatabase:
    platform.server.execute(VIEWS, platform.name)
    return platform


def checked(platform: ContractDatabase, redis_server: Redis, config: Config = CONFIG) -> list[str]:
    _, lines = report(platform.reader_dsn, redis_server.url(), config)
    return lines


def test_all_is_well(counting: ContractDatabase, redis_server: Redis) -> None:
    lines = checked(counting, redis_server)
    assert faults(lines) == ["The contract holds."]
    for line in (
        "ok requests.timestamp timestamp with time zone",
        "ok requests by timestamp a range of an index",
        "ok blocked_clients by blocked_until a range of an index",
        "ok requests by minute 3 clients in the newest rows",
        "ok rate_limits global 10000 requests per minute",
    ):
        assert line in lines
    assert not [line for line in lines if "traffic:" in line or "ratelimit:" in line]


def test_without_the_configuration_the_views_are_nobodys(counting: ContractDatabase, redis_server: Redis) -> None:
    lines = checked(counting, redis_server, Config())
    assert not [line for line in lines if line.startswith(("ok requests", "ok blocked_clients", "ok rate_limits"))]


def test_views_that_are_not_there(platform: ContractDatabase, redis_server: Redis) -> None:
    found = mends(checked(platform, redis_server))
    for view in ("requests", "rate_limits", "blocked_clients"):
        fault = f"MISSING {view} no such view in schema monitoring"
        assert found[fault] == f"CREATE VIEW monitoring.{view}, see contract/README.md"


def test_limits_that_are_told_and_blocks_that_nobody_keeps_are_not_looked_for(
    platform: ContractDatabase, redis_server: Redis
) -> None:
    config = Config(
        rate_limits=RateLimits(adapter="view", client_per_minute=100),
        platform=Platform(absent=Absent(features=("blocked_clients",))),
    )
    assert faults(checked(platform, redis_server, config)) == ["The contract holds."]


@pytest.mark.parametrize(
    ("change", "fault", "mend"),
    [
        (
            "INSERT INTO platform.calls VALUES (now(), 'x', -5)",
            "WRONG requests.requests 1 of the newest rows are negative",
            "leave corrections out of the view",
        ),
        (
            "INSERT INTO platform.calls VALUES (now(), 'x', NULL), (now(), 'x', 1::bigint << 60)",
            "WRONG requests.requests 2 of the newest rows are no number",
            "1 for a row a request",
        ),
        (
            "INSERT INTO platform.calls VALUES (now(), '', 5)",
            "WRONG requests.client 1 of the newest rows name it ''",
            "nullif(client, '') AS client",
        ),
        (
            "UPDATE platform.calls SET address = NULL",
            "warning requests.client is NULL in all of the newest rows",
            "declare the feature clients absent",
        ),
        (
            "DELETE FROM platform.calls WHERE at < now() - interval '4 min' AND at > now() - interval '7 min'",
            "warning requests by minute 3 of the last 10 minutes have no row, and are not known",
            "has a row with 0",
        ),
        (
            "UPDATE platform.calls SET at = at + interval '2 hours'",
            "WRONG requests.timestamp at least 61 rows in the future, the newest by",
            "2 hours ahead, as if read in a wrong zone",
        ),
        (
            "DELETE FROM platform.limits WHERE scope = 'global'",
            "warning rate_limits global no row has this scope",
            "declare the feature global_limit absent",
        ),
        (
            "INSERT INTO platform.limits VALUES ('client', 100)",
            "WRONG rate_limits client 2 rows have this scope",
            "the one in force",
        ),
        (
            "UPDATE platform.limits SET n = -1 WHERE scope = 'client'",
            "WRONG rate_limits client -1 is no limit",
            "a number from 0 on",
        ),
        (
            "INSERT INTO platform.limits VALUES ('/api/buy', 5)",
            "warning rate_limits.scope '/api/buy': not read",
            "scope is global or client",
        ),
        (
            "INSERT INTO platform.blocks VALUES (NULL, now())",
            "WRONG blocked_clients.client 1 of the newest rows name nobody",
            "leave rows without a client out",
        ),
        (
            "INSERT INTO platform.calls SELECT now() - n * interval '1 ms', repeat('x', 60), 1"
            " FROM generate_series(1, 100000) AS n; DROP INDEX platform.calls_at_address_n_idx; ANALYZE platform.calls",
            "WRONG requests by timestamp reads all of platform.calls",
            "CREATE INDEX CONCURRENTLY ON platform.calls (at)",
        ),
    ],
)
def test_what_is_odd_is_named(
    counting: ContractDatabase, redis_server: Redis, change: str, fault: str, mend: str
) -> None:
    counting.server.execute(change, counting.name)
    found = {line: how for line, how in mends(checked(counting, redis_server)).items() if line.startswith(fault)}
    assert len(found) == 1, faults(checked(counting, redis_server))
    assert mend in next(iter(found.values()))


def test_the_sliding_windows_keys_are_looked_at(platform: ContractDatabase, redis_server: Redis) -> None:
    config = Config(
        traffic=Traffic(clients="rate-limiter"), rate_limits=RateLimits(adapter="sliding-window", client_per_minute=3)
    )
    lines = checked(platform, redis_server, config)
    assert not [line for line in lines if "traffic:clients" in line]
    (line,) = [line for line in lines if "rate_limit:ip:*" in line and not line.startswith("mend")]
    assert line.startswith("warning rate_limit:ip:* no key of this form is there now")
