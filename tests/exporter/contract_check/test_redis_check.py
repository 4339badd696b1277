"""What `--contract.check` says of the keys in Redis, and of a rate limiter's own."""

from __future__ import annotations

import pytest
import redis

from exporter.config import Config, RateLimits
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, report


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
    (RateLimits(adapter="flask-limiter"), "LIMITS:*", "LIMITS:LIMITER/198.51.100.7/login/5/1/minute"),
    (RateLimits(adapter="sliding-window", client_per_minute=5), "rate_limit:ip:*", "rate_limit:ip:198.51.100.7"),
)


@pytest.mark.parametrize(("limits", "pattern", "key"), LIMITERS)
def test_the_keys_of_another_rate_limiter(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, limits: RateLimits, pattern: str, key: str
) -> None:
    status, lines = report(platform.reader_dsn, redis_server.url(), Config(rate_limits=limits))
    assert status == 0
    assert f"warning {pattern} no key of this form is there now: is it the right database, and prefix?" in lines
    if limits.adapter == "flask-limiter":
        keys.set(key, "1", ex=60)
    else:
        keys.zadd(key, {"1": 1})
    status, lines = report(platform.reader_dsn, redis_server.url(), Config(rate_limits=limits))
    assert (status, faults(lines)) == (0, ["The contract holds."])
    assert f"ok {pattern} 0 blocked" in lines
    keys.delete(key)
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
        commands=["+@read", "+@connection", "+time", "+info|replication"],
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
    for command in ("TIME", "INFO"):
        assert any(line.startswith(f"warning {command} this user may not: ") for line in lines)
    assert "narrow-pw" not in "\n".join(lines)


def test_what_is_not_utf8_can_be_printed(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    for key in keys.scan_iter("traffic:requests:*"):
        keys.delete(key)
    keys.set("config:fraud_model", b"\xffboost")
    keys.set(b"traffic:requests:\xff", "1")
    _, lines = report(platform.reader_dsn, redis_server.url())
    text = "\n".join(lines).encode().decode()
    assert "ok config:fraud_model \\xffboost" in text
    assert "traffic:requests:\\xff" in text
