"""A scrape: its sections side by side under one deadline, each failing alone."""

from __future__ import annotations

import functools
import gzip
import logging
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.deadline import Deadline
from common.version import VERSION
from exporter import process
from exporter.absence import HAS
from exporter.collection import Collection, Outcome, SharedPart
from exporter.collectors.base import Collector, History
from exporter.exposition import Family, Metric, Rendered, assemble, render
from exporter.sources import report
from exporter.sources.status import SourceStatus
from exporter.waiting import run

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
REJECTED = Metric(
    "ticketing_exporter_rejected_values",
    "gauge",
    "Unusable values of the section, such as NaN, that are left out of its sums now.",
    ("collector",),
)
HISTORY_COMPLETE = Metric(
    "ticketing_exporter_history_complete_ratio",
    "gauge",
    "Share of the section's longest window that is read (0..1), below 1 after a start; absent while unknown.",
    ("collector",),
)
BUILD_INFO = Metric(
    "ticketing_exporter_build_info",
    "gauge",
    "1, with the versions of the exporter and of Python.",
    ("version", "python_version"),
)

MORE_SECONDS = 0.1
"""A scrape that has so much more time than the one whose collection failed tries again."""
GRACE_SECONDS = 0.1
"""A scrape waits so much beyond its own time for the answer to another, which ends with the time of that one."""

INTERRUPTED = Outcome((), ["interrupted"], 0.0)
"""Of a part that could not even be run to its end."""

OF_SECTIONS = (SUCCESS, DURATION, LAST_SUCCESS, REJECTED, HISTORY_COMPLETE)
METRICS = (*OF_SECTIONS, BUILD_INFO, HAS, *report.METRICS)


@dataclass(frozen=True)
class Status:
    """The state of a section as of its last collection.

    Attributes:
        success: it was collected as a whole.
        problems: why not.
        rejected: how many values are left out, by what is wrong with them.
        history: what is still to be read; the section succeeds meanwhile, without the windows that need it.
        seconds: how long it took.
        last_success: unix time at which it last was; None until it was.
    """

    success: bool
    problems: Sequence[str]
    rejected: Mapping[str, int]
    history: History
    seconds: float
    last_success: float | None


class Exposition:
    """The answer to a scrape, for all who asked for the same at that time.

    Attributes:
        text: in the format asked for.
        complete: no section failed.
    """

    def __init__(self, text: bytes, complete: bool) -> None:
        self.text = text
        self.complete = complete
        self._compressing = threading.Lock()
        self._gzip: bytes | None = None

    def gzip(self) -> bytes:
        """The text, compressed; once for all."""
        with self._compressing:
            if self._gzip is None:
                self._gzip = gzip.compress(self.text, compresslevel=1, mtime=0)
            return self._gzip


