"""The command `python -m benchmarks.dashboard`."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from benchmarks.exporter.machine import hardware, share_of_others
from benchmarks.page import rewrite
from simulator import ledger
from simulator.bulk import bulk_load
from testbed.servers.contract import DAYS_KEPT, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.viewer.board import Asked, panel, queries
from testbed.viewer.macros import filled

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "benchmarks.md"
BEGIN, END = "<!-- dashboard: written by `python -m benchmarks.dashboard` -->", "<!-- end of dashboard -->"
TARGET_MS = 150
REPETITIONS = 50
PREDICTIONS = 1_000_000
# Predictions per hour: the specification's, and so many that an hour has more than the panels take.
RATES = (1247, 50_000)

# An event in 10 s of the last three days.
EVENTS = """
INSERT INTO platform.security_events (occurred_at, severity, event_type, message)
SELECT now() - n * interval '10 s', 'LOW', 'rate_limit_exceeded', 'Rate limit exceeded: IP 203.0.113.1 blocked'
FROM generate_series(0, 25000) AS n
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and rewrite its table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--no-page", action="store_true", help="only print")
    flags = parser.parse_args(arguments)
    others = share_of_others()
    text = _report([_measure(rate) for rate in RATES], others)
    print(text)
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0


def _measure(per_hour: float) -> dict[str, float]:
    """Median milliseconds of each query, by its name."""
    with Postgres(settings={"shared_buffers": "1GB"}) as postgres:
        database = create_contract_database(postgres, "bench", DAYS_KEPT)
        bulk_load(database.dsn, PREDICTIONS, per_hour)
        postgres.execute(EVENTS, database.name)
        postgres.execute(ledger.YEAR, database.name)
        postgres.execute("VACUUM (ANALYZE)", database.name)
        with closing(psycopg2.connect(database.reader_dsn)) as connection:
            wall = [query for query in queries(sql=True) if query.uid == "ticketing"]
            times = [[milliseconds(connection, query) for query in wall] for _ in range(REPETITIONS)]
    medians = map(statistics.median, zip(*times, strict=True))
    return dict(zip(map(_name, wall), medians, strict=True))


def milliseconds(connection: Connection, query: Asked) -> float:
    """Time that PostgreSQL takes to plan and to run it now."""
    with connection, connection.cursor() as cursor:
        text = filled(query, datetime.now(UTC)).replace("%", "%%")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {text}", ())
        ((((plan,),)),) = cursor.fetchall()
    return float(plan["Planning Time"] + plan["Execution Time"])


def _name(query: Asked) -> str:
    if not query.number:
        return f"mark {query.text.split('FROM monitoring.')[1].split()[0]}"
    title = panel(query.uid, query.number)["title"]
    return f"{title}, {query.ref}" if query.ref != "A" else title


def _report(results: Sequence[dict[str, float]], others: float) -> str:
    lines = [f"- {line}" for line in (*hardware(others), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))]
    lines += ["", "|  | " + " | ".join(f"ms at {rate:,} an hour" for rate in RATES) + " |", "| :-- | --: | --: |"]
    rows = {name: [result[name] for result in results] for name in results[0]}
    rows[f"all of one refresh (target: {TARGET_MS})"] = [sum(result.values()) for result in results]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(f'{ms:.2f}' for ms in row)} |" for name, row in rows.items())])


if __name__ == "__main__":
    sys.exit(main())
