"""The measurements as tables, the straight lines through them, and what follows for larger platforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.exporter.tables import Row, number, table
from benchmarks.scale.arrivals import CRITICAL, LIVE, Arrivals
from benchmarks.scale.clients import Clients
from benchmarks.scale.viewers import Viewers
from exporter.collectors.windowed import FILL_SHARE

#: Of predictions, a second.
PROJECTED = (1, 100, 1000, 10_000, 100_000)
#: What a scrape of a job has, in milliseconds: its timeout less half a second.
LIVE_DEADLINE_MS = (LIVE[2] - 0.5) * 1000
CRITICAL_DEADLINE_MS = (CRITICAL[2] - 0.5) * 1000
MODEL_DEADLINE_MS = 29_500
DAY = 86_400
DISK_DAYS = 30
#: What a scrape of section model reads of the features, and all that it must have read before it knows the drift.
DRIFT_STEP_SECONDS = 600
DRIFT_SECONDS = 7 * DAY
#: A rate beyond all platforms.
FAR = 1e7


@dataclass(frozen=True)
class Line:
    """y = `fixed` + `slope` · x."""

    fixed: float
    slope: float

    def at(self, x: float) -> float:
        """The y of an x."""
        return self.fixed + self.slope * x

    def reaches(self, y: float) -> float:
        """The x of a y; infinite when it never does."""
        return (y - self.fixed) / self.slope if self.slope > 0 else float("inf")


def fit(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """The line through measured points by least squares of the relative error, so that small ones count as well."""
    x, y = np.array(xs, float), np.array(ys, float)
    slope, fixed = np.polyfit(x, y, 1, w=1 / y)
    # A cost that falls as the load grows is noise.
    return Line(float(fixed), max(0.0, float(slope)))


def report(machine: Sequence[str], arrivals: Sequence[Arrivals], clients: Sequence[Clients], viewers: Viewers) -> str:
    """Everything between the markers of docs/scaling.md."""
    parts = [
        "\n".join(f"- {line}" for line in machine),
        "### Predictions",
        _arrivals(arrivals),
        "### Clients",
        _clients(clients),
        "### Prometheus and viewers",
        _viewers(viewers),
        "### By calculation",
        _projection(arrivals),
    ]
    return "\n\n".join(parts)


def _arrivals(measured: Sequence[Arrivals]) -> str:
    head = (
        "predictions a second",
        "exporter CPU %",
        "PostgreSQL %",
        "blocks a second",
        "RSS MB",
        "critical p50 ms",
        "most",
        "live p50 ms",
        "most",
        "model p50 ms",
        "most",
    )
    rows = [
        (
            f"{one.per_second:,}{f' ({one.failures} failures)' if one.failures else ''}",
            *map(number, (100 * one.cpu, 100 * one.postgres, one.blocks, one.resident_mb)),
            *(number(ms) for job in (one.critical, one.live, one.model) for ms in (job.p50, job.most)),
        )
        for one in measured
    ]
    return table(head, [*rows, _slopes(measured)])


def _slopes(measured: Sequence[Arrivals]) -> Row:
    lines = [
        _line(measured, value)
        for value in (
            lambda one: 100 * one.cpu,
            lambda one: 100 * one.postgres,
            lambda one: one.blocks,
            lambda one: one.resident_mb,
            lambda one: one.critical.p50,
            lambda one: one.live.p50,
            lambda one: one.model.p50,
        )
    ]
    shown = [number(1000 * line.slope) for line in lines]
    return ("**each 1,000 more**", *shown[:5], "", shown[5], "", shown[6], "")


def _clients(measured: Sequence[Clients]) -> str:
    head = ("clients a minute", "scrape p50 ms", "p99", "exporter CPU ms", "Redis CPU ms", "Redis memory MB")
    values = [(one.latency.p50, one.latency.p99, one.cpu_ms, one.redis_ms, one.redis_mb) for one in measured]
    rows = [(f"{one.clients:,}", *map(number, row)) for one, row in zip(measured, values, strict=True)]
    lines = [fit([one.clients for one in measured], column) for column in zip(*values, strict=True)]
    return table(head, [*rows, ("**each 1,000 more**", *(number(1000 * line.slope) for line in lines))])


def _viewers(measured: Viewers) -> str:
    disk = measured.samples * DAY * DISK_DAYS * measured.bytes_per_sample / 1e9
    rows = [
        ("series of the stack", f"{measured.series:,.0f}"),
        ("samples a second", number(measured.samples)),
        ("bytes a sample on disk", number(measured.bytes_per_sample)),
        (f"disk for {DISK_DAYS} days, GB", number(disk)),
        ("Prometheus: CPU %, scrapes and rules", number(100 * measured.cpu)),
        ("Prometheus: RSS MB", number(measured.resident_mb)),
        ("**each viewer** (a refresh every 5 s): Prometheus CPU %", number(100 * measured.viewer_cpu)),
        ("**each viewer**: PostgreSQL %", number(100 * measured.viewer_postgres)),
    ]
    return table(("", "measured"), rows)


def _projection(measured: Sequence[Arrivals]) -> str:
    """The costs at rates beyond the measured ones, and where each limit is."""
    columns: Sequence[tuple[str, Line, float, str]] = [
        ("exporter CPU %", _line(measured, lambda one: 100 * one.cpu), 100, "one core"),
        ("PostgreSQL %", _line(measured, lambda one: 100 * one.postgres), 100, "one core"),
        ("critical ms", _line(measured, lambda one: one.critical.p50), CRITICAL_DEADLINE_MS, "its deadline"),
        ("live ms", _line(measured, lambda one: one.live.p50), LIVE_DEADLINE_MS, "its deadline"),
        ("model ms", _line(measured, lambda one: one.model.p50), MODEL_DEADLINE_MS, "its deadline"),
    ]
    rows = []
    for rate in PROJECTED:
        costs = [(line.at(rate), most) for _, line, most, _ in columns]
        cells = [number(cost) + ("" if cost <= most else " ✗") for cost, most in costs]
        rows.append((f"{rate:,}", *cells, number(_fill_hours(costs[-1][0]))))
    limits = [(line.reaches(most), what) for _, line, most, what in columns]
    last = [f"{limit:,.0f} ({what})" if limit < FAR else "–" for limit, what in limits]
    head = ("predictions a second", *(name for name, *_ in columns), "drift known after, hours")
    return table(head, [*rows, ("**reaches its limit at**", *last, "")])


def _fill_hours(model_ms: float) -> float:
    """How long it takes after a start until a week of features is read, by one scrape a minute."""
    reading = model_ms / 1000 * DRIFT_SECONDS / DRIFT_STEP_SECONDS
    return reading / (MODEL_DEADLINE_MS / 1000 * FILL_SHARE) / 60


def _line(measured: Sequence[Arrivals], value: Callable[[Arrivals], float]) -> Line:
    return fit([one.per_second for one in measured], [value(one) for one in measured])
