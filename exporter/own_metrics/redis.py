"""An entry of Redis keys: numbers and lengths, all in one round trip.

ticketing_own_mail_queue_length 17
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exporter.collectors.base import Moment
from exporter.collectors.values import answer_of, number
from exporter.exposition import Family, Metric, Number
from exporter.own_metrics.config import PREFIX, FromRedis, Read
from exporter.sources.redis import Command, RedisSource


def command(read: Read) -> Command:
    """What Redis is asked."""
    return (read.command, read.key) if read.field is None else (read.command, read.key, read.field)


def value_of(moment: Moment, read: Read, answer: Any) -> Number | None:
    """What an answer says; None when nothing is there, or (with a problem reported) no number."""
    if read.command in ("GET", "HGET"):
        named = read.key if read.field is None else f"{read.key}, field {read.field}"
        return number(moment, named, answer)
    length = answer_of(moment, read.key, answer)
    return None if length is None else int(length)


class Reads:
    """Collects one entry.

    Args:
        entry: what is read.
        redis: where.
    """

    def __init__(self, entry: FromRedis, redis: RedisSource) -> None:
        self._redis = redis
        self._reads = {Metric(PREFIX + name, "gauge", read.help): read for name, read in entry.values.items()}

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        answers = await self._redis.read([command(read) for read in self._reads.values()], moment.deadline)
        families = []
        for (metric, read), answer in zip(self._reads.items(), answers, strict=True):
            value = value_of(moment, read, answer)
            if value is not None:
                families.append(Family(metric).add(value if read.factor == 1 else value * read.factor))
        return families
