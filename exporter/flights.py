"""One collection of a part at a time: whoever asks while it is under way gets its outcome too."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.collectors.base import Moment, Part
from exporter.deadline import Deadline
from exporter.exposition import Rendered, render
from exporter.secrets import redactor


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


class Flight:
    """A collection under way."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self._done = threading.Event()
        self._outcome: Outcome | None = None

    def land(self, outcome: Outcome) -> None:
        """Hand the outcome to all who wait."""
        self._outcome = outcome
        self._done.set()

    @property
    def landed(self) -> bool:
        """Whether there is an outcome."""
        return self._done.is_set()

    def wait(self, deadline: Deadline) -> Outcome:
        """The outcome, or one that says that there was none in time."""
        self._done.wait(max(0.0, deadline.remaining()))
        if self._outcome is not None:
            return self._outcome
        return Outcome((), [f"no answer within {deadline.seconds:.1f} s"], deadline.seconds)


class Runway:
    """Runs one part on a thread of its own, one flight at a time.

    A part that hangs in spite of all deadlines (in the resolver, say) thus blocks this thread and nothing else,
    and those who ask for it meanwhile wait no longer than their own deadline.
    """

    def __init__(self, name: str, part: Part) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._current: Flight | None = None
        self._queue: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def depart(self, now: int, deadline: Deadline) -> Flight:
        """The flight under way, or a new one."""
        with self._lock:
            if self._current is None or self._current.landed:
                self._current = Flight(Moment(now, deadline))
                self._queue.put(self._current)
            return self._current

    def close(self) -> None:
        """End the thread once the flight under way has landed."""
        self._queue.put(None)

    def _serve(self) -> None:
        while (flight := self._queue.get()) is not None:
            flight.land(self._collect(flight.moment))

    def _collect(self, moment: Moment) -> Outcome:
        started = time.perf_counter()
        try:
            families = render(self._part(moment))
            problems = list(moment.problems)
        except Exception as error:
            families = ()
            problems = [*moment.problems, redactor.redact(str(error)) or type(error).__name__]
        return Outcome(families, problems, time.perf_counter() - started)
