"""Which of the contract's keys Redis has now; it is asked for their types alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from common.deadline import Deadline, DeadlineExceededError
from common.secret_text import SecretError, SecretText
from contract.definition import REDIS_KEYS
from exporter.absence import KEYS
from exporter.sources.redis import RedisError, RedisSource
from exporter.waiting import complete

SECONDS = 5.0


@dataclass(frozen=True)
class Keys:
    """The contract's keys, without the minute of those that have one.

    Attributes:
        absent: none of them is ever there, as there is no Redis, or it has no key of the contract.
        missing: those that are not there now while others are.
        problem: why nothing is known.
    """

    absent: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str | None = None


def look_for_keys(redis_url: SecretText) -> Keys:
    """What is there; without a REDIS_URL the platform has no Redis."""
    if redis_url.origin is None:
        return Keys(absent=KEYS)
    client = RedisSource(redis_url, "ticketing-exporter/draft")
    minute = int(time.time() // 60) - 1
    try:
        commands = [("TYPE", key.name.format(minute=minute)) for key in REDIS_KEYS]
        kinds = complete(client.read(commands, Deadline(SECONDS)))
    except (RedisError, DeadlineExceededError, SecretError) as error:
        return Keys(problem=str(error))
    finally:
        client.close()
    gone = tuple(name for name, kind in zip(KEYS, kinds, strict=True) if kind == "none")
    return Keys(absent=gone) if gone == KEYS else Keys(missing=gone)
