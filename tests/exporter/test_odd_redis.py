"""One odd value, score, name or type in any Redis key that is read costs itself and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from contract.definition import REDIS_KEYS
from exporter.app import Exporter
from exporter.config import Config, RateLimits
from exporter.sources.byte_text import shown
from exporter.sources.redis_text import packed
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import Samples
from tests.exporter.web.serving import exporter_of

NOW = 1_764_357_753.25
MINUTE = int(NOW // 60) - 1
CLIENTS = {"203.0.113.1": 30.0, "203.0.113.2": 20.0, "203.0.113.3": 10.0}
STRINGS = {
    "kpi:txn_per_hour": ("100", "ticketing_kpi_transactions_per_hour"),
    "kpi:fraud_rate": ("1", "ticketing_kpi_fraud_rate_ratio"),
    "kpi:latency_p95": ("50", "ticketing_kpi_api_latency_p95_seconds"),
    "kpi:revenue_per_hour": ("1000", "ticketing_kpi_revenue_per_hour_usd"),
    "kpi:updated_at": (str(NOW), "ticketing_kpi_updated_timestamp_seconds"),
    "config:fraud_threshold": ("0.6", "ticketing_fraud_threshold_ratio"),
    "config:fraud_model": ("xgboost", "ticketing_fraud_model_active"),
    f"traffic:requests:{MINUTE}": ("60", "ticketing_api_requests_per_minute"),
}
HASH = {"global_per_minute": "1000", "client_per_minute": "100"}
OF_CLIENTS = {"ticketing_client_requests", "ticketing_client_requests_per_minute"}
LIMIT, LIMITED = "ticketing_rate_limit_requests_per_minute", "ticketing_rate_limited_clients"
BLOCKED_UNTIL = "ticketing_rate_limit_blocked_until_timestamp_seconds"

NUMBERS = ("", "NaN", "nan", "inf", "-Infinity", "1e400", "-1e400", "x" * 10_000, b"\xff\xfe", "1_0", "0x10", "٣", "{}")
TYPES: dict[str, Callable[[redis.Redis, str], Any]] = {
    "string": lambda client, key: client.set(key, b"\xff"),
    "list": lambda client, key: client.rpush(key, "1"),
    "hash": lambda client, key: client.hset(key, "1", "1"),
    "set": lambda client, key: client.sadd(key, "1"),
    "zset": lambda client, key: client.zadd(key, {"1": 1}),
    "stream": lambda client, key: client.xadd(key, {"1": "1"}),
}
BYTES = st.one_of(
    st.binary(max_size=8),
    st.lists(st.sampled_from([b"\\", b"x", b"5c", b"ff", b"\xff", b"\xc3", b"\xa9"]), max_size=8).map(b"".join),
)
SCORES = ("inf", "-inf", "1e308", "-1e308", -1, 2**53, 2**64)
NAMES: tuple[Any, ...] = (
    "",
    b"\xff",
    b"\xfe",
    b"\xff\xfe",
    "\\xff",
    "\\x5cxff",
    "\\",
    '"\n',
    "🎫",
    "x" * 10_000,
    "a/b",
)
"""The third to sixth look alike where a byte that is not UTF-8 is shown as it is usually."""


@dataclass
class Scraped:
    """What one scrape tells, and what it says that is wrong."""

    samples: Samples
    complaints: int

    def of(self, metric: str) -> dict[str, float]:
        """Values by the first label's."""
        return {labels[0][1]: value for (name, labels), value in self.samples.items() if name == metric}


def scrape(exporter: Exporter) -> Scraped:
    text = exporter.scraper.scrape(["kpis", "fraud", "traffic"], 30).text.decode()
    found: Samples = {}
    rejected = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert math.isfinite(sample.value), key
            assert key not in found, key
            if sample.name == "ticketing_exporter_rejected_values":
                rejected += sample.value
            if not sample.name.startswith(("ticketing_exporter_", "ticketing_source_", "process_")):
                found[key] = sample.value
    problems = [text for status in exporter.scraper.statuses().values() for text in status.problems]
    return Scraped(found, round(rejected) + sum(text.startswith(("key ", "Redis")) for text in problems))


