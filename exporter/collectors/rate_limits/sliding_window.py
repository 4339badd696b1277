"""Rate limits by the times of each client's requests."""

from __future__ import annotations

from dataclasses import replace

from exporter.collectors.base import Moment
from exporter.collectors.rate_limits.adapter import MOST_CLIENTS, State, blocked_state, configured, report, scan
from exporter.collectors.values import answer_of
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource

WINDOW_SECONDS = 60


class SlidingWindow:
    """A sorted set of request times for each client, `rate_limit:ip:{client}`, of the last minute.

    A client with as many requests in the last minute as it may make is blocked until the oldest leaves it. What each
    asked for in the last 60 seconds is known, too; of the time before nothing is kept.
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
        keys = sorted(found)
        each = Moment(moment.now, moment.deadline)
        since = f"({moment.seconds - WINDOW_SECONDS!r}"
        answers = await redis.read([("ZCOUNT", key, since, "(+inf") for key in keys], moment.deadline)
        counts = {key: answer_of(each, key, answer) or 0 for key, answer in zip(keys, answers, strict=True)}
        full = [key for key, count in counts.items() if count >= limit]
        # The request whose leaving brings the client below its limit again.
        nth = [("ZREVRANGEBYSCORE", key, "(+inf", since, "WITHSCORES", "LIMIT", int(limit) - 1, 1) for key in full]
        blocked = {
            key.removeprefix(self.PREFIX): float(answer[1]) + WINDOW_SECONDS
            for key, answer in zip(full, await redis.read(nth, moment.deadline), strict=True)
            if answer_of(each, key, answer)
        }
        report(moment, each.problems)
        state = blocked_state(self._limits, blocked, known=bool(keys) and not each.problems)
        # One without a name would be a series without a label.
        named = {name: count for key, count in counts.items() if count and (name := key.removeprefix(self.PREFIX))}
        ranked = sorted(named.items(), key=lambda item: (-item[1], item[0]))
        return replace(state, busiest=ranked[:MOST_CLIENTS] if keys else None)
