"""What all connections to a source say of it, as metrics and for people.

ticketing_source_lag_seconds{source="postgresql"} 0.0
ticketing_source_lag_seconds{source="redis"} 0.0
ticketing_source_clock_skew_seconds{source="postgresql"} 0.0004
ticketing_source_clock_skew_seconds{source="redis"} -0.0002
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.exposition import Family, Metric
from exporter.sources.status import MOST_SKEW_SECONDS, SourceStatus

LAG = Metric(
    "ticketing_source_lag_seconds",
    "gauge",
    "Longest possible lag of the source's data, in seconds: 0 unless it is a replica; absent when unknown.",
    ("source",),
)
SKEW = Metric(
    "ticketing_source_clock_skew_seconds",
    "gauge",
    "How far the clock of the exporter is ahead of that of the source, in seconds; negative when it is behind.",
    ("source",),
)
METRICS = (LAG, SKEW)


@dataclass(frozen=True)
class SourceState:
    """A source, as the worst of its connections has it.

    Attributes:
        lag: see `SourceStatus`.
        skew: seconds; None when its time is not known.
        problems: what is wrong with it.
    """

    lag: float | None
    skew: float | None
    problems: tuple[str, ...]


def states(statuses: Iterable[SourceStatus], clock: float, since: float = -math.inf) -> dict[str, SourceState]:
    """Each source that has said something of itself.

    Args:
        statuses: of all connections.
        clock: the unix time now, by the clock of the exporter.
        since: what was said before, by the monotonic clock, does not count.
    """
    heard: dict[str, list[SourceStatus]] = {}
    for status in statuses:
        if status.heard is not None and status.heard >= since:
            heard.setdefault(status.source, []).append(status)
    return {source: _state(heard[source], clock) for source in sorted(heard)}


def families(found: Mapping[str, SourceState]) -> list[Family]:
    """The metrics of these."""
    lag, skew = Family(LAG), Family(SKEW)
    for source, state in found.items():
        if state.lag is not None and math.isfinite(state.lag):
            lag.add(round(state.lag, 3), source)
        if state.skew is not None:
            skew.add(round(state.skew, 4), source)
    return [lag, skew]


def _state(statuses: list[SourceStatus], clock: float) -> SourceState:
    lag = max((status.lag for status in statuses if status.lag is not None), default=None)
    skews = [skew for status in statuses if (skew := status.skew(clock)) is not None]
    skew = max(skews, key=abs, default=None)
    problems = {late for status in statuses if (late := status.late())}
    if skew is not None and abs(skew) > MOST_SKEW_SECONDS:
        where = "ahead of" if skew > 0 else "behind"
        problems.add(f"the clock of the exporter is {abs(skew):.1f} s {where} that of the source")
    return SourceState(lag, skew, tuple(sorted(problems)))
