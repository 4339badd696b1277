"""Section traffic as a scrape shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.app import Exporter
from testbed.servers.redis import Redis
from tests.exporter.web.serving import exporter_of

NOW = 1_764_357_753.25
LAST = int(NOW) // 60 - 1
Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def exporter(redis_server: Redis) -> Iterator[Exporter]:
    exporter = exporter_of("host=127.0.0.1 port=1", redis_server.url(), clock=lambda: NOW)
    yield exporter
    exporter.close()


def scrape(exporter: Exporter) -> Samples:
    """All samples of the section. On a busy machine Redis may be late: what did not succeed is tried again."""
    for _ in range(3):
        text = exporter.scraper.scrape(["traffic"], 20).text.decode()
        if exporter.scraper.statuses()["traffic"].success:
            break
    return {
        (sample.name.removeprefix("ticketing_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith(("ticketing_exporter_", "ticketing_source_", "ticketing_platform_", "process_"))
    }


def lacks(exporter: Exporter) -> set[str]:
    """What the platform does not have, as a scrape says."""
    text = exporter.scraper.scrape(["traffic"], 20).text.decode()
    return set(re.findall(r'^ticketing_platform_has\{part="([^"]+)"\} 0$', text, re.M))


def problems(exporter: Exporter) -> list[str]:
    return list(exporter.scraper.statuses()["traffic"].problems)


def test_nothing_is_known_of_an_empty_redis(exporter: Exporter, redis_client: redis.Redis) -> None:
    assert redis_client.dbsize() == 0
    assert scrape(exporter) == {}
    assert problems(exporter) == []


def test_whole_minutes_of_the_clock(exporter: Exporter, redis_client: redis.Redis) -> None:
    redis_client.set(f"traffic:requests:{LAST}", "4523")
    redis_client.set(f"traffic:requests:{LAST + 1}", "17")  # not over yet
    for back in range(-1, 7):
        redis_client.zadd(f"traffic:clients:{LAST - back}", {"203.0.113.42": 10**back if back > 0 else 1})
    assert scrape(exporter) == {
        ("api_requests_per_minute",): 4523,
        ("client_requests", "203.0.113.42", "5m"): 1 + 10 + 100 + 1000 + 10000,
        ("client_requests_per_minute", "203.0.113.42"): 1,
    }


def test_the_ten_busiest_with_ties_by_name(exporter: Exporter, redis_client: redis.Redis) -> None:
    redis_client.zadd(f"traffic:clients:{LAST - 1}", {f"10.0.0.{n:02}": 7 for n in range(12)})
    redis_client.zadd(f"traffic:clients:{LAST}", {"10.0.0.11": 1})
    found = scrape(exporter)
    total = [name for metric, name, *_ in found if metric == "client_requests"]
    assert total == ["10.0.0.11", *[f"10.0.0.{n:02}" for n in range(9)]]
    assert found["client_requests_per_minute", "10.0.0.11"] == 1
    assert found["client_requests_per_minute", "10.0.0.00"] == 0


def test_the_busiest_were_quiet_in_a_last_minute_in_which_only_others_called(
    exporter: Exporter, redis_client: redis.Redis
) -> None:
    redis_client.zadd(f"traffic:clients:{LAST - 1}", {f"10.0.0.{n:02}": 7 for n in range(12)})
    redis_client.zadd(f"traffic:clients:{LAST}", {"10.0.0.99": 1})
    assert scrape(exporter)["client_requests_per_minute", "10.0.0.00"] == 0


def test_nobody_in_the_last_minute_is_known_only_from_its_requests(
    exporter: Exporter, redis_client: redis.Redis
) -> None:
    redis_client.zadd(f"traffic:clients:{LAST - 1}", {"10.0.0.1": 7})
    assert ("client_requests_per_minute", "10.0.0.1") not in scrape(exporter)
    redis_client.set(f"traffic:requests:{LAST}", "0")
    assert scrape(exporter)["client_requests_per_minute", "10.0.0.1"] == 0
    redis_client.set(f"traffic:requests:{LAST}", "5")  # but by whom?
    assert ("client_requests_per_minute", "10.0.0.1") not in scrape(exporter)


@pytest.mark.parametrize("text", ["", "many", "nan", "inf", "1_000", "1,000"])
def test_requests_that_are_no_number(exporter: Exporter, redis_client: redis.Redis, text: str) -> None:
    redis_client.set(f"traffic:requests:{LAST}", text)
    redis_client.zadd(f"traffic:clients:{LAST}", {"10.0.0.1": 7})
    assert scrape(exporter)["client_requests", "10.0.0.1", "5m"] == 7
    assert problems(exporter) == [f"key traffic:requests:{LAST}: {text!r} is not a number"]


def test_wrong_types_cost_their_own_series_only(exporter: Exporter, redis_client: redis.Redis) -> None:
    redis_client.rpush(f"traffic:requests:{LAST}", "1")
    redis_client.set(f"traffic:clients:{LAST - 2}", "1")
    redis_client.set("ratelimit:limits", "1")
    redis_client.zadd("ratelimit:blocked", {"10.0.0.1": NOW + 60})
    assert scrape(exporter) == {
        ("rate_limited_clients",): 1,
        ("rate_limit_blocked_until_timestamp_seconds", "10.0.0.1"): NOW + 60,
    }
    assert [problem.partition(": ")[0] for problem in problems(exporter)] == [
        "key ratelimit:limits",
        f"key traffic:clients:{LAST - 2}",
        f"key traffic:requests:{LAST}",
    ]


OFFSETS = st.one_of(st.sampled_from([-60.0, -0.25, -1e-6, 0.0, 1e-6, 0.25, 60.0]), st.floats(-7200, 7200))


@given(
    st.dictionaries(st.integers(0, 255).map("10.0.0.{}".format), OFFSETS, max_size=30),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocked_clients(
    exporter: Exporter, redis_client: redis.Redis, offsets: dict[str, float], global_limit: bool, client_limit: bool
) -> None:
    redis_client.flushall()
    if offsets:
        redis_client.zadd("ratelimit:blocked", {name: NOW + offset for name, offset in offsets.items()})
    expected: Samples = {}
    for scope, known in (("global", global_limit), ("client", client_limit)):
        if known:
            redis_client.hset("ratelimit:limits", f"{scope}_per_minute", "100")
            expected["rate_limit_requests_per_minute", scope] = 100
    blocked = {name: NOW + offset for name, offset in offsets.items() if NOW + offset > NOW}
    if blocked or global_limit or client_limit:  # without any key, nobody says that none is blocked
        expected["rate_limited_clients",] = len(blocked)
    found = scrape(exporter)
    until = {key[1]: value for key, value in found.items() if key[0].startswith("rate_limit_blocked_until")}
    assert {
        key: value for key, value in found.items() if key[0] != "rate_limit_blocked_until_timestamp_seconds"
    } == expected
    assert until.items() <= blocked.items()
    assert sorted(until.values(), reverse=True) == sorted(blocked.values(), reverse=True)[:10]


def test_limits_that_are_no_numbers(exporter: Exporter, redis_client: redis.Redis) -> None:
    redis_client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100/min"})
    assert scrape(exporter)["rate_limit_requests_per_minute", "global"] == 10000
    assert problems(exporter) == ["key ratelimit:limits, field client_per_minute: '100/min' is not a number"]
