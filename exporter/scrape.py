"""A scrape: its sections side by side under one deadline, each failing alone."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter import process
from exporter.collectors.base import Collector, Source
from exporter.deadline import Deadline
from exporter.exposition import Family, Metric, Rendered, assemble, render
from exporter.flights import Crew, Flight, Outcome, Runway
from exporter.version import VERSION

logger = logging.getLogger(__name__)

SUCCESS = Metric(
    "ticketing_exporter_collector_success",
    "gauge",
    "1 when the section was collected as a whole in this scrape, else 0.",
    ("collector",),
)
DURATION = Metric(
    "ticketing_exporter_collector_duration_seconds",
    "gauge",
    "How long the collection of the section took, in seconds.",
    ("collector",),
)
LAST_SUCCESS = Metric(
    "ticketing_exporter_collector_last_success_timestamp_seconds",
    "gauge",
    "Unix time at which the section was last collected as a whole; absent until it was.",
    ("collector",),
)
BUILD_INFO = Metric(
    "ticketing_exporter_build_info",
    "gauge",
    "1, with the versions of what runs.",
    ("version", "python_version"),
)

MORE_SECONDS = 0.1
"""A scrape that has so much more time than the one whose collection failed tries again."""

METRICS = (SUCCESS, DURATION, LAST_SUCCESS, BUILD_INFO)


@dataclass(frozen=True)
class Status:
    """The state of a section as of its last collection.

    Attributes:
        success: it was collected as a whole.
        problems: why not.
        seconds: how long it took.
        last_success: unix time at which it last was; None until it was.
    """

    success: bool
    problems: Sequence[str]
    seconds: float
    last_success: float | None


class Scraper:
    """Collects sections on demand.

    Args:
        collectors: the sections.
        clock: unix time in seconds; the windows of a scrape end at the time it begins.
    """

    def __init__(self, collectors: Iterable[Collector], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._redis_crew = Crew("redis")
        self._crews = [self._redis_crew]
        self._runways: Mapping[str, list[Runway]] = {
            collector.section: [Runway(part, self._crew(source, collector.section)) for source, part in collector.parts]
            for collector in collectors
        }
        self._lock = threading.Lock()
        self._statuses: dict[str, Status] = {}
        self._build_info = render([Family(BUILD_INFO).add(1, VERSION, platform.python_version())])

    @property
    def sections(self) -> Sequence[str]:
        """The names of all sections."""
        return tuple(self._runways)

    def close(self) -> None:
        """End all threads."""
        for crew in self._crews:
            crew.close()

    def statuses(self) -> dict[str, Status]:
        """The state of each section that was ever asked for."""
        with self._lock:
            return dict(self._statuses)

    def scrape(self, sections: Sequence[str], seconds: float, *, openmetrics: bool = False) -> bytes:
        """The metrics of these sections, after at most so many seconds.

        Raises:
            KeyError: there is no such section.
        """
        deadline = Deadline(seconds)
        now = round(self._clock() * 1_000_000)
        flights = {section: [runway.depart(now, deadline) for runway in self._runways[section]] for section in sections}
        pieces: list[Rendered] = []
        own = (Family(SUCCESS), Family(DURATION), Family(LAST_SUCCESS))
        for section, under_way in flights.items():
            outcomes = [
                self._outcome(runway, flight, now, deadline)
                for runway, flight in zip(self._runways[section], under_way, strict=True)
            ]
            pieces += [outcome.families for outcome in outcomes]
            self._report(section, self._note(section, outcomes), own)
        return assemble([*pieces, render(own), self._build_info, render(process.families())], openmetrics=openmetrics)

    def _crew(self, source: Source, section: str) -> Crew | None:
        if source == "redis":
            return self._redis_crew
        if source == "probes":
            return None
        self._crews.append(Crew(section))
        return self._crews[-1]

    def _outcome(self, runway: Runway, flight: Flight, now: int, deadline: Deadline) -> Outcome:
        outcome = flight.wait(deadline)
        while outcome.problems and deadline.remaining() > max(0.0, flight.moment.deadline.remaining() + MORE_SECONDS):
            # It may have failed for want of the time that another scrape had; there is more in this one.
            flight = runway.depart(now, deadline)
            outcome = flight.wait(deadline)
        return outcome

    def _note(self, section: str, outcomes: Sequence[Outcome]) -> Status:
        problems = sorted({problem for outcome in outcomes for problem in outcome.problems})
        seconds = max(outcome.seconds for outcome in outcomes)
        with self._lock:
            before = self._statuses.get(section)
            last_success = before.last_success if before else None
            status = Status(not problems, problems, seconds, last_success if problems else self._clock())
            self._statuses[section] = status
        if problems and (before is None or before.success or before.problems != problems):
            logger.warning("section %s fails: %s", section, "; ".join(problems))
        elif not problems and before is not None and not before.success:
            logger.info("section %s is collected again", section)
        return status

    def _report(self, section: str, status: Status, own: tuple[Family, Family, Family]) -> None:
        success, duration, last_success = own
        success.add(int(status.success), section)
        duration.add(round(status.seconds, 6), section)
        if status.last_success is not None:
            last_success.add(round(status.last_success, 3), section)
