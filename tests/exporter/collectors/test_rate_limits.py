"""What the adapters for other rate limiters have in common, and the sliding window."""

from __future__ import annotations

import msgspec
import pytest
import redis

from exporter.config import Absent, Config, Platform, RateLimits
from exporter.sources.redis import RedisSource
from exporter.traffic_sources import Traffic
from testbed.servers.redis import Redis
from tests.exporter.collectors.limiting import FLASK, NOW, SLIDING, read
from tests.exporter.collectors.test_traffic import lacks, scrape
from tests.exporter.web.serving import exporter_of, secret


def request(client: redis.Redis, name: str, *ages: float) -> None:
    """What a sliding window does: ZADD of each request with its time as score."""
    client.zadd(f"rate_limit:ip:{name}", {f"{name}-{number}": NOW - age for number, age in enumerate(ages)})


def test_sliding_window_blocks_at_the_limit_until_the_oldest_leaves(
    source: RedisSource, redis_client: redis.Redis
) -> None:
    request(redis_client, "10.0.0.1", 1, 2)
    request(redis_client, "10.0.0.2", 1, 2, 30)
    request(redis_client, "10.0.0.3", 1, 2, 60)  # the third leaves just now
    request(redis_client, "10.0.0.4", 1, 2, 59.999)
    request(redis_client, "10.0.0.5", 1, 2, 3, 4, 50, 600)
    state, problems = read(source, SLIDING)
    assert problems == []
    assert state.limits == {"client": 3}
    assert state.blocked == 3
    assert [(name, round(until - NOW, 3)) for name, until in state.blocked_until] == [
        ("10.0.0.5", 57),  # when its third newest leaves, two are left
        ("10.0.0.2", 30),
        ("10.0.0.4", 0.001),
    ]


def test_sliding_window_key_of_another_type_is_reported(source: RedisSource, redis_client: redis.Redis) -> None:
    redis_client.set("rate_limit:ip:10.0.0.1", "7")
    request(redis_client, "10.0.0.2", 1, 2, 3)
    state, (problem,) = read(source, SLIDING)
    assert state.blocked is None
    assert [client for client, _ in state.blocked_until] == ["10.0.0.2"]
    assert problem.startswith("key rate_limit:ip:10.0.0.1: WRONGTYPE")


@pytest.mark.parametrize("limits", [FLASK, SLIDING])
def test_more_keys_than_can_be_walked_through_are_reported_and_cost_the_count_alone(
    source: RedisSource, redis_client: redis.Redis, limits: RateLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis_client.mset({f"session:{n}": "x" for n in range(5000)})
    monkeypatch.setattr("exporter.collectors.rate_limits.adapter.SCAN_SECONDS", 0.0)
    state, (problem,) = read(source, limits)
    assert "too many keys to find" in problem
    assert state.limits["client"] == limits.client_per_minute
    assert state.blocked is None


@pytest.mark.parametrize("limits", [FLASK, SLIDING])
def test_a_server_that_refuses_scan_costs_the_count_alone(
    redis_server: Redis, redis_client: redis.Redis, limits: RateLimits
) -> None:
    redis_client.acl_setuser("noscan", enabled=True, nopass=True, keys=["*"], commands=["+@read", "-scan", "+client"])
    source = RedisSource(secret("REDIS_URL", redis_server.url().replace("//", "//noscan:x@")), "test")
    try:
        state, (problem,) = read(source, limits)
    finally:
        source.close()
        redis_client.acl_deluser("noscan")
    assert "no permissions" in problem
    assert state.limits["client"] == limits.client_per_minute
    assert state.blocked is None


@pytest.mark.parametrize(
    ("limits", "name"), [(FLASK, "LIMITS:LIMITER/{}/api/100/1/minute"), (SLIDING, "rate_limit:ip:{}")]
)
def test_many_keys_of_another_type_are_reported_in_a_few_lines(
    source: RedisSource, redis_client: redis.Redis, limits: RateLimits, name: str
) -> None:
    for n in range(100):
        redis_client.hset(name.format(f"10.0.0.{n}"), "a", "b")
    _, problems = read(source, limits)
    assert len(problems) == 6
    assert problems[-1] == "95 more keys of the rate limiter cannot be used"


def test_the_ten_blocks_that_end_last(source: RedisSource, redis_client: redis.Redis) -> None:
    for n in range(15):
        request(redis_client, f"10.0.0.{n:02}", n, n, n)
    state, _ = read(source, SLIDING)
    assert state.blocked == 15
    assert [name for name, _ in state.blocked_until] == [f"10.0.0.{n:02}" for n in range(10)]


def test_without_any_key_nobody_knows_who_is_blocked(source: RedisSource) -> None:
    for limits in (FLASK, SLIDING):
        state, problems = read(source, limits)
        assert (state.blocked, list(state.blocked_until), problems) == (None, [], [])


def test_sliding_window_knows_the_busiest_of_the_last_minute(source: RedisSource, redis_client: redis.Redis) -> None:
    request(redis_client, "10.0.0.1", 1, 2, 59.9, 60, 61)
    request(redis_client, "10.0.0.2", 5)
    request(redis_client, "10.0.0.3", 5)
    request(redis_client, "10.0.0.4", 70)
    request(redis_client, "", 1)
    for n in range(10, 18):
        request(redis_client, f"10.0.0.{n}", 1, 2)
    state, problems = read(source, SLIDING)
    assert problems == []
    assert state.busiest == [("10.0.0.1", 3), *[(f"10.0.0.{n}", 2) for n in range(10, 18)], ("10.0.0.2", 1)]


def test_sliding_window_without_any_key_knows_nobody(source: RedisSource, redis_client: redis.Redis) -> None:
    assert redis_client.dbsize() == 0
    state, _ = read(source, SLIDING)
    assert state.busiest is None


def test_clients_of_the_sliding_window_are_series_of_one_minute(redis_server: Redis, redis_client: redis.Redis) -> None:
    config = Config(
        probes={},
        traffic=Traffic(clients="rate-limiter"),
        rate_limits=SLIDING,
        platform=Platform(absent=Absent(keys=("traffic:requests", "traffic:clients", "ratelimit:limits"))),
    )
    request(redis_client, "10.0.0.1", 1, 2)
    redis_client.set("rate_limit:ip:10.0.0.2", "7")
    exporter = exporter_of("host=127.0.0.1 port=1", redis_server.url(), config, clock=lambda: NOW)
    try:
        found = scrape(exporter)
        assert found == {
            ("rate_limit_requests_per_minute", "client"): 3,
            ("client_requests", "10.0.0.1", "1m"): 2,
            ("client_requests_per_minute", "10.0.0.1"): 2,
        }
        # The global limit is not told, and there is no key of it.
        assert lacks(exporter) == {"traffic:requests", "global_limit"}
        # Who keeps nothing tells nothing.
        redis_client.flushdb()
        assert ("client_requests", "10.0.0.1", "1m") not in scrape(exporter)
        # Another adapter does not know them.
        exporter.apply(msgspec.structs.replace(config, traffic=Traffic(), rate_limits=FLASK))
        assert "clients" in lacks(exporter)
    finally:
        exporter.close()
