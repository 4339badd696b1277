"""What the tests of the rate limiters' adapters share."""

from __future__ import annotations

import time

from common.deadline import Deadline
from exporter.collectors.base import Moment
from exporter.collectors.rate_limits import ADAPTERS, State
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource
from exporter.waiting import complete

NOW = 1_764_357_753.25
FLASK = RateLimits(adapter="flask-limiter", global_per_minute=10_000, client_per_minute=100)
SLIDING = RateLimits(adapter="sliding-window", client_per_minute=3)


def read(source: RedisSource, limits: RateLimits, now: float = NOW) -> tuple[State, list[str]]:
    """The state now, and the problems that were reported."""
    moment = Moment(round(now * 1_000_000), Deadline(20))
    return complete(ADAPTERS[limits.adapter](limits).read(moment, source)), moment.problems


def read_now(source: RedisSource, limits: RateLimits) -> State:
    """The state by the clock of this machine, without problems."""
    state, problems = read(source, limits, time.time())
    assert problems == []
    return state
