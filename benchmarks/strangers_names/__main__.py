"""The command `python -m benchmarks.strangers_names`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import requests

from benchmarks.exporter.contender import Sources
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.data import ROLE_SETTINGS, SETTINGS
from benchmarks.exporter.machine import hardware, share_of_others
from benchmarks.exporter.ours import Ours
from benchmarks.page import rewrite
from benchmarks.strangers_names.platform import PER_SECOND, Flood, fail
from benchmarks.strangers_names.watch import COMPLETE, FAILURES, Costs, most_resident_megabytes, scrape, watch
from testbed.servers.contract import DAYS_KEPT, ContractDatabase, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "benchmarks.md"
BEGIN = "<!-- strangers' names: written by `python -m benchmarks.strangers_names` -->"
END = "<!-- end of strangers' names -->"
QUIET_SECONDS = 60
WINDOW_SECONDS = 330
"""Until the accounts' window is full of made-up names, or empty of them."""
MOST_CPU = 3
MOST_MEGABYTES = 100


@dataclass(frozen=True)
class Results:
    """What was measured.

    Attributes:
        quiet: before, with one account that has failed.
        filling: from the flood's begin until the window is full of its names.
        full: from then to its end.
        restart_seconds: from the start of another exporter in the middle of it to its first complete answer.
        after: when it is over and the window is empty of it.
        most_mb: the most memory of the exporter.
        restarted_mb: of the other one.
        names: made up in all.
        minutes: of the flood.
    """

    quiet: Costs
    filling: Costs
    full: Costs
    restart_seconds: float
    after: Costs
    most_mb: float
    restarted_mb: float
    names: int
    minutes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and rewrite its table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strangers_names", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="of made-up names, at least 7 (default: 60)")
    parser.add_argument("--no-page", action="store_true", help="only print")
    flags = parser.parse_args(arguments)
    if flags.minutes < 7:
        parser.error("--minutes: the window is full of made-up names only after 5.5 minutes")
    others = share_of_others()
    with Postgres(settings=SETTINGS) as postgres, Redis() as redis:
        database = create_contract_database(postgres, "bench", DAYS_KEPT)
        postgres.execute("CREATE EXTENSION pg_stat_statements", database.name)
        postgres.execute(f"CREATE ROLE {Ours.role} LOGIN IN ROLE monitoring_reader")
        for name, value in ROLE_SETTINGS.items():
            postgres.execute(f"ALTER ROLE {Ours.role} SET {name} = '{value}'")
        sources = Sources(lambda role: postgres.dsn(role, database.name), redis.url())
        results = _measure(sources, database, flags.minutes)
    text = _report(results, others)
    print(text)
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0


def _measure(sources: Sources, database: ContractDatabase, minutes: float) -> Results:
    def query(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    attack = partial(fail, database.dsn)
    attack("alice", 2)
    with Ours(sources) as ours:
        meter = Meter(ours.pid, ours.role, query)
        watch(ours, meter, 10)
        quiet = watch(ours, meter, QUIET_SECONDS)
        with Flood(database.dsn) as flood:
            filling = watch(ours, meter, WINDOW_SECONDS, attack)
            full = watch(ours, meter, minutes * 60 - WINDOW_SECONDS, attack)
            with Ours(sources) as another:
                restart_seconds = _until_complete(another)
                restarted_mb = most_resident_megabytes(another.pid)
        watch(ours, meter, WINDOW_SECONDS)
        after = watch(ours, meter, QUIET_SECONDS)
        most_mb = most_resident_megabytes(ours.pid)
    return Results(quiet, filling, full, restart_seconds, after, most_mb, restarted_mb, flood.names, minutes)


def _until_complete(ours: Ours) -> float:
    started = time.monotonic()
    session = requests.Session()
    while COMPLETE not in scrape(ours, session):
        time.sleep(1)
    return time.monotonic() - started


def _report(results: Results, others: float) -> str:
    lines = [f"- {line}" for line in (*hardware(others), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))]
    lines += [
        f"- {results.names:,} made-up names in {results.minutes:g} minutes, {PER_SECOND:,.0f} a second",
        "",
        "| | scrapes | CPU ms a scrape | PostgreSQL ms a scrape | longest ms | RSS MB in the end | incomplete"
        " | not counted by account |",
        "| :-- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, costs in (
        ("quiet", results.quiet),
        ("the window fills with made-up names", results.filling),
        ("the window is full of them", results.full),
        ("it is over", results.after),
    ):
        lines.append(
            f"| {name} | {costs.scrapes} | {costs.cpu_ms:.2f} | {costs.postgres_ms:.1f} | {costs.slowest_ms:.0f} |"
            f" {costs.resident_mb:.1f} | {costs.failed} | {costs.beyond} |"
        )
    trials = [*results.filling.trials, *results.full.trials]
    seen = sum(trial.first_count == FAILURES for trial in trials)
    delays = sorted(trial.seen - trial.committed for trial in trials if trial.seen is not None)
    ratio = results.full.cpu_ms / results.quiet.cpu_ms
    most_mb = max(results.most_mb, results.restarted_mb)
    lines += [
        "",
        "| | measured | target | met |",
        "| :-- | --: | --: | --: |",
        _target("CPU, full / quiet", f"{ratio:.1f} ×", f"≤ {MOST_CPU} ×", ratio <= MOST_CPU),
        _target("most memory", f"{most_mb:.1f} MB", f"≤ {MOST_MEGABYTES} MB", most_mb <= MOST_MEGABYTES),
        _target(
            f"accounts with {FAILURES} failures, exact in the next scrape",
            f"{seen} of {len(trials)}",
            "all",
            seen == len(trials),
        ),
        f"| from the third failure to an answer that has it | p50 {delays[len(delays) // 2]:.2f} s,"
        f" longest {delays[-1]:.2f} s | | |",
        f"| another exporter, started in the middle of it, is complete after | {results.restart_seconds:.1f} s | | |",
    ]
    return "\n".join(lines)


def _target(what: str, measured: str, target: str, met: bool) -> str:
    return f"| {what} | {measured} | {target} | {'yes' if met else '**no**'} |"


if __name__ == "__main__":
    sys.exit(main())
