"""Rate limits of Flask-Limiter, as its library keeps them in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exporter.collectors.base import Moment
from exporter.collectors.rate_limits.adapter import State, blocked_state, configured, report, scan
from exporter.collectors.values import answer_of, number
from exporter.config import RateLimits
from exporter.sources.redis import Command, RedisSource

# Client, scope, amount, multiples, granularity.
_PARTS = 5
_GRANULARITIES = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "month": 30 * 86400,
    "year": 12 * 30 * 86400,
}
"""Seconds, as the library has them."""


@dataclass(frozen=True)
class _Window:
    """A limit of one client, as one key holds it.

    Attributes:
        key: its name.
        client: whose it is.
        amount: requests that are let through.
        seconds: in which they are.
        sliding: it is the current one of two windows.
    """

    key: str
    client: str
    amount: float
    seconds: float
    sliding: bool

    def commands(self, kind: object) -> list[Command]:
        """What to ask of a key of this type."""
        if kind == "list":
            return [("LINDEX", self.key, int(self.amount) - 1)]
        own = [("GET", self.key), ("PTTL", self.key)]
        previous = f"{self.key}/-1"
        return [*own, ("GET", previous), ("PTTL", previous)] if self.sliding else own

    def seconds_blocked(self, moment: Moment, kind: object, answers: Sequence[Any]) -> float:
        """How long the client is blocked still, by the answers to `commands`; 0 when it is not."""
        if kind == "list":
            oldest = number(moment, self.key, answers[0])
            return 0.0 if oldest is None else max(0.0, oldest + self.seconds - moment.seconds)
        used, left = number(moment, self.key, answers[0]), answer_of(moment, self.key, answers[1])
        if used is None or left is None or left <= 0:
            return 0.0
        if not self.sliding:
            return left / 1000 if used > self.amount else 0.0
        previous = number(moment, f"{self.key}/-1", answers[2]) or 0.0
        previous_left = max(0, answer_of(moment, f"{self.key}/-1", answers[3]) or 0)
        return self._sliding(used, left / 1000, previous, previous_left / 1000)

    def _sliding(self, current: float, current_left: float, previous: float, previous_left: float) -> float:
        """When the weighted number of requests lets one more through, as the library's own script counts them.

        The current key lives for two windows; in its second one it is the previous, and the current is empty.
        """
        ends = current_left - self.seconds
        if ends <= 0:
            return self._until(current, current_left, self.amount)
        if current < self.amount:
            wait = self._until(previous, previous_left, self.amount - current)
            if wait <= ends:
                return wait
        return max(ends, self._until(current, current_left, self.amount))

    def _until(self, count: float, left: float, room: float) -> float:
        """When so many requests of a window that ends in `left` seconds weigh less than the room there is."""
        weight = count * left / self.seconds
        return 0.0 if weight < room else left - room * self.seconds / count


class FlaskLimiter:
    """What the library `limits` keeps for Flask-Limiter, whichever of its three strategies is used.

    A key is `LIMITS:LIMITER/{client}/{scope}/{amount}/{multiples}/{granularity}`: the storage's prefix first, and
    Flask-Limiter's own prefix before the client, when there is one. Of a client everything up to the scope is taken,
    for the names of users may have slashes in them.

    - Fixed window: the number of requests, until the key expires. Above the amount the client is blocked.
    - Moving window: a list with the times of the requests that were let through. With the amount of them within the
      window the client is blocked until the oldest leaves it.
    - Sliding window counter: two numbers, under `LIMITS:{LIMITER/…}` and `LIMITS:{LIMITER/…}/-1`; the share of the
      previous one shrinks as its window passes.
    """

    NAMESPACE = "LIMITER/"

    def __init__(self, config: RateLimits) -> None:
        self._limits = configured(config)
        self.PREFIX = f"{config.storage_prefix}:"
        self._before_client = f"{config.key_prefix}/" if config.key_prefix else ""

    async def read(self, moment: Moment, redis: RedisSource) -> State:
        """See `Adapter`."""
        found = await scan(moment, redis, self.PREFIX)
        if found is None:
            return State(self._limits)
        each = Moment(moment.now, moment.deadline)
        windows = [window for key in sorted(found) if (window := self._window(each, key)) is not None]
        blocked: dict[str, float] = {}
        for window, left in zip(windows, await self._seconds_blocked(each, redis, windows), strict=True):
            if left > 0:
                until = moment.seconds + left
                blocked[window.client] = max(until, blocked.get(window.client, until))
        report(moment, each.problems)
        # Without any key nobody knows whether nobody calls, or the limiter keeps its keys elsewhere.
        return blocked_state(self._limits, blocked, known=bool(windows) and not each.problems)

    def _window(self, moment: Moment, key: str) -> _Window | None:
        name = key.removeprefix(self.PREFIX)
        sliding = name.startswith("{") and name.endswith("}")
        name = name[1:-1] if sliding else name
        if not name.startswith(f"{self.NAMESPACE}{self._before_client}"):
            return None
        parts = name.removeprefix(f"{self.NAMESPACE}{self._before_client}").split("/")
        if len(parts) < _PARTS or parts[-1] not in _GRANULARITIES:
            return None
        amount, multiples = (
            number(moment, f"{key}, its {what}", text)
            for what, text in (("amount", parts[-3]), ("multiples", parts[-2]))
        )
        if amount is None or multiples is None:
            return None
        client = "/".join(parts[: 1 - _PARTS])
        seconds = number(moment, f"{key}, its window", str(multiples * _GRANULARITIES[parts[-1]]))
        return None if seconds is None else _Window(key, client, amount, seconds, sliding)

    async def _seconds_blocked(self, moment: Moment, redis: RedisSource, windows: Sequence[_Window]) -> list[float]:
        """How long each client is blocked still; 0 when it is not."""
        kinds = await redis.read([("TYPE", window.key) for window in windows], moment.deadline)
        asked = [window.commands(kind) for window, kind in zip(windows, kinds, strict=True)]
        answers = iter(await redis.read([command for commands in asked for command in commands], moment.deadline))
        return [
            window.seconds_blocked(moment, kind, [next(answers) for _ in commands])
            for window, kind, commands in zip(windows, kinds, asked, strict=True)
        ]
