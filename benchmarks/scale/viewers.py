"""What Prometheus takes for the demo's stack as shipped, and what one more person who watches the dashboard adds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import requests

from benchmarks.dashboard.__main__ import milliseconds
from benchmarks.exporter.session import say
from demo.directory import run_directory
from demo.parts import Parts, plan
from demo.startup import Startup
from demo.supervision import Supervisor
from testbed.servers.prometheus import Prometheus
from testbed.viewer.asking import answer
from testbed.viewer.board import queries

HISTORY_HOURS = 24
IDLE_SECONDS = 60
REFRESHES = 20
REFRESH_SECONDS = 5


@dataclass(frozen=True)
class Viewers:
    """Prometheus with a day of history, and a viewer of the main dashboard.

    Attributes:
        series: of all jobs.
        samples: a second, of all jobs.
        bytes_per_sample: on disk, in blocks.
        cpu: of Prometheus, in seconds a second: scrapes and rules.
        resident_mb: of Prometheus, in 10⁶ bytes.
        viewer_cpu: of Prometheus, in seconds a second, for each dashboard that refreshes every five seconds.
        viewer_postgres: of PostgreSQL, likewise.
    """

    series: float
    samples: float
    bytes_per_sample: float
    cpu: float
    resident_mb: float
    viewer_cpu: float
    viewer_postgres: float


def measure() -> Viewers:
    """Run the demo and look."""
    with _demo() as parts:
        prometheus = parts.prometheus
        time.sleep(IDLE_SECONDS)
        before = _metric(prometheus, "process_cpu_seconds_total")
        time.sleep(IDLE_SECONDS)
        cpu = (_metric(prometheus, "process_cpu_seconds_total") - before) / IDLE_SECONDS
        ((_, samples),) = prometheus.query("sum(rate(prometheus_tsdb_head_samples_appended_total[1m]))")
        series, resident = (
            _metric(prometheus, name) for name in ("prometheus_tsdb_head_series", "process_resident_memory_bytes")
        )
        viewer_cpu, viewer_postgres = _watch(parts, cpu)
        return Viewers(
            series=series,
            samples=samples,
            bytes_per_sample=_bytes_per_sample(prometheus.data),
            cpu=cpu,
            resident_mb=resident / 1e6,
            viewer_cpu=viewer_cpu / REFRESH_SECONDS,
            viewer_postgres=viewer_postgres / REFRESH_SECONDS,
        )


def _watch(parts: Parts, idle_cpu: float) -> tuple[float, float]:
    """Seconds of Prometheus and of PostgreSQL that one refresh takes."""
    asked = [query for query in queries(sql=False) if query.uid == "ticketing"]
    rows = [query for query in queries(sql=True) if query.uid == "ticketing"]
    began, before = time.monotonic(), _metric(parts.prometheus, "process_cpu_seconds_total")
    for _ in range(REFRESHES):
        for query in asked:
            answer(parts.prometheus.url, query)
    used = _metric(parts.prometheus, "process_cpu_seconds_total") - before
    cpu = used - idle_cpu * (time.monotonic() - began)
    with closing(psycopg2.connect(parts.database.reader_dsn)) as connection:
        postgres = sum(milliseconds(connection, query) for _ in range(REFRESHES) for query in rows)
    return cpu / REFRESHES, postgres / 1000 / REFRESHES


def _metric(prometheus: Prometheus, name: str) -> float:
    lines = requests.get(f"{prometheus.url}/metrics", timeout=10).text.splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


def _bytes_per_sample(data: Path) -> float:
    blocks = [meta.parent for meta in data.glob("*/meta.json")]
    samples = sum(json.loads((block / "meta.json").read_text())["stats"]["numSamples"] for block in blocks)
    size = sum(file.stat().st_size for block in blocks for file in block.rglob("*") if file.is_file())
    return float(size / samples)


@contextmanager
def _demo() -> Iterator[Parts]:
    with run_directory() as directory:
        parts = plan(directory, preset=None, hours=HISTORY_HOURS)
        supervisor = Supervisor(directory, parts.all, as_root=os.geteuid() == 0)
        try:
            Startup(parts, supervisor, None, HISTORY_HOURS, say).run()
            yield parts
        finally:
            supervisor.stop()
