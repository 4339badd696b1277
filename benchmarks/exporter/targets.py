"""What the exporter is meant to achieve, and whether it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.exporter.data import BLUEPRINT_PER_HOUR
from benchmarks.exporter.session import Outcome

GROWTH = 1.2


@dataclass(frozen=True)
class Target:
    """One of them.

    Attributes:
        what: is measured.
        limit: it must not be above this.
        value: what was measured, in the worst case.
        unit: of both.
    """

    what: str
    limit: float
    value: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether it was met."""
        return self.value <= self.limit


def targets(outcomes: Sequence[Outcome]) -> Iterator[Target]:
    """All targets for which something was measured."""
    usual = [outcome for outcome in outcomes if outcome.dataset.per_hour == BLUEPRINT_PER_HOUR]
    busy = [outcome for outcome in outcomes if outcome.dataset.per_hour != BLUEPRINT_PER_HOUR]
    if usual:
        yield from _usual(usual)
    for outcome in busy:
        ours, rate = outcome.measured[0], f"{outcome.dataset.per_hour:,}/h"
        yield Target(f"scrape p50 at {rate}", 8, ours.single.p50, "ms")
        yield Target(f"PostgreSQL time a scrape at {rate}", 5, ours.postgres_ms, "ms")


def _usual(outcomes: Sequence[Outcome]) -> Iterator[Target]:
    ours = [outcome.measured[0] for outcome in outcomes]
    yield Target("scrape p50", 4, max(one.single.p50 for one in ours), "ms")
    yield Target("scrape p99", 15, max(one.single.p99 for one in ours), "ms")
    smallest, largest = outcomes[0], outcomes[-1]
    if smallest is not largest:
        growth = largest.measured[0].single.p50 / smallest.measured[0].single.p50
        sizes = f"{largest.dataset.rows:,} predictions / at {smallest.dataset.rows:,}"
        yield Target(f"scrape p50 at {sizes}", GROWTH, growth, "×")
    yield Target("eight scrapers at once, p50", 6, max(one.eight.p50 for one in ours), "ms")
    yield Target("CPU of each further concurrent scrape", 1, max(shared_cpu_ms(outcome) for outcome in outcomes), "ms")
    yield Target("PostgreSQL time a scrape", 2, max(one.postgres_ms for one in ours), "ms")
    yield Target("PostgreSQL blocks a scrape", 300, max(one.postgres_blocks for one in ours), "blocks")
    yield Target("CPU a scrape", 3, max(one.cpu_ms for one in ours), "ms")
    yield Target("resident memory", 60, max(outcome.alone.resident_mb for outcome in outcomes), "MB")
    steady = max(outcome.alone.model.steady.most for outcome in outcomes) / 1000
    yield Target("section model once filled, longest scrape", 30, steady, "s")


def shared_cpu_ms(outcome: Outcome) -> float:
    """CPU of one more scrape that begins at the same moment as another."""
    ours = outcome.measured[0]
    return (ours.cpu_ms_eight - ours.cpu_ms) / 7
