"""The busiest clients, whatever the sorted sets hold, against plain sums of what is in Redis."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common.deadline import Deadline
from exporter.collectors import clients
from exporter.collectors.base import Moment
from exporter.sources.redis import RedisSource
from exporter.waiting import complete
from testbed.servers.redis import Redis
from tests.exporter.web.serving import secret

MINUTES = [29_000_004, 29_000_003, 29_000_002, 29_000_001, 29_000_000]
# Few distinct counts make ties; a wide range makes an order.
COUNTS = st.one_of(st.integers(1, 3), st.integers(1, 100_000))
MINUTE = st.one_of(
    st.just({}),
    st.dictionaries(st.integers(0, 30).map("10.0.0.{}".format), COUNTS, max_size=31),
    # More clients than the first read takes; made from few numbers, or drawing them would take seconds.
    st.builds(
        lambda size, step, most: {f"10.1.0.{n * step % 997}": 1 + n * n % most for n in range(size)},
        st.integers(45, 320),
        st.integers(1, 5),
        st.integers(1, 400),
    ),
)


def busiest(server: Redis, moment: Moment, most: int = 10) -> list[tuple[str, list[float]]] | None:
    source = RedisSource(secret("REDIS_URL", server.url()), "test")
    try:
        answers = complete(source.read(clients.commands(MINUTES), moment.deadline))
        return complete(clients.busiest(moment, source, MINUTES, answers, most))
    finally:
        source.close()


def truth(client: redis.Redis, most: int = 10) -> list[tuple[str, list[float]]]:
    stored: list[dict[str, float]] = []
    for minute in MINUTES:
        members: Any = client.zrange(f"traffic:clients:{minute}", 0, -1, withscores=True)
        stored.append(dict(members))
    rows = [(name, [minute.get(name, 0.0) for minute in stored]) for name in set().union(*stored)]
    return sorted(rows, key=lambda row: (-sum(row[1]), row[0]))[:most]


def store(client: redis.Redis, minutes: list[dict[str, int]]) -> None:
    client.flushall()
    for minute, counts in zip(MINUTES, minutes, strict=True):
        if counts:
            client.zadd(f"traffic:clients:{minute}", counts)


def steady(number: int) -> dict[str, int]:
    """More clients than the deepest first reads, all with the same count."""
    return {f"10.2.{n // 250}.{n % 250}": 1 for n in range(number)}


@given(st.lists(MINUTE, min_size=5, max_size=5))
@example([{}, {}, {}, {}, {}])
@example([steady(60)] * 5)
@example([steady(500)] * 5)
@example([{**steady(300), "hidden": 1}, {"hidden": 4}, {}, {}, {}])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exact_in_counts_and_order(
    redis_server: Redis, redis_client: redis.Redis, minutes: list[dict[str, int]]
) -> None:
    store(redis_client, minutes)
    moment = Moment(0, Deadline(30))
    assert busiest(redis_server, moment) == truth(redis_client)
    assert moment.problems == []


def test_a_client_that_is_never_at_the_top_of_a_minute_is_found(redis_server: Redis, redis_client: redis.Redis) -> None:
    # 51st in each minute, behind 50 others each time, and yet the busiest of all.
    minutes = [
        {**{f"10.{position}.0.{n}": 101 for n in range(50)}, "10.9.9.9": 100} for position in range(len(MINUTES))
    ]
    store(redis_client, minutes)
    found = busiest(redis_server, Moment(0, Deadline(30)))
    assert found is not None
    assert found[0] == ("10.9.9.9", [100.0] * 5)
    assert found == truth(redis_client)


def test_the_reads_are_bounded_and_the_totals_of_those_reported_exact(
    redis_server: Redis, redis_client: redis.Redis
) -> None:
    # Beyond the deepest read nothing can settle the order of equals; what is reported is exact all the same.
    store(redis_client, [steady(1500)] * 5)
    found = busiest(redis_server, Moment(0, Deadline(30)))
    assert found is not None
    assert [counts for _, counts in found] == [[1.0] * 5] * 10


@pytest.mark.parametrize("position", [0, 4])
def test_a_minute_of_another_type_is_reported(redis_server: Redis, redis_client: redis.Redis, position: int) -> None:
    store(redis_client, [steady(3)] * 5)
    key = f"traffic:clients:{MINUTES[position]}"
    redis_client.delete(key)
    redis_client.set(key, "1")
    moment = Moment(0, Deadline(30))
    assert busiest(redis_server, moment) is None
    (problem,) = moment.problems
    assert problem.startswith(f"key {key}: WRONGTYPE")


@pytest.mark.parametrize("infinite", [1, 60, 1500])
def test_an_infinite_count_is_left_out_and_hides_nobody_else(
    redis_server: Redis, redis_client: redis.Redis, infinite: int
) -> None:
    minutes = [steady(5)] * 5
    store(redis_client, minutes)
    expected = truth(redis_client)
    endless: Any = {f"endless-{n}": "inf" for n in range(infinite)} | {"least": "-inf"}
    redis_client.zadd(f"traffic:clients:{MINUTES[0]}", endless)
    moment = Moment(0, Deadline(30))
    assert busiest(redis_server, moment) == expected
    assert moment.problems == []
    (count,) = moment.rejected.values()
    assert count == infinite + 1


def test_a_client_without_a_name_is_left_out_and_takes_nobodys_place(
    redis_server: Redis, redis_client: redis.Redis
) -> None:
    store(redis_client, [steady(20)] * 5)
    expected = truth(redis_client)
    redis_client.zadd(f"traffic:clients:{MINUTES[0]}", {"": 1_000_000})
    moment = Moment(0, Deadline(30))
    assert busiest(redis_server, moment) == expected
    assert moment.problems == []
    assert moment.rejected == {"key traffic:clients:{minute}: a client has no name": 1}


def test_without_the_right_to_look_clients_up_nobody_is_reported(
    redis_server: Redis, redis_client: redis.Redis
) -> None:
    # Each is at the top of some minutes alone: what is missing of the others would be taken for none.
    store(redis_client, [{f"10.{minute}.0.{n}": 9 for n in range(60)} for minute in range(5)])
    redis_client.acl_setuser(
        "narrow", enabled=True, passwords=["+narrow-pw"], keys=["*"], commands=["+@read", "+@connection", "-zmscore"]
    )
    source = RedisSource(secret("REDIS_URL", redis_server.url().replace("//", "//narrow:narrow-pw@")), "test")
    moment = Moment(0, Deadline(30))
    try:
        answers = complete(source.read(clients.commands(MINUTES), moment.deadline))
        assert complete(clients.busiest(moment, source, MINUTES, answers, 10)) is None
    finally:
        source.close()
        redis_client.acl_deluser("narrow")
    assert "no permissions" in moment.problems[0]
