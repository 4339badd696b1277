"""Rate limits as different platforms keep them in Redis: one adapter each, chosen in the configuration.

To add an adapter: a class with a method `read`, and a line in `ADAPTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.deadline import Deadline
from contract.definition import BLOCKED_CLIENTS, RATE_LIMIT_FIELDS, RATE_LIMITS
from exporter.collectors.base import Moment
from exporter.collectors.values import answer_of, number
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource

MOST_CLIENTS = 10
SCAN_SECONDS = 0.5
SCAN_COUNT = 1000
WINDOW_SECONDS = 60
MOST_PROBLEMS = 5
"""Keys that cannot be used and are reported one by one: there may be as many as clients."""


@dataclass
class State:
    """What is known of the rate limits.

    Attributes:
        limits: requests per minute by scope, `global` and `client`.
        blocked: clients blocked now; None when that is not known.
        blocked_until: blocked clients with the unix time their block ends, the latest first.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    blocked: int | None = None
    blocked_until: Sequence[tuple[str, float]] = ()


class Adapter(Protocol):
    """One way of keeping rate limits.

    Attributes:
        PREFIX: what the names of its keys begin with.
    """

    PREFIX: str

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """The state now.

        Raises:
            RedisError: Redis cannot be read.
        """
        ...


class ContractKeys:
    """The contract's keys: the hash `ratelimit:limits` and the sorted set `ratelimit:blocked`."""

    PREFIX = "ratelimit:"

    def __init__(self, config: RateLimits) -> None:
        del config  # the limits are in Redis

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        after_now = f"({moment.seconds!r}"
        answers = await redis.read(
            [
                ("HMGET", RATE_LIMITS, *RATE_LIMIT_FIELDS.values()),
                ("ZCOUNT", BLOCKED_CLIENTS, after_now, "+inf"),
                (
                    "ZREVRANGEBYSCORE",
                    BLOCKED_CLIENTS,
                    "+inf",
                    after_now,
                    "WITHSCORES",
                    "LIMIT",
                    0,
                    MOST_CLIENTS,
                ),
            ],
            moment.deadline,
        )
        limits = {}
        fields = answer_of(moment, RATE_LIMITS, answers[0]) or (None, None)
        for (scope, name), value in zip(RATE_LIMIT_FIELDS.items(), fields, strict=True):
            limit = number(moment, f"{RATE_LIMITS}, field {name}", value)
            if limit is not None:
                limits[scope] = limit
        blocked = answer_of(moment, BLOCKED_CLIENTS, answers[1])
        # Redis has no empty sets: when nobody is blocked, the key is missing. That it is so is known only from a
        # limiter that is there, and one that is there has written its limits.
        if blocked == 0 and not limits:
            blocked = None
        flat = [] if isinstance(answers[2], Exception) else answers[2]
        return State(
            limits, blocked, [(client, float(until)) for client, until in zip(flat[::2], flat[1::2], strict=True)]
        )


class FlaskLimiter:
    """Flask-Limiter's fixed windows: `LIMITS:LIMITER/{client}/{scope}/{amount}/{multiples}/{granularity}`.

    The value counts the requests of the window that ends when the key expires; above the amount the client
    is blocked until then.
    """

    PREFIX = "LIMITS:LIMITER/"

    def __init__(self, config: RateLimits) -> None:
        self._limits = _configured(config)

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        found = await _scan(moment, redis, f"{self.PREFIX}*")
        if found is None:
            return State(self._limits)
        keys = {key: parts for key in found if (parts := key.split("/"))[3:]}
        answers = await redis.read(
            [command for key in keys for command in (("GET", key), ("PTTL", key))], moment.deadline
        )
        each = Moment(moment.now, moment.deadline)
        blocked: dict[str, float] = {}
        for (key, parts), count, left in zip(keys.items(), answers[::2], answers[1::2], strict=True):
            # The scope may contain slashes itself: the client comes first, the limit last.
            amount = number(each, f"{key}, its amount", parts[-3])
            used = number(each, key, count)
            if amount is not None and used is not None and used > amount and (answer_of(each, key, left) or 0) > 0:
                until = moment.seconds + left / 1000
                blocked[parts[1]] = max(until, blocked.get(parts[1], until))
        _report(moment, each.problems)
        return _blocked_state(self._limits, blocked, known=not each.problems)


class SlidingWindow:
    """A sorted set of request times for each client, `rate_limit:ip:{client}`, of the last minute.

    A client with as many requests in the last minute as it may make is blocked until the oldest leaves it.
    """

    PREFIX = "rate_limit:ip:"

    def __init__(self, config: RateLimits) -> None:
        self._limits = _configured(config)

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        limit = self._limits.get("client")
        if limit is None:
            return State(self._limits)
        found = await _scan(moment, redis, f"{self.PREFIX}*")
        if found is None:
            return State(self._limits)
        keys = list(found)
        each = Moment(moment.now, moment.deadline)
        since = f"({moment.seconds - WINDOW_SECONDS!r}"
        counts = await redis.read([("ZCOUNT", key, since, "+inf") for key in keys], moment.deadline)
        full = [key for key, count in zip(keys, counts, strict=True) if (answer_of(each, key, count) or 0) >= limit]
        # The request whose leaving brings the client below its limit again.
        nth = [("ZREVRANGE", key, int(limit) - 1, int(limit) - 1, "WITHSCORES") for key in full]
        blocked = {
            key.removeprefix(self.PREFIX): float(answer[1]) + WINDOW_SECONDS
            for key, answer in zip(full, await redis.read(nth, moment.deadline), strict=True)
            if answer_of(each, key, answer)
        }
        _report(moment, each.problems)
        return _blocked_state(self._limits, blocked, known=not each.problems)


ADAPTERS: Mapping[str, Callable[[RateLimits], Adapter]] = {
    "contract": ContractKeys,
    "flask-limiter": FlaskLimiter,
    "sliding-window": SlidingWindow,
}


def _configured(config: RateLimits) -> dict[str, float]:
    limits = {"global": config.global_per_minute, "client": config.client_per_minute}
    return {scope: float(limit) for scope, limit in limits.items() if limit is not None}


def _blocked_state(limits: Mapping[str, float], blocked: Mapping[str, float], *, known: bool) -> State:
    latest = sorted(blocked.items(), key=lambda item: (-item[1], item[0]))
    # A key that cannot be used may be that of one more.
    return State(limits, len(blocked) if known else None, latest[:MOST_CLIENTS])


def _report(moment: Moment, problems: Sequence[str]) -> None:
    for problem in sorted(problems)[:MOST_PROBLEMS]:
        moment.problem(problem)
    if len(problems) > MOST_PROBLEMS:
        moment.problem(f"{len(problems) - MOST_PROBLEMS} more keys of the rate limiter cannot be used")


async def _scan(moment: Moment, redis: RedisSource, pattern: str) -> set[str] | None:
    """All keys of a pattern; None, with a problem reported, when they cannot be had within half a second, or at all."""
    budget = Deadline(min(SCAN_SECONDS, moment.deadline.remaining()))
    found: set[str] = set()
    cursor: Any = 0
    while True:
        (raw,) = await redis.read([("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)], moment.deadline)
        answer = answer_of(moment, pattern, raw)
        if answer is None:
            return None
        cursor, keys = answer
        found.update(keys)
        if int(cursor) == 0:
            return found
        if budget.remaining() <= 0:
            moment.problem(f"Redis: there are too many keys to find {pattern} within {budget.seconds:.1f} s")
            return None
