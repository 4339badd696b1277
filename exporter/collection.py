"""One collection at a time: whoever asks while it is under way gets what comes of it, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from common.deadline import Deadline
from common.redaction import redactor
from exporter.collectors.base import COMPLETE, History, Moment, Part
from exporter.exposition import Family, Rendered, render

Result = TypeVar("Result")


class Collection(Generic[Result]):
    """Something under way that has one result, for all who wait.

    Attributes:
        deadline: when it is to be over.
        began: when it began, by the monotonic clock.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.began = time.monotonic()
        self._result: Result | None = None
        self._under_way = threading.Lock()
        self._under_way.acquire()

    def finish(self, result: Result | None) -> None:
        """Hand the result to all who wait; None when there is none. To be called once."""
        self._result = result
        self._under_way.release()

    def wait(self, deadline: Deadline) -> Result | None:
        """The result; None when there is none in time."""
        if self._result is None and self._under_way.acquire(timeout=max(0.0, deadline.remaining())):
            self._under_way.release()
        return self._result


@dataclass(frozen=True)
class Outcome:
    """What came of one collection of one part.

    Attributes:
        families: rendered families; none when it failed.
        problems: why it failed, or which values were unusable.
        seconds: how long it took.
        rejected: how many values were left out, by what is wrong with them.
        history: what is still to be read.
    """

    families: Rendered
    problems: Sequence[str]
    seconds: float
    rejected: Mapping[str, int] = field(default_factory=dict)
    history: History = COMPLETE


class SharedPart:
    """Collects one part, once at a time."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._current: Collection[Outcome] | None = None

    def join(self, deadline: Deadline) -> tuple[Collection[Outcome], bool]:
        """The collection under way, or a new one, and whether it is new.

        Whoever gets a new one must `collect`, and `end` it whatever happens: all others wait for it.
        """
        with self._lock:
            if self._current is not None:
                return self._current, False
            self._current = Collection(deadline)
            return self._current, True

    async def collect(self, collection: Collection[Outcome], now: int) -> None:
        """Run the part; whatever it raises becomes its outcome."""
        started = time.perf_counter()
        moment = Moment(now, collection.deadline)
        families: Rendered = ()
        try:
            families, error = _rendered(moment, await self._part(moment)), []
        except Exception as raised:
            error = [_described(raised)]
        seconds = time.perf_counter() - started
        self.end(collection, Outcome(families, [*moment.problems, *error], seconds, moment.rejected, moment.history))

    def end(self, collection: Collection[Outcome], outcome: Outcome) -> None:
        """Hand the outcome to all who wait, unless they have one already."""
        with self._lock:
            if self._current is not collection:
                return
            self._current = None
        collection.finish(outcome)


def _described(error: Exception) -> str:
    try:
        return redactor.redact(str(error)) or type(error).__name__
    except Exception:  # an error that cannot be told
        return type(error).__name__


def _rendered(moment: Moment, families: Iterable[Family]) -> Rendered:
    families = list(families)
    for family in families:
        moment.reject(f"{family.metric.name} is not a finite number", family.not_finite)
    return render(families)
