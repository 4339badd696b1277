"""The adapters for other rate limiters, against keys as those libraries write them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from common.deadline import Deadline
from exporter.collectors.base import Moment
from exporter.collectors.rate_limits import ADAPTERS, State
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource
from exporter.waiting import complete
from testbed.servers.redis import Redis
from tests.exporter.web.serving import secret

NOW = 1_764_357_753.25


@pytest.fixture
def source(redis_server: Redis, redis_client: redis.Redis) -> Iterator[RedisSource]:
    assert redis_client.dbsize() == 0
    source = RedisSource(secret("REDIS_URL", redis_server.url()), "test")
    yield source
    source.close()


def read(source: RedisSource, limits: RateLimits, now: float = NOW) -> tuple[State, list[str]]:
    moment = Moment(round(now * 1_000_000), Deadline(20))
    return complete(ADAPTERS[limits.adapter](limits).read(moment, source)), moment.problems


FLASK = RateLimits(adapter="flask-limiter", global_per_minute=10_000, client_per_minute=100)


def hit(client: redis.Redis, key: str, times: int, seconds_left: float = 30) -> None:
    """What `limits` does in Redis for a fixed window: INCRBY, and EXPIRE with the first."""
    client.incrby(f"LIMITS:LIMITER/{key}", times)
    client.pexpire(f"LIMITS:LIMITER/{key}", round(seconds_left * 1000))


def test_flask_limiter_counts_and_blocks(source: RedisSource, redis_client: redis.Redis) -> None:
    hit(redis_client, "203.0.113.1/api.events/100/1/minute", 100)  # all used, none refused
    hit(redis_client, "203.0.113.2/api.events/100/1/minute", 101, 40)
    hit(redis_client, "203.0.113.2/api/v1/buy/5/1/second", 6, 0.9)  # the scope may have slashes
    hit(redis_client, "2001:db8::1/global/1000/1/hour", 5000, 1800)
    redis_client.set("LIMITS:LIMITER/203.0.113.9/api.events/100/1/minute", "500")  # lost its expiry
    redis_client.set("LIMITER/203.0.113.8/api.events/100/1/minute", "500")  # not of this library
    redis_client.set("LIMITS:LIMITER/odd", "500")
    state, problems = read(source, FLASK)
    assert problems == []
    assert state.limits == {"global": 10_000, "client": 100}
    assert state.blocked == 2
    assert [name for name, _ in state.blocked_until] == ["2001:db8::1", "203.0.113.2"]
    until = dict(state.blocked_until)
    # The ends are those of the keys in Redis, which has its own clock.
    assert NOW + 1800 - 20 < until["2001:db8::1"] <= NOW + 1800
    assert NOW + 40 - 20 < until["203.0.113.2"] <= NOW + 40


def test_flask_limiter_keys_of_other_strategies_and_forms_are_reported(
    source: RedisSource, redis_client: redis.Redis
) -> None:
    redis_client.rpush("LIMITS:LIMITER/203.0.113.1/api/100/1/minute", "1764357750.1")  # the moving window's list
    hit(redis_client, "203.0.113.2/api/lots/1/minute", 7)
    state, problems = read(source, FLASK)
    assert state.blocked is None  # perhaps one of these is
    assert sorted(problem.partition(": ")[0] for problem in problems) == [
        "key LIMITS:LIMITER/203.0.113.1/api/100/1/minute",
        "key LIMITS:LIMITER/203.0.113.2/api/lots/1/minute, its amount",
    ]


def test_flask_limiter_without_keys_blocks_nobody(source: RedisSource) -> None:
    state, problems = read(source, RateLimits(adapter="flask-limiter"))
    assert (state, problems) == (State({}, 0, []), [])


def test_flask_limiter_among_many_other_keys(source: RedisSource, redis_client: redis.Redis) -> None:
    with redis_client.pipeline(transaction=False) as pipeline:
        for n in range(3000):
            pipeline.set(f"session:{n}", "x")
            if n < 1500:
                pipeline.set(f"LIMITS:LIMITER/10.0.{n // 250}.{n % 250}/api/100/1/minute", n, px=60_000)
        pipeline.execute()
    state, _ = read(source, FLASK)
    assert state.blocked == 1500 - 101
    assert len(state.blocked_until) == 10


SLIDING = RateLimits(adapter="sliding-window", client_per_minute=3)


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
    monkeypatch.setattr("exporter.collectors.rate_limits.SCAN_SECONDS", 0.0)
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
        redis_client.rpush(name.format(f"10.0.0.{n}"), "1764357750.1")
    _, problems = read(source, limits)
    assert len(problems) == 6
    assert problems[-1] == "95 more keys of the rate limiter cannot be used"


def test_the_ten_blocks_that_end_last(source: RedisSource, redis_client: redis.Redis) -> None:
    for n in range(15):
        request(redis_client, f"10.0.0.{n:02}", n, n, n)
    state, _ = read(source, SLIDING)
    assert state.blocked == 15
    assert [name for name, _ in state.blocked_until] == [f"10.0.0.{n:02}" for n in range(10)]
