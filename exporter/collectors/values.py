"""Values of Redis keys: absent when missing, a reported problem when they are not what the contract says."""

from __future__ import annotations

import math
from typing import Any

import redis

from common.redaction import describe
from exporter.collectors.base import Moment
from exporter.sources.byte_text import shown

LONGEST_NAME = 200
"""Characters of a key's name in a message: a client may have had a hand in it."""


def number(moment: Moment, key: str, answer: Any) -> float | None:
    """A finite number; None when the key is missing, or (with a problem reported) holds anything else."""
    written = answer_of(moment, key, answer)
    if written is None:
        return None
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    # Python also takes "1_000" and the digits of other scripts, which no writer of numbers means.
    if not math.isfinite(value) or "_" in written or not written.isascii():
        moment.problem(f"key {_named(key)}: {written[:40]!r} is not a number")
        return None
    return value


def text(moment: Moment, key: str, answer: Any) -> str | None:
    """A string, as it is shown; None when the key is missing, or (with a problem reported) is of another type."""
    checked = answer_of(moment, key, answer)
    return None if checked is None else shown(str(checked))


def answer_of(moment: Moment, key: str, answer: Any) -> Any:
    """An answer as it is; None when Redis refused the command, which is reported."""
    if isinstance(answer, redis.RedisError):
        moment.problem(f"key {_named(key)}: {shown(describe(answer))}")
        return None
    return answer


def _named(key: str) -> str:
    name = shown(key)
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
