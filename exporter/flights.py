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


class Crew:
    """A thread that flies for one or several runways, one flight after the other.

    What hangs in spite of all deadlines (in the resolver, say) blocks this thread and nothing else. Flights that
    queue up behind it end at once when their turn comes, because their deadline has passed.
    """

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[tuple[Runway, Flight] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    def take(self, runway: Runway, flight: Flight) -> None:
        """Fly it when its turn comes."""
        self._queue.put((runway, flight))

    def close(self) -> None:
        """End the thread once what it was given has landed."""
        self._queue.put(None)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            runway, flight = job
            flight.land(runway.collect(flight.moment))


class Runway:
    """Runs one part, one flight at a time; those who ask meanwhile wait no longer than their own deadline.

    Args:
        part: what is run.
        crew: on whose thread; None for a part that waits for nothing, which is run where it is asked for.
    """

    def __init__(self, part: Part, crew: Crew | None) -> None:
        self._part = part
        self._crew = crew
        self._lock = threading.Lock()
        self._current: Flight | None = None

    def depart(self, now: int, deadline: Deadline) -> Flight:
        """The flight under way, or a new one."""
        with self._lock:
            if self._current is None or self._current.landed:
                self._current = Flight(Moment(now, deadline))
                if self._crew is None:
                    self._current.land(self.collect(self._current.moment))
                else:
                    self._crew.take(self, self._current)
            return self._current

    def collect(self, moment: Moment) -> Outcome:
        """Run the part; whatever it raises becomes its outcome."""
        started = time.perf_counter()
        try:
            families = render(self._part(moment))
            problems = list(moment.problems)
        except Exception as error:
            families = ()
            problems = [*moment.problems, redactor.redact(str(error)) or type(error).__name__]
        return Outcome(families, problems, time.perf_counter() - started)
