"""The measurements that every contender goes through alike."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.exporter.client import Job, Result, scrape
from benchmarks.exporter.contender import Contender
from benchmarks.exporter.costs import Meter, Usage


class MeasurementError(RuntimeError):
    """A contender does not deliver what it is measured for."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        scrapes: of the paced measurement, and of the one back to back.
        rounds: of eight scrapers.
        before_memory: scrapes that a process must have answered before its memory is read (ours only).
        idle_seconds: how long a contender is watched that runs its queries by itself.
        most_seconds: no measurement goes on for longer, so that slow ones end.
        long: seconds of one scrape a second before memory is read again; 0 is not at all.
    """

    scrapes: int = 500
    rounds: int = 60
    before_memory: int = 5000
    idle_seconds: float = 15.0
    most_seconds: float = 25.0
    long: int = 0


QUICK = Effort(scrapes=100, rounds=25, before_memory=1000, idle_seconds=8.0, most_seconds=15.0)
PACE = 0.05
"""Seconds between two scrapes: often enough to be done soon, seldom enough that nothing queues."""
ROUND_PACE = 0.1
SCRAPERS = 8


@dataclass(frozen=True)
class Latency:
    """Milliseconds from question to answer.

    Attributes:
        scrapes: how many were measured.
        pace: seconds from one to the next; 0 is back to back.
    """

    scrapes: int
    pace: float
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True)
class Cost:
    """Of a scrape.

    Attributes:
        cpu_ms: of the process.
        postgres_ms: planning and execution.
        postgres_blocks: of 8 kB.
    """

    cpu_ms: float
    postgres_ms: float
    postgres_blocks: float


@dataclass(frozen=True)
class Measured:
    """One contender on one dataset.

    Attributes:
        contender: its name.
        age: how old its values are.
        runs_per_scrape: whether a scrape waits for the sources.
        samples: in one answer.
        single: one scraper, paced.
        back_to_back: one scraper without a pause.
        eight: eight scrapers that ask at the same moment.
        cpu_ms: a scrape, see `Cost`; with one run of the queries where scrapes do not cause it.
        cpu_ms_eight: the same, a round of eight scrapes.
        postgres_ms: a scrape, or a run of the queries.
        postgres_blocks: the same.
        postgres_ms_eight: a round of eight scrapes, or a run of the queries.
        resident_mb: 10⁶ bytes after all that.
        failures: answers other than 200.
        proof: sum of the values that prove that it delivers: the predictions of 24 h, for most.
    """

    contender: str
    age: str
    runs_per_scrape: bool
    samples: int
    single: Latency
    back_to_back: Latency
    eight: Latency
    cpu_ms: float
    cpu_ms_eight: float
    postgres_ms: float
    postgres_blocks: float
    postgres_ms_eight: float
    resident_mb: float
    failures: int
    proof: float


def measure(contender: Contender, meter: Meter, effort: Effort) -> Measured:
    """Measure a contender that is running and warm.

    Raises:
        MeasurementError: it does not deliver.
    """
    warm = run(contender, 20, effort)
    usual = summary(warm, 0.0).p50 / 1000
    # One that takes longer is asked less often, so that its scrapes do not pile up either.
    pace = max(PACE, 2 * usual)

    own_run = None if contender.runs_per_scrape else _own_run(meter, effort)
    before = meter.read()
    single = run(contender, effort.scrapes, effort, pace)
    used = meter.read().since(before)
    back_to_back = run(contender, effort.scrapes, effort)
    before = meter.read()
    round_pace = max(ROUND_PACE, 2 * SCRAPERS * usual)
    eight = run(contender, effort.rounds, effort, round_pace, offsets=(0.0,) * SCRAPERS)
    used_by_eight = meter.read().since(before)

    cost = _each(used, len(single.latencies[0]), own_run)
    cost_of_eight = _each(used_by_eight, len(eight.latencies[0]), own_run)
    proof = _proof(contender, single.body)
    return Measured(
        contender=contender.name,
        age=contender.age,
        runs_per_scrape=contender.runs_per_scrape,
        samples=count_samples(single.body),
        single=summary(single, pace),
        back_to_back=summary(back_to_back, 0.0),
        eight=summary(eight, round_pace),
        cpu_ms=cost.cpu_ms,
        cpu_ms_eight=cost_of_eight.cpu_ms,
        postgres_ms=cost.postgres_ms,
        postgres_blocks=cost.postgres_blocks,
        postgres_ms_eight=cost_of_eight.postgres_ms,
        resident_mb=meter.resident_megabytes,
        failures=single.failures + back_to_back.failures + eight.failures,
        proof=proof,
    )


def run(
    contender: Contender,
    rounds: int,
    effort: Effort,
    pace: float = 0.0,
    offsets: tuple[float, ...] = (0.0,),
    path: str | None = None,
    timeout: float = 5.0,
) -> Result:
    """Scrape a contender; see `Job`."""
    job = Job(
        port=contender.port,
        path=path or contender.path,
        rounds=rounds,
        every=pace,
        offsets=offsets,
        most_seconds=effort.most_seconds,
        timeout=timeout,
    )
    return scrape(job)


def summary(result: Result, pace: float) -> Latency:
    """The latencies of all scrapers together."""
    return latency([seconds for scraper in result.latencies for seconds in scraper], pace)


def latency(seconds: Sequence[float], pace: float) -> Latency:
    """Percentiles of latencies."""
    ordered = sorted(one * 1000 for one in seconds)
    return Latency(
        scrapes=len(ordered),
        pace=pace,
        p50=statistics.median(ordered),
        p95=_percentile(ordered, 95),
        p99=_percentile(ordered, 99),
        most=ordered[-1],
    )


def count_samples(body: str) -> int:
    """Samples of an answer in the text format."""
    return sum(1 for line in body.splitlines() if line and not line.startswith("#"))


def _proof(contender: Contender, body: str) -> float:
    lines = [line for line in body.splitlines() if re.match(contender.proof, line)]
    total = sum(float(line.rpartition(" ")[2]) for line in lines)
    if total <= 0:
        raise MeasurementError(f"{contender.name} does not deliver {contender.proof}:\n{body[:2000]}")
    return total


def _percentile(ordered: Sequence[float], percent: int) -> float:
    # The nearest rank: a value that was measured.
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _own_run(meter: Meter, effort: Effort) -> Cost:
    """The cost of one run of the queries, when nobody scrapes."""
    before = meter.read()
    time.sleep(effort.idle_seconds)
    used = meter.read().since(before)
    runs = used.most_calls
    if not runs:
        raise MeasurementError("no query has run")
    return Cost(used.cpu_seconds * 1000 / runs, used.postgres_ms / runs, used.postgres_blocks / runs)


def _each(used: Usage, scrapes: int, own_run: Cost | None) -> Cost:
    if own_run is None:
        return Cost(used.cpu_seconds * 1000 / scrapes, used.postgres_ms / scrapes, used.postgres_blocks / scrapes)
    # As many runs as scrapes: what the scrapes took by themselves, and one run.
    by_scrapes = used.cpu_seconds * 1000 - own_run.cpu_ms * used.most_calls
    return replace(own_run, cpu_ms=max(0.0, by_scrapes) / scrapes + own_run.cpu_ms)
