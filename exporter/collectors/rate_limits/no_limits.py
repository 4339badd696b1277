"""No rate limits."""

from __future__ import annotations

from exporter.collectors.base import Moment
from exporter.collectors.rate_limits.adapter import State
from exporter.config import RateLimits
from exporter.sources.redis import RedisSource


class NoLimits:
    """A platform that limits nobody: the feature rate_limits is absent, and nothing is read."""

    PREFIX = ""

    def __init__(self, config: RateLimits) -> None:
        del config

    async def read(self, moment: Moment, redis: RedisSource) -> State:  # noqa: ARG002
        """See `Adapter`."""
        return State()
