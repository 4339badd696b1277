"""One dataset after the other, one contender after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from benchmarks.exporter.contender import Contender, Sources
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.data import BLUEPRINT_PER_HOUR, Databases, Dataset, Platform
from benchmarks.exporter.measure import Effort, Measured, measure
from benchmarks.exporter.ours import Ours
from benchmarks.exporter.ours_alone import Alone, measure_alone, measure_start
from benchmarks.exporter.peers import PEERS
from testbed.servers.redis import Redis

CONTENDERS: tuple[type[Contender], ...] = (Ours, *PEERS)
ROLES = tuple(contender.role for contender in CONTENDERS if contender.role is not None)


@dataclass(frozen=True)
class Outcome:
    """Everything about one dataset; the first of `measured` is ours."""

    dataset: Dataset
    measured: tuple[Measured, ...]
    alone: Alone


def run_dataset(databases: Databases, dataset: Dataset, effort: Effort) -> Outcome:
    """Measure all contenders on a dataset that is up to date; on the busy one, ours only."""
    databases.server.execute("SELECT pg_stat_statements_reset()", dataset.name)
    with Redis() as redis, Platform(dataset, databases.dsn(dataset), redis):
        sources = Sources(lambda role: databases.dsn(dataset, role), redis.url())
        say("    ticketing-exporter")
        ours, alone = _measure_ours(databases, dataset, sources, effort)
        measured = [ours]
        if dataset.per_hour == BLUEPRINT_PER_HOUR:
            for peer in PEERS:
                say(f"    {peer.name}")
                with peer(sources) as contender:
                    measured.append(measure(contender, _meter(contender, databases, dataset), effort))
    return Outcome(dataset, tuple(measured), alone)


def _measure_ours(databases: Databases, dataset: Dataset, sources: Sources, effort: Effort) -> tuple[Measured, Alone]:
    ours = Ours(sources)
    try:
        start = measure_start(ours, effort)
        meter = _meter(ours, databases, dataset)
        measured = measure(ours, meter, effort)
        scrapes = measured.single.scrapes + measured.back_to_back.scrapes + measured.eight.scrapes
        return measured, measure_alone(ours, meter, effort, start, scrapes)
    finally:
        ours.close()


def _meter(contender: Contender, databases: Databases, dataset: Dataset) -> Meter:
    return Meter(contender.pid, contender.role, partial(databases.rows, dataset))


def say(text: str) -> None:
    """Tell what is done now."""
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)
