"""One collection at a time: whoever asks while it is under way gets what comes of it, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from common.deadline import Deadline
from common.redaction import redactor
from exporter.collectors.base import Moment, Part
from exporter.exposition import Rendered, render

Result = TypeVar("Result")


class Flight(Generic[Result]):
    """Something under way that has one result, for all who wait."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._result: Result | None = None
        self._flying = threading.Lock()
        self._flying.acquire()

    def land(self, result: Result | None) -> None:
        """Hand the result to all who wait; None when there is none."""
        self._result = result
        self._flying.release()

    def wait(self, deadline: Deadline) -> Result | None:
        """The result; None when there is none in time."""
        if self._result is None and self._flying.acquire(timeout=max(0.0, deadline.remaining())):
            self._flying.release()
        return self._result


@dataclass(frozen=True)
class Outcome:
    """What came of one collection of one part.

    Attributes:
        families: rendered families; none when it failed.
        problems: why it failed, or which values were unusable.
        seconds: how long it took.
    """

    families: Rendered
    problems: Sequence[str]
    seconds: float


class Runway:
    """Runs one part, one flight at a time."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._current: Flight[Outcome] | None = None

    def board(self, deadline: Deadline) -> tuple[Flight[Outcome], bool]:
        """The flight under way, or a new one, and whether it is new: then whoever asked must `fly` it."""
        with self._lock:
            if self._current is not None:
                return self._current, False
            self._current = Flight(deadline)
            return self._current, True

    async def fly(self, flight: Flight[Outcome], now: int) -> None:
        """Run the part; whatever it raises becomes its outcome."""
        started = time.perf_counter()
        moment = Moment(now, flight.deadline)
        families: Rendered = ()
        error = ["interrupted"]
        try:
            families, error = render(await self._part(moment)), []
        except Exception as raised:
            error = [redactor.redact(str(raised)) or type(raised).__name__]
        finally:
            with self._lock:
                self._current = None
            flight.land(Outcome(families, [*moment.problems, *error], time.perf_counter() - started))