def adapter(limits: RateLimits, server: Redis) -> Exporter:
    config = Config(probes={}, rate_limits=limits)
    return exporter_of("host=/nowhere", server.url(), config, clock=lambda: NOW)


def fill(client: redis.Redis) -> None:
    """All keys of the contract, with good values."""
    client.mset({key: value for key, (value, _) in STRINGS.items()})
    for back in range(5):
        client.zadd(f"traffic:clients:{MINUTE - back}", CLIENTS)
    for field, value in HASH.items():
        client.hset("ratelimit:limits", field, value)
    client.zadd("ratelimit:blocked", {name: NOW + requests for name, requests in CLIENTS.items()})


def hit_flask(client: redis.Redis, name: Any, kind: str) -> None:
    """A client that may not call any more, by one of Flask-Limiter's strategies."""
    raw = name if isinstance(name, bytes) else name.encode()
    key = b"LIMITER/" + raw + b"/buy/2/1/minute"
    if kind == "fixed":
        client.set(b"LIMITS:" + key, 9, px=50_000)
    elif kind == "moving":
        client.rpush(b"LIMITS:" + key, NOW - 1, NOW - 10)
    else:
        client.set(b"LIMITS:{" + key + b"}", 9, px=110_000)


def hit_sliding(client: redis.Redis, name: Any) -> None:
    """A client that may not call any more, by the times of its requests."""
    raw = name if isinstance(name, bytes) else name.encode()
    client.zadd(b"rate_limit:ip:" + raw, {"1": NOW - 1, "2": NOW - 10})


FLASK = RateLimits(adapter="flask-limiter", client_per_minute=2)
SLIDING = RateLimits(adapter="sliding-window", client_per_minute=2)
BLOCKING: dict[str, tuple[RateLimits, Callable[[redis.Redis, Any], Any]]] = {
    "contract": (RateLimits(), lambda client, name: client.zadd("ratelimit:blocked", {name: NOW + 50})),
    "fixed": (FLASK, lambda client, name: hit_flask(client, name, "fixed")),
    "moving": (FLASK, lambda client, name: hit_flask(client, name, "moving")),
    "counter": (FLASK, lambda client, name: hit_flask(client, name, "counter")),
    "sliding-window": (SLIDING, hit_sliding),
}


@pytest.fixture
def exporter(redis_server: Redis, redis_client: redis.Redis) -> Iterator[Exporter]:
    """With the contract's own rate limits."""
    fill(redis_client)
    made = adapter(RateLimits(), redis_server)
    yield made
    made.close()


def lost(before: Scraped, after: Scraped) -> set[str]:
    """The metrics of which series are gone; those that are left have the same values, but for passing time."""
    for key, value in after.samples.items():
        if key in before.samples:
            assert abs(value - before.samples[key]) <= (20 if key[0] == BLOCKED_UNTIL else 0), key
    return {name for name, _ in before.samples.keys() - after.samples.keys()}


def test_every_key_of_the_contract_is_tried(exporter: Exporter) -> None:
    tried = {*STRINGS, f"traffic:clients:{MINUTE}", "ratelimit:limits", "ratelimit:blocked"}
    assert {key.name.format(minute=MINUTE) for key in REDIS_KEYS} == tried
    found = scrape(exporter)
    assert found.complaints == 0
    assert {metric for _, metric in STRINGS.values()} | OF_CLIENTS <= {name for name, _ in found.samples}
    assert found.of(BLOCKED_UNTIL) == {name: NOW + requests for name, requests in CLIENTS.items()}