class Scraper:
    """Collects sections on demand.

    Args:
        collectors: the sections.
        clock: unix time in seconds.
        constant: rendered families that are part of every answer.
        statuses: of what they read.
    """

    def __init__(
        self,
        collectors: Iterable[Collector],
        clock: Callable[[], float] = time.time,
        constant: Rendered = (),
        statuses: Sequence[SourceStatus] = (),
    ) -> None:
        self._clock = clock
        self._constant = constant
        self._sources = statuses
        self._parts: dict[str, list[SharedPart]] = {}
        self._collectors: dict[str, list[str]] = {}
        for collector in collectors:
            self._parts[collector.name] = [SharedPart(part) for part in collector.parts]
            self._collectors.setdefault(collector.section, []).append(collector.name)
        self._process = SharedPart(process.report)
        self._lock = threading.Lock()
        self._scrapes: dict[tuple[tuple[str, ...], bool], Collection[Exposition]] = {}
        self._statuses: dict[str, Status] = {}
        self._build_info = render([Family(BUILD_INFO).add(1, VERSION, platform.python_version())])

    @property
    def sections(self) -> Sequence[str]:
        """The names of all sections."""
        return tuple(self._collectors)

    @property
    def collectors(self) -> Mapping[str, Sequence[str]]:
        """By section, the names of what is collected with it: itself, and an operator's own metrics."""
        return self._collectors

    def statuses(self) -> dict[str, Status]:
        """The state of each section, and of each of an operator's own metrics, that was ever asked for."""
        with self._lock:
            return dict(self._statuses)

    def sources(self) -> dict[str, report.SourceState]:
        """The state of each source that was ever asked."""
        return report.states(self._sources, self._clock())

    def scrape(self, sections: Sequence[str], seconds: float, *, openmetrics: bool = False) -> Exposition:
        """The metrics of these sections, after at most so many seconds.

        Raises:
            KeyError: there is no such section.
        """
        deadline = Deadline(seconds)
        asked = (tuple(sections), openmetrics)
        with self._lock:
            under_way = self._scrapes.get(asked)
            own = under_way or self._scrapes.setdefault(asked, Collection(deadline))
        if under_way is None:
            answer = None
            try:
                answer = self._collect(sections, deadline, openmetrics=openmetrics)
            finally:
                with self._lock:
                    del self._scrapes[asked]
                own.finish(answer)
            return answer
        if under_way.deadline.remaining() <= deadline.remaining() + GRACE_SECONDS / 2:
            answer = under_way.wait(Deadline(deadline.remaining() + GRACE_SECONDS))
            if answer is not None and (answer.complete or not _more_time(deadline, under_way)):
                return answer
        # Its parts are shared all the same, and those that are there in time are delivered.
        return self._collect(sections, deadline, openmetrics=openmetrics)

    def _collect(self, sections: Sequence[str], deadline: Deadline, *, openmetrics: bool) -> Exposition:
        now = round(self._clock() * 1_000_000)
        names = [name for section in sections for name in self._collectors[section]]
        parts = [*(part for name in names for part in self._parts[name]), self._process]
        collections = self._run(parts, now, deadline)
        outcomes = {
            part: self._outcome(part, collection, now, deadline)
            for part, collection in zip(parts, collections, strict=True)
        }
        # What a source said to one that was joined was said before.
        since = min(collection.began for collection in collections)
        sources = report.families(report.states(self._sources, self._clock(), since))
        own = tuple(map(Family, OF_SECTIONS))
        complete = True
        for name in names:
            status = self._note(name, [outcomes[part] for part in self._parts[name]])
            self._report(name, status, own)
            complete = complete and status.success
        families = [outcome.families for outcome in outcomes.values()]
        pieces = [*families, render(own), render(sources), self._build_info, self._constant]
        return Exposition(assemble(pieces, openmetrics=openmetrics), complete)

    def _run(self, parts: Sequence[SharedPart], now: int, deadline: Deadline) -> list[Collection[Outcome]]:
        """Collect those of the parts that are not being collected; all collections, of the others too."""
        joined: list[tuple[SharedPart, Collection[Outcome], bool]] = []
        try:
            joined.extend((part, *part.join(deadline)) for part in parts)
            run([part.collect(collection, now) for part, collection, new in joined if new])
        except Exception:
            logger.exception("a scrape was interrupted")
        finally:
            # Nobody would ever begin it again: it would be under way for ever.
            for part, collection, new in joined:
                if new:
                    part.end(collection, INTERRUPTED)
        return [collection for _, collection, _ in joined]

    def _outcome(self, part: SharedPart, collection: Collection[Outcome], now: int, deadline: Deadline) -> Outcome:
        outcome = collection.wait(deadline)
        while (outcome is None or outcome.problems) and _more_time(deadline, collection):
            (collection,) = self._run([part], now, deadline)
            outcome = collection.wait(deadline)
        return outcome or Outcome((), [f"no answer within {deadline.seconds:.1f} s"], deadline.seconds)

    def _note(self, section: str, outcomes: Sequence[Outcome]) -> Status:
        problems = sorted({problem for outcome in outcomes for problem in outcome.problems})
        rejected = {reason: count for outcome in outcomes for reason, count in outcome.rejected.items()}
        history = functools.reduce(History.with_other, (outcome.history for outcome in outcomes))
        seconds = max(outcome.seconds for outcome in outcomes)
        with self._lock:
            before = self._statuses.get(section)
            last_success = before.last_success if before else None
            if not problems:
                last_success = self._clock()
            status = Status(not problems, problems, rejected, history, seconds, last_success)
            self._statuses[section] = status
        if problems and (before is None or before.success or before.problems != problems):
            logger.warning("section %s fails: %s", section, "; ".join(problems))
        elif not problems and before is not None and not before.success:
            logger.info("section %s is collected again", section)
        if bool(history.missing) != bool(before and before.history.missing):
            logger.info("section %s %s", section, "reads history" if history.missing else "has read all history")
        if rejected.keys() - (before.rejected.keys() if before else set()):
            logger.warning("section %s leaves values out: %s", section, "; ".join(sorted(rejected)))
        return status

    def _report(self, section: str, status: Status, own: Sequence[Family]) -> None:
        success, duration, last_success, rejected, complete = own
        success.add(int(status.success), section)
        duration.add(round(status.seconds, 6), section)
        rejected.add(sum(status.rejected.values()), section)
        # What fails has read nothing that could be told; it is not complete.
        if status.success or status.history.missing:
            complete.add(round(status.history.complete, 6), section)
        if status.last_success is not None:
            last_success.add(round(status.last_success, 3), section)


def _more_time(deadline: Deadline, collection: Collection[Any]) -> bool:
    # What failed may have failed for want of the time that another scrape had.
    return deadline.remaining() > max(0.0, collection.deadline.remaining() + MORE_SECONDS)
