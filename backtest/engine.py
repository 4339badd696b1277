"""Alerts as Prometheus would have fired them over a long time: run by run, in bounded memory, on every processor."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from backtest import promtool
from backtest.rules import RuleSet

#: The longest time of one run without what it looks back upon, in seconds: what bounds memory.
LONGEST_RUN = 86400
#: Of one run of promtool, in seconds for each evaluation: many times what it takes.
_PATIENCE, _LEAST_PATIENCE = 2.0, 300.0

FIRING = 'ALERTS{alertstate="firing"}'

#: Labels in an order.
Key = tuple[tuple[str, str], ...]
#: Gives the series of a time, from its first second to its last one (unix), as `promtool.run` takes them.
Source = Callable[[int, int], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Firing:
    """One time of an alert, from the evaluation at which it fired to that at which it did not any more.

    Attributes:
        labels: of the alert, its name as alertname.
        start: unix seconds; that of the whole time when it fired before.
        end: unix seconds; None while it still fires at the end of the whole time.
        since_before: whether it fired at the first evaluation already.
    """

    labels: promtool.Labels
    start: int
    end: int | None
    since_before: bool = False

    @property
    def name(self) -> str:
        """Of the alert."""
        return self.labels["alertname"]

    @property
    def key(self) -> Key:
        """Its labels, in an order."""
        return tuple(sorted(self.labels.items()))


@dataclass(frozen=True)
class Span:
    """A time that is looked at.

    Attributes:
        start: unix seconds of the first evaluation, a multiple of the step.
        end: of the last one, likewise.
        step: seconds between two.
        warm_up: seconds before the first that the rules may look back upon.
        longest: seconds of one run without what it looks back upon.
    """

    start: int
    end: int
    step: int
    warm_up: int
    longest: int = LONGEST_RUN

    def runs(self, processors: int) -> list[tuple[int, int]]:
        """First and last evaluation of each run: one a processor at least, none longer than `longest`.

        What each looks back upon costs as much as what it tells: a run is not shorter than that.
        """
        whole = self.end - self.start
        length = max(min(-(-whole // processors), self.longest), min(self.warm_up, self.longest), self.step)
        length = -(-length // self.step) * self.step
        firsts = range(self.start, self.end + 1, length)
        return [(first, min(first + length - self.step, self.end)) for first in firsts]


def alerts(
    rules: RuleSet,
    source: Source,
    span: Span,
    *,
    processors: int | None = None,
    told: Callable[[float], None] = lambda _share: None,
) -> list[Firing]:
    """All alerts that fire in a time, in the order of their begin.

    Args:
        rules: what is evaluated; what no alert reads is left out.
        source: of the raw series.
        span: the time.
        processors: how many runs at once; all of the machine by default.
        told: how much is done, 0 to 1.

    Raises:
        PromtoolError, ExpressionError: see there; and whatever the source raises.
    """
    processors = processors or os.cpu_count() or 1
    needed = rules.alerts()
    runs = span.runs(processors)
    found: dict[int, list[Firing]] = {}
    with tempfile.TemporaryDirectory(prefix="ticketing-backtest-") as name:
        pool = ThreadPoolExecutor(processors)
        try:
            jobs = {
                pool.submit(run, needed, source, span, first, last, Path(name) / str(number)): number
                for number, (first, last) in enumerate(runs)
            }
            for job in as_completed(jobs):
                found[jobs[job]] = job.result()
                told(len(found) / len(runs))
        finally:
            pool.shutdown(cancel_futures=True)
    return _joined([(first, found[number]) for number, (first, _) in enumerate(runs)])


def run(rules: RuleSet, source: Source, span: Span, first: int, last: int, directory: Path) -> list[Firing]:
    """One run: the alerts from a first evaluation to a last one; see `alerts`.

    Args:
        rules: what is evaluated, all of it.
        source: of the raw series.
        span: of which this is a part.
        first: unix seconds.
        last: unix seconds.
        directory: for the run alone.
    """
    begin = first - span.warm_up // span.step * span.step
    before = f"{FIRING} offset {span.step}s"
    # 1 for what begins to fire, -1 for what has ended.
    changes = f"({FIRING} unless ({before})) or -(({before}) unless {FIRING})"
    questions = [(FIRING, first - begin)]
    questions += [(changes, instant - begin) for instant in range(first + span.step, last + 1, span.step)]
    samples = promtool.run(
        rules,
        source(begin, last),
        questions,
        start=begin,
        step=span.step,
        directory=directory,
        timeout=max(_LEAST_PATIENCE, _PATIENCE * (last - begin) / span.step),
    )
    _remove(directory)
    return list(_firings(samples, begin, first))


def _remove(directory: Path) -> None:
    for file in directory.iterdir():
        if file.is_file():
            file.unlink()


def _firings(samples: Sequence[promtool.Sample], begin: int, first: int) -> Iterator[Firing]:
    open_: dict[Key, Firing] = {}
    for sample in sorted(samples, key=lambda one: one.time):
        labels = {name: text for name, text in sample.labels.items() if name not in ("__name__", "alertstate")}
        instant = begin + sample.time
        key = tuple(sorted(labels.items()))
        if sample.value > 0:
            open_[key] = Firing(labels, instant, None, since_before=instant == first)
        elif key in open_:
            yield replace(open_.pop(key), end=instant)
    yield from open_.values()


def _joined(runs: Iterable[tuple[int, Sequence[Firing]]]) -> list[Firing]:
    """Those of all runs, each with its first evaluation; one that goes on in the next run is one."""
    done: list[Firing] = []
    going_on: dict[Key, Firing] = {}
    for number, (first, run) in enumerate(runs):
        continued = {one.key for one in run if one.since_before}
        # The others ended with the evaluation that is the first of this run.
        done += [replace(one, end=first) for key, one in going_on.items() if key not in continued]
        whole = [_continued(one, going_on) if one.since_before and number > 0 else one for one in run]
        done += [one for one in whole if one.end is not None]
        going_on = {one.key: one for one in whole if one.end is None}
    return sorted([*done, *going_on.values()], key=lambda one: (one.start, one.key))


def _continued(one: Firing, before: Mapping[Key, Firing]) -> Firing:
    return replace(before[one.key], end=one.end) if one.key in before else replace(one, since_before=False)