@pytest.mark.parametrize("key", STRINGS)
def test_in_a_string(exporter: Exporter, redis_client: redis.Redis, key: str) -> None:
    good, metric = STRINGS[key]
    before = scrape(exporter)
    for odd in NUMBERS:
        redis_client.set(key, odd)
        after = scrape(exporter)
        assert lost(before, after) == {metric}, odd
        # Of the model any name is good.
        assert after.complaints == (key != "config:fraud_model"), odd
        new = {name for name, _ in after.samples.keys() - before.samples.keys()}
        assert new <= {"ticketing_fraud_model_active"}, odd
    for kind, write in TYPES.items():
        redis_client.delete(key)
        write(redis_client, key)
        after = scrape(exporter)
        assert lost(before, after) == {metric}, kind
    redis_client.delete(key)
    redis_client.set(key, good)
    assert scrape(exporter) == before


@pytest.mark.parametrize("field", HASH)
def test_in_a_field(exporter: Exporter, redis_client: redis.Redis, field: str) -> None:
    before = scrape(exporter)
    for odd in NUMBERS:
        redis_client.hset("ratelimit:limits", field, odd)
        after = scrape(exporter)
        assert lost(before, after) == {LIMIT}
        assert len(after.of(LIMIT)) == 1
        assert after.complaints == 1


@pytest.mark.parametrize(
    ("key", "metrics"),
    [
        ("ratelimit:limits", {LIMIT}),
        ("ratelimit:blocked", {LIMITED, BLOCKED_UNTIL}),
        (f"traffic:clients:{MINUTE}", OF_CLIENTS),
        (f"traffic:clients:{MINUTE - 4}", OF_CLIENTS),
    ],
)
def test_another_type(exporter: Exporter, redis_client: redis.Redis, key: str, metrics: set[str]) -> None:
    before = scrape(exporter)
    kind = redis_client.type(key)
    for other, write in TYPES.items():
        if other != kind:
            redis_client.delete(key)
            write(redis_client, key)
            after = scrape(exporter)
            assert lost(before, after) == metrics, other
            assert after.complaints >= 1, other


@pytest.mark.parametrize("many", [1, 1100])
@pytest.mark.parametrize("score", SCORES)
def test_a_number_of_requests(exporter: Exporter, redis_client: redis.Redis, score: Any, many: int) -> None:
    before = scrape(exporter)
    for back in (0, 3):
        redis_client.zadd(f"traffic:clients:{MINUTE - back}", {f"odd-{n}": score for n in range(many)})
    after = scrape(exporter)
    assert after.samples == before.samples
    assert after.complaints == 2 * many


@pytest.mark.parametrize("many", [1, 1100])
@pytest.mark.parametrize("score", ["inf", "-inf"])
def test_the_end_of_a_block(exporter: Exporter, redis_client: redis.Redis, score: Any, many: int) -> None:
    before = scrape(exporter)
    redis_client.zadd("ratelimit:blocked", {f"odd-{n}": score for n in range(many)})
    after = scrape(exporter)
    assert after.samples == before.samples
    # Before now all are over, which is not odd.
    assert after.complaints == (many if score == "inf" else 0)


def test_names_of_clients(exporter: Exporter, redis_client: redis.Redis) -> None:
    before = scrape(exporter)
    # One without a name is nobody.
    names = [name for name in NAMES if name]
    for number, name in enumerate(names, 1):
        redis_client.zadd(f"traffic:clients:{MINUTE}", {name: 1000 + number})
        after = scrape(exporter).of("ticketing_client_requests")
        # Of all that there are the ten with most.
        assert sorted(after.values())[-number:] == [float(1001 + n) for n in range(number)][-10:]
        assert len(after) == min(10, number + len(CLIENTS))
    for name in names:
        redis_client.zrem(f"traffic:clients:{MINUTE}", name)
    assert scrape(exporter) == before


