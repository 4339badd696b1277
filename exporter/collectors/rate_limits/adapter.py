"""What an adapter reads, and what several of them need for that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.deadline import Deadline
from exporter.collectors.base import Moment
from exporter.collectors.values import answer_of
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource

MOST_CLIENTS = 10
SCAN_SECONDS = 0.5
SCAN_COUNT = 1000
MOST_PROBLEMS = 5
"""Keys that cannot be used and are reported one by one."""


@dataclass
class State:
    """What is known of the rate limits.

    Attributes:
        limits: requests per minute by scope, `global` and `client`.
        blocked: clients blocked now; None when that is not known.
        blocked_until: blocked clients with the unix time their block ends, the latest first.
        busiest: clients with their requests of the last 60 seconds, the busiest first; None when that is not known.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    blocked: int | None = None
    blocked_until: Sequence[tuple[str, float]] = ()
    busiest: Sequence[tuple[str, int]] | None = None


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


def configured(config: RateLimits) -> dict[str, float]:
    """The limits of a platform that keeps them in its code."""
    return {scope: float(limit) for scope, limit in config.told.items()}


def blocked_state(limits: Mapping[str, float], blocked: Mapping[str, float], *, known: bool) -> State:
    """The state of these clients, blocked until so many unix seconds; their number only where all of them are known."""
    latest = sorted(blocked.items(), key=lambda item: (-item[1], item[0]))
    # A key that cannot be used may be that of one more.
    return State(limits, len(blocked) if known else None, latest[:MOST_CLIENTS])


def report(moment: Moment, problems: Sequence[str]) -> None:
    """Report problems of single keys, of which there may be as many as clients, in a few lines."""
    for problem in sorted(problems)[:MOST_PROBLEMS]:
        moment.problem(problem)
    if len(problems) > MOST_PROBLEMS:
        moment.problem(f"{len(problems) - MOST_PROBLEMS} more keys of the rate limiter cannot be used")


async def scan(moment: Moment, redis: RedisSource, prefix: str) -> set[str] | None:
    """All keys that begin so; None, with a problem reported, when they cannot be had, or not within half a second."""
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"
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
