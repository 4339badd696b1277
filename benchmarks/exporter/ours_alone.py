"""What is measured of this repository's exporter only: its floor, shared scrapes, single jobs, start and memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.exporter.client import Result
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.measure import Effort, Latency, latency, run, summary
from benchmarks.exporter.ours import Ours, path_of

CRITICAL_PACE = 0.1
MODEL_PACE = 1.0
MODEL_TIMEOUT = 30.0
MOST_FILLS = 30
# A little after the first scrape has begun, and before it is answered.
JOIN_AFTER = 0.001
SUCCESS = "ticketing_exporter_collector_success"
READ = "ticketing_exporter_history_complete_ratio"


@dataclass(frozen=True)
class Start:
    """From the start of the process to complete answers.

    Attributes:
        healthy_seconds: until it answers at all.
        first_ms: the first scrape of all live sections.
        first_complete: whether that one was complete.
        complete_seconds: from the first scrape to the end of the first complete one.
    """

    healthy_seconds: float
    first_ms: float
    first_complete: bool
    complete_seconds: float


@dataclass(frozen=True)
class Model:
    """The section model, as its own job scrapes it.

    Attributes:
        fill_scrapes: scrapes until it was complete after the start.
        fill_seconds: how long that took.
        fill_longest_ms: the longest of these scrapes.
        filled: whether it was complete in the end.
        steady: afterwards.
        postgres_ms: afterwards, a scrape.
    """

    fill_scrapes: int
    fill_seconds: float
    fill_longest_ms: float
    filled: bool
    steady: Latency
    postgres_ms: float


@dataclass(frozen=True)
class Alone:
    """All of it, on one dataset.

    Attributes:
        start: see `Start`.
        floor: a static page: what the HTTP server, the kernel and the client take.
        critical: section security alone.
        joined: a scrape that begins a millisecond after another one.
        model: see `Model`.
        resident_mb: 10⁶ bytes after `scrapes` scrapes of live sections, the model being in use, too.
        scrapes: see there.
        resident_mb_long: the same after the long run; None without one.
    """

    start: Start
    floor: Latency
    critical: Latency
    joined: Latency
    model: Model
    resident_mb: float
    scrapes: int
    resident_mb_long: float | None


def measure_start(ours: Ours, effort: Effort) -> Start:
    """Start the exporter; it is filled, and warm, afterwards."""
    started = time.monotonic()
    ours.start()
    healthy = time.monotonic() - started
    started = time.monotonic()
    first = run(ours, 1, effort)
    now = first
    for _ in range(MOST_FILLS):
        if _complete(now):
            break
        now = run(ours, 1, effort)
    return Start(healthy, first.latencies[0][0] * 1000, _complete(first), time.monotonic() - started)


def measure_alone(ours: Ours, meter: Meter, effort: Effort, start: Start, scrapes_so_far: int) -> Alone:
    """Measure the rest on the running exporter."""
    floor = run(ours, effort.scrapes // 2, effort, 0.02, path="/-/healthy")
    critical = run(ours, effort.scrapes // 4, effort, CRITICAL_PACE, path=path_of(["security"]), timeout=1.0)
    joined = run(ours, effort.scrapes // 2, effort, 0.05, offsets=(0.0, JOIN_AFTER))
    model = _model(ours, meter, effort)
    done = scrapes_so_far + len(critical.latencies[0]) + 2 * len(joined.latencies[0])
    missing = effort.before_memory - done
    if missing > 0:
        done += len(run(ours, missing, Effort(most_seconds=600.0)).latencies[0])
    resident, resident_long = meter.resident_megabytes, None
    if effort.long:
        # All sections once a second, which is far more than any job asks for.
        run(ours, effort.long, Effort(most_seconds=effort.long + 60.0), 1.0, path="/metrics")
        resident_long = meter.resident_megabytes
    return Alone(
        start=start,
        floor=summary(floor, 0.02),
        critical=summary(critical, CRITICAL_PACE),
        joined=latency(joined.latencies[1], 0.05),
        model=model,
        resident_mb=resident,
        scrapes=done,
        resident_mb_long=resident_long,
    )


def _model(ours: Ours, meter: Meter, effort: Effort) -> Model:
    path = path_of(["model"])
    fills: list[float] = []
    filled = False
    while not filled and len(fills) < MOST_FILLS:
        result = run(ours, 1, effort, path=path, timeout=MODEL_TIMEOUT)
        fills.append(result.latencies[0][0])
        filled = _complete(result)
    before = meter.read()
    steady = run(ours, effort.scrapes // 30, effort, MODEL_PACE, path=path, timeout=MODEL_TIMEOUT)
    used = meter.read().since(before)
    return Model(
        fill_scrapes=len(fills),
        fill_seconds=sum(fills),
        fill_longest_ms=max(fills) * 1000,
        filled=filled,
        steady=summary(steady, MODEL_PACE),
        postgres_ms=used.postgres_ms / len(steady.latencies[0]),
    )


def _complete(result: Result) -> bool:
    states = [line for line in result.body.splitlines() if line.startswith(SUCCESS + "{")]
    read = [line for line in result.body.splitlines() if line.startswith(READ + "{")]
    return bool(states) and all(line.endswith(" 1") for line in (*states, *read))