def test_a_client_whose_name_is_not_utf8_is_looked_up(exporter: Exporter, redis_client: redis.Redis) -> None:
    odd: list[Any] = [b"\xff", b"\xfe", "\\xff"]
    for back in range(5):
        redis_client.zadd(f"traffic:clients:{MINUTE - back}", {f"10.{back}.0.{n}": 1000 for n in range(60)})
        redis_client.zadd(f"traffic:clients:{MINUTE - back}", {name: 999 - n for n, name in enumerate(odd)})
    found = scrape(exporter)
    assert found.complaints == 0
    expected = {"\\xff": 4995.0, "\\xfe": 4990.0, "\\x5cxff": 4985.0}
    assert expected.items() <= found.of("ticketing_client_requests").items()


@pytest.mark.parametrize("kind", BLOCKING)
def test_names_of_blocked_clients(redis_server: Redis, redis_client: redis.Redis, kind: str) -> None:
    limits, block = BLOCKING[kind]
    fill(redis_client)
    redis_client.delete("ratelimit:blocked")
    exporter = adapter(limits, redis_server)
    try:
        names = [name for name in NAMES if name or kind != "contract"][:10]
        for number, name in enumerate(names, 1):
            block(redis_client, name)
            found = scrape(exporter)
            assert found.complaints == 0, name
            assert len(found.of(BLOCKED_UNTIL)) == number, name
            assert found.samples[LIMITED, ()] == number, name
    finally:
        exporter.close()


@pytest.mark.parametrize("kind", [kind for kind in BLOCKING if kind != "contract"])
def test_an_odd_key_of_a_rate_limiter(redis_server: Redis, redis_client: redis.Redis, kind: str) -> None:
    limits, block = BLOCKING[kind]
    block(redis_client, "203.0.113.1")
    exporter = adapter(limits, redis_server)
    prefix = "rate_limit:ip:" if kind == "sliding-window" else "LIMITS:LIMITER/"
    rest = "" if kind == "sliding-window" else "/buy/2/1/minute"
    try:
        before = scrape(exporter)
        assert before.of(BLOCKED_UNTIL).keys() == {"203.0.113.1"}
        for raw in ("odd", "x" * 10_000, "\\xff"):
            key = f"{prefix}{raw}{rest}"
            for write in TYPES.values():
                write(redis_client, key)
                # Whether this one blocks a client is known of none, or of one that is read.
                assert lost(before, scrape(exporter)) <= {LIMITED}
                redis_client.delete(key)
        for odd in NUMBERS if rest else ():
            redis_client.set(f"{prefix}odd{rest}", odd, px=50_000)
            assert lost(before, scrape(exporter)) == {LIMITED}
            redis_client.delete(f"{prefix}odd{rest}")
            redis_client.rpush(f"{prefix}odd{rest}", NOW, odd)
            assert lost(before, scrape(exporter)) == {LIMITED}
            redis_client.delete(f"{prefix}odd{rest}")
        for part in (
            ("1e400/1/minute", "2/1e400/minute", "2/1e308/year", "NaN/1/minute", "1e30/1/minute") if rest else ()
        ):
            redis_client.rpush(f"{prefix}odd/buy/{part}", NOW, NOW)
            assert lost(before, scrape(exporter)) == {LIMITED}, part
            redis_client.delete(f"{prefix}odd/buy/{part}")
        for score in ("inf", "-inf") if not rest else ():
            redis_client.zadd(f"{prefix}odd", {str(n): score for n in range(5)})
            assert scrape(exporter).samples == before.samples
    finally:
        exporter.close()


@given(BYTES, BYTES)
def test_two_that_differ_are_shown_as_two_and_sent_back_as_they_were(first: bytes, second: bytes) -> None:
    texts = [data.decode("utf-8", "surrogateescape") for data in (first, second)]
    assert (shown(texts[0]) == shown(texts[1])) == (first == second)
    assert packed(("GET", texts[0])) == packed(("GET", first))
