"""Flask-Limiter's own keys, written by the library itself, in each of its strategies and with any prefix."""

from __future__ import annotations

import time

import flask
import pytest
import redis
from flask_limiter import Limiter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute, storage, strategies

from exporter.config import RateLimits
from exporter.sources.redis import RedisSource
from testbed.servers.redis import Redis
from tests.exporter.collectors.limiting import FLASK, NOW, read, read_now

STRATEGIES = ("fixed-window", "moving-window", "sliding-window-counter")
CLIENTS = ("203.0.113.1", "2001:db8::1", "tenant-a/alice", "tenant-a/bob", "tenant-b/alice")


def platform(server: Redis, strategy: str, storage_prefix: str, key_prefix: str) -> flask.Flask:
    """A platform whose clients say by a header who they are, with two limits on a page and one on all together."""
    app = flask.Flask(__name__)
    limiter = Limiter(
        lambda: flask.request.headers["Client"],
        app=app,
        storage_uri=server.url(),
        storage_options={"key_prefix": storage_prefix},
        strategy=strategy,
        key_prefix=key_prefix,
        default_limits=["1000 per day"],
    )

    @app.get("/buy")
    @limiter.limit("3 per minute; 50 per 2 hour")
    def buy() -> str:
        return "bought"

    @app.get("/look")
    @limiter.shared_limit("5 per minute", scope="catalogue")
    def look() -> str:
        return "looked"

    return app


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("storage_prefix", "key_prefix"), [("LIMITS", ""), ("LIMITS", "myapp"), ("shop[1]*", "a/b")])
def test_who_was_refused_is_blocked(
    redis_server: Redis,
    redis_client: redis.Redis,
    source: RedisSource,
    strategy: str,
    storage_prefix: str,
    key_prefix: str,
) -> None:
    client = platform(redis_server, strategy, storage_prefix, key_prefix).test_client()
    redis_client.set("session:1", "x")
    limits = RateLimits(adapter="flask-limiter", storage_prefix=storage_prefix, key_prefix=key_prefix)
    assert read_now(source, limits).blocked is None
    for number, name in enumerate(CLIENTS):
        answers = [client.get("/buy", headers={"Client": name}).status_code for _ in range(number + 1)]
        assert (429 in answers) == (number >= 3)
        client.get("/look", headers={"Client": name})
    state = read_now(source, limits)
    expected = set(CLIENTS[3:] if strategy == "fixed-window" else CLIENTS[2:])
    # But for fixed windows it cannot be told whether a client that has used all was refused already.
    assert {name for name, _ in state.blocked_until} == expected
    assert state.blocked == len(expected)
    assert all(0 < until - time.time() <= 120 for _, until in state.blocked_until)


@given(hits=st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(1, 9)), max_size=8), amount=st.integers(1, 6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("strategy", ["moving-window", "sliding-window-counter"])
def test_blocked_is_who_the_library_would_refuse(
    redis_server: Redis,
    redis_client: redis.Redis,
    source: RedisSource,
    strategy: str,
    hits: list[tuple[str, int]],
    amount: int,
) -> None:
    redis_client.flushall()
    limiter = strategies.STRATEGIES[strategy](storage.RedisStorage(redis_server.url()))
    item = RateLimitItemPerMinute(amount)
    for name, times in hits:
        for _ in range(times):
            limiter.hit(item, name, "page")
    refused = {name for name, _ in hits if not limiter.test(item, name, "page")}
    state = read_now(source, FLASK)
    assert {name for name, _ in state.blocked_until} == refused
    assert state.blocked == (len(refused) if hits else None)


@pytest.mark.parametrize(
    ("current", "current_left", "previous", "previous_left", "wait"),
    [
        (5, 100, 5, 40, 40),  # shifted in 40 s; from then on a little less than all of it counts
        (5, 100, 0, 0, 40),
        (3, 100, 5, 40, 16),  # two fit beside three fifths of the previous five
        (3, 100, 5, 20, 0),
        (5, 50, 0, 0, 0),  # its window is over: it is the previous one, of which five sixths count
        (6, 50, 0, 0, 0),  # just so
        (7, 50, 0, 0, 50 - 5 * 60 / 7),
        (7, 60, 0, 0, 60 - 5 * 60 / 7),
        (2, 50, 0, 0, 0),
    ],
)
def test_when_a_sliding_window_lets_one_through_again(
    source: RedisSource,
    redis_client: redis.Redis,
    current: int,
    current_left: int,
    previous: int,
    previous_left: int,
    wait: float,
) -> None:
    key = "LIMITS:{LIMITER/203.0.113.1/page/5/1/minute}"
    redis_client.set(key, current, px=current_left * 1000)
    if previous:
        redis_client.set(f"{key}/-1", previous, px=previous_left * 1000)
    state, problems = read(source, FLASK)
    assert problems == []
    assert [until - NOW for _, until in state.blocked_until] == ([pytest.approx(wait, abs=0.5)] if wait else [])


def hit(client: redis.Redis, key: str, times: int, seconds_left: float = 30) -> None:
    """What `limits` does in Redis for a fixed window: INCRBY, and EXPIRE with the first."""
    client.incrby(f"LIMITS:LIMITER/{key}", times)
    client.pexpire(f"LIMITS:LIMITER/{key}", round(seconds_left * 1000))


def test_counts_and_blocks(source: RedisSource, redis_client: redis.Redis) -> None:
    hit(redis_client, "203.0.113.1/api.events/100/1/minute", 100)  # all used, none refused
    hit(redis_client, "203.0.113.2/api.events/100/1/minute", 101, 40)
    hit(redis_client, "203.0.113.2/api.buy/5/1/second", 6, 0.9)
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


def test_keys_of_other_forms_are_reported(source: RedisSource, redis_client: redis.Redis) -> None:
    redis_client.hset("LIMITS:LIMITER/203.0.113.1/api/100/1/minute", "a", "b")
    redis_client.rpush("LIMITS:LIMITER/203.0.113.1/list/1/1/minute", "soon")
    hit(redis_client, "203.0.113.2/api/lots/1/minute", 7)
    state, problems = read(source, FLASK)
    assert state.blocked is None  # perhaps one of these is
    assert sorted(problem.partition(": ")[0] for problem in problems) == [
        "key LIMITS:LIMITER/203.0.113.1/api/100/1/minute",
        "key LIMITS:LIMITER/203.0.113.1/list/1/1/minute",
        "key LIMITS:LIMITER/203.0.113.2/api/lots/1/minute, its amount",
    ]


def test_among_many_other_keys(source: RedisSource, redis_client: redis.Redis) -> None:
    with redis_client.pipeline(transaction=False) as pipeline:
        for n in range(3000):
            pipeline.set(f"session:{n}", "x")
            if n < 1500:
                pipeline.set(f"LIMITS:LIMITER/10.0.{n // 250}.{n % 250}/api/100/1/minute", n, px=60_000)
        pipeline.execute()
    state, _ = read(source, FLASK)
    assert state.blocked == 1500 - 101
    assert len(state.blocked_until) == 10
