"""Rate limits by the times of each client's requests."""

from __future__ import annotations

from exporter.collectors.base import Moment
from exporter.collectors.rate_limits.adapter import State, blocked_state, configured, report, scan
from exporter.collectors.values import answer_of
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource

WINDOW_SECONDS = 60


class SlidingWindow:
    """A sorted set of request times for each client, `rate_limit:ip:{client}`, of the last minute.

    A client with as many requests in the last minute as it may make is blocked until the oldest leaves it.
    """

    PREFIX = "rate_limit:ip:"

    def __init__(self, config: RateLimits) -> None:
        self._limits = configured(config)

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        limit = self._limits.get("client")
        if limit is None:
            return State(self._limits)
        found = await scan(moment, redis, self.PREFIX)
        if found is None:
            return State(self._limits)
        keys = list(found)
        each = Moment(moment.now, moment.deadline)
        since = f"({moment.seconds - WINDOW_SECONDS!r}"
        counts = await redis.read([("ZCOUNT", key, since, "(+inf") for key in keys], moment.deadline)
        full = [key for key, count in zip(keys, counts, strict=True) if (answer_of(each, key, count) or 0) >= limit]
        # The request whose leaving brings the client below its limit again.
        nth = [("ZREVRANGEBYSCORE", key, "(+inf", since, "WITHSCORES", "LIMIT", int(limit) - 1, 1) for key in full]
        blocked = {
            key.removeprefix(self.PREFIX): float(answer[1]) + WINDOW_SECONDS
            for key, answer in zip(full, await redis.read(nth, moment.deadline), strict=True)
            if answer_of(each, key, answer)
        }
        report(moment, each.problems)
        return blocked_state(self._limits, blocked, known=bool(keys) and not each.problems)
