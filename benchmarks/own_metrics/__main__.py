"""The command `python -m benchmarks.own_metrics`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2
import requests

from benchmarks.exporter.contender import Sources
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.data import ROLE_SETTINGS, SETTINGS
from benchmarks.exporter.machine import hardware, share_of_others
from benchmarks.exporter.ours import Ours
from benchmarks.exporter.tables import number, table
from benchmarks.own_metrics.contestants import CONTESTANTS, Contestant
from benchmarks.page import rewrite
from testbed.servers.contract import ContractDatabase, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN = "<!-- own metrics: written by `python -m benchmarks.own_metrics` -->"
END = "<!-- end of own metrics -->"
PER_HOUR = 5_000
AHEAD_MINUTES = 30
PACE = 0.02
SCRAPES = 20

# A day of predictions, and some whose time comes while it is measured.
_ROWS = f"""
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)
    SELECT now() - interval '24 h' + i * interval '{3600 / PER_HOUR} s', 't' || i, (i * 7919 % 1000) / 1000.0,
           CASE WHEN i % 50 = 0 THEN 'BLOCKED' WHEN i % 20 = 0 THEN 'REVIEW' ELSE 'APPROVED' END, '{{}}'
    FROM generate_series(1, {PER_HOUR * 24 + PER_HOUR * AHEAD_MINUTES // 60}) AS i"""
_CALLS = """
    SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(rows), 0)::bigint FROM pg_stat_statements
    WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = %s) AND toplevel AND query NOT LIKE 'SET %%'"""


@dataclass
class Costs:
    """What the scrapes of one contestant took.

    Attributes:
        cpu_ms: of the exporter, in all rounds together: the kernel counts it in steps of 10 ms.
        rounds: of PostgreSQL: time of planning and execution in ms, blocks, statements, rows that came back.
    """

    cpu_ms: float = 0.0
    rounds: list[tuple[float, float, float, float]] = field(default_factory=list)

    def each(self) -> tuple[float, ...]:
        """Of one scrape: the mean of CPU, and the median round of the rest, which others on the machine disturb."""
        medians = [median(column) / SCRAPES for column in zip(*self.rounds, strict=True)]
        return (self.cpu_ms / (SCRAPES * len(self.rounds)), *medians)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and rewrite its table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_metrics", description=__doc__)
    parser.add_argument("--rounds", type=int, default=120, help=f"of {SCRAPES} scrapes each (default: 120)")
    parser.add_argument("--no-page", action="store_true", help="only print")
    flags = parser.parse_args(arguments)
    others = share_of_others()
    with Postgres(settings=SETTINGS) as postgres, Redis() as redis:
        database = create_contract_database(postgres, "bench")
        postgres.execute("CREATE EXTENSION pg_stat_statements", database.name)
        postgres.execute(f"CREATE ROLE {Ours.role} LOGIN IN ROLE monitoring_reader")
        for name, value in ROLE_SETTINGS.items():
            postgres.execute(f"ALTER ROLE {Ours.role} SET {name} = '{value}'")
        postgres.execute(_ROWS, database.name)
        postgres.execute("ANALYZE", database.name)
        sources = Sources(lambda role: postgres.dsn(role, database.name), redis.url())
        text = report(_measure(sources, database, flags.rounds), others)
    print(text)
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0


def _measure(sources: Sources, database: ContractDatabase, rounds: int) -> dict[str, Costs]:
    def query(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    costs = {contestant.title: Costs() for contestant in CONTESTANTS}
    with ExitStack() as stack:
        running = [stack.enter_context(contestant(sources)) for contestant in CONTESTANTS]
        meters = [Meter(contestant.pid, Ours.role, query) for contestant in running]
        sessions = [requests.Session() for _ in running]
        for contestant, session in zip(running, sessions, strict=True):
            _scrape(contestant, session, 50)
        turns = list(zip(running, meters, sessions, strict=True))
        # In turn, so that what else the machine does falls on all of them.
        for _ in range(rounds):
            turns.reverse()
            for contestant, meter, session in turns:
                before, (calls, rows) = meter.read(), query(_CALLS, (Ours.role,))[0]
                _scrape(contestant, session, SCRAPES)
                used, (calls_now, rows_now) = meter.read().since(before), query(_CALLS, (Ours.role,))[0]
                of = costs[contestant.title]
                of.cpu_ms += used.cpu_seconds * 1000
                of.rounds.append((used.postgres_ms, used.postgres_blocks, calls_now - calls, rows_now - rows))
    return costs


def _scrape(contestant: Contestant, session: requests.Session, times: int) -> None:
    for _ in range(times):
        answer = session.get(f"http://127.0.0.1:{contestant.port}{contestant.path}", timeout=10)
        answer.raise_for_status()
        time.sleep(PACE)


def report(costs: dict[str, Costs], others: float) -> str:
    """The text for the page: the first is what the others are held against."""
    head = ("", "CPU ms", "PostgreSQL ms", "blocks", "statements", "rows")
    base, *rest = costs.items()
    rows = [(title, *map(number, of.each())) for title, of in costs.items()]
    ratios = [
        (f"{title} / {base[0]}", *(f"{a / b:.2f}" for a, b in zip(of.each(), base[1].each(), strict=True)))
        for title, of in rest
    ]
    return "\n".join([*(f"- {line}" for line in hardware(others)), "", table(head, [*rows, *ratios])])


if __name__ == "__main__":
    sys.exit(main())
