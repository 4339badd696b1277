"""Rate limits in the keys of the contract."""

from __future__ import annotations

from contract.definition import BLOCKED_CLIENTS, RATE_LIMIT_FIELDS, RATE_LIMITS
from exporter.collectors.base import Moment
from exporter.collectors.rate_limits.adapter import MOST_CLIENTS, State
from exporter.collectors.values import answer_of, number
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource


class ContractKeys:
    """The contract's keys: the hash `ratelimit:limits` and the sorted set `ratelimit:blocked`."""

    PREFIX = "ratelimit:"

    def __init__(self, config: RateLimits) -> None:
        del config  # the limits are in Redis

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        # Beyond all times there is no end, and many of those would hide all others.
        after_now, before_never = f"({moment.seconds!r}", "(+inf"
        answers = await redis.read(
            [
                ("HMGET", RATE_LIMITS, *RATE_LIMIT_FIELDS.values()),
                ("ZCOUNT", BLOCKED_CLIENTS, after_now, before_never),
                (
                    "ZREVRANGEBYSCORE",
                    BLOCKED_CLIENTS,
                    before_never,
                    after_now,
                    "WITHSCORES",
                    "LIMIT",
                    0,
                    MOST_CLIENTS,
                ),
                ("ZCOUNT", BLOCKED_CLIENTS, "+inf", "+inf"),
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
        if isinstance(answers[3], int):
            moment.reject(f"key {BLOCKED_CLIENTS}: a block ends at an infinite time", answers[3])
        flat = [] if isinstance(answers[2], Exception) else answers[2]
        return State(
            limits, blocked, [(client, float(until)) for client, until in zip(flat[::2], flat[1::2], strict=True)]
        )
