"""What the exporter costs as more predictions arrive, scraped as Prometheus scrapes it.

Rows are loaded wherever a steady stream would make the exporter read: the last minutes, some minutes ahead of now, so
that no writer competes with what is measured, and the far edges of the windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from benchmarks.exporter.client import Job, Result, scrape
from benchmarks.exporter.contender import Sources
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.data import SETTINGS
from benchmarks.exporter.load import load
from benchmarks.exporter.measure import Latency, MeasurementError, summary
from benchmarks.exporter.ours import Ours, path_of
from testbed.servers.contract import DAYS_KEPT, ContractDatabase, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis

READER = "monitoring_reader"
#: The jobs of prometheus/prometheus.yml: sections, seconds between scrapes, timeout. Section model is scraped more
#: often here, which hardly changes what one scrape of it takes.
CRITICAL = (("security",), 1.0, 1.0)
LIVE = (("kpis", "fraud", "traffic", "health"), 5.0, 5.0)
MODEL = (("model",), 10.0, 30.0)
WATCHED_SECONDS = 90
MODEL_SCRAPES = 4

#: Where the windows of the metrics begin, in seconds ago.
EDGES = (3600, 86_400, 7 * 86_400)
BEFORE_EDGE, AFTER_EDGE = timedelta(minutes=10), timedelta(minutes=20)
PAST, AHEAD = timedelta(minutes=20), timedelta(minutes=20)


@dataclass(frozen=True)
class Arrivals:
    """The exporter at one rate of predictions and as many transactions.

    Attributes:
        per_second: predictions.
        cpu: of the exporter, in seconds a second, by the jobs critical and live.
        postgres: planning and execution, in seconds a second, by the same.
        blocks: of 8 kB, a second, by the same.
        critical: its scrapes.
        live: its scrapes.
        model: its scrapes; they read about ten minutes of rows, whenever that is.
        resident_mb: of the exporter, in 10⁶ bytes.
        failures: scrapes without an answer, or with an incomplete one.
    """

    per_second: int
    cpu: float
    postgres: float
    blocks: float
    critical: Latency
    live: Latency
    model: Latency
    resident_mb: float
    failures: int


def measure(rates: Sequence[int]) -> Iterator[Arrivals]:
    """Measure at each of these rates, in predictions a second."""
    with Postgres(settings=SETTINGS) as server, Redis() as redis:
        for rate in rates:
            database = create_contract_database(server, f"rate_{rate}", DAYS_KEPT)
            loaded_until = _load(database, rate)
            reader = database.reader_dsn
            with _query(database.dsn) as query:
                yield _measure(rate, Sources(lambda _: reader, redis.url()), query, loaded_until)  # noqa: B023  (used at once)
            server.drop_database(database.name)


def _load(database: ContractDatabase, rate: int) -> datetime:
    """Load the rows; until when there are any."""
    now = datetime.now(UTC)
    slices = [(now - timedelta(seconds=edge) - BEFORE_EDGE, BEFORE_EDGE + AFTER_EDGE) for edge in EDGES]
    for begin, length in (*slices, (now - PAST, PAST + AHEAD)):
        load(database.dsn, int(rate * length.total_seconds()), rate * 3600, begin + length)
    with _query(database.dsn) as query:
        query("CREATE EXTENSION pg_stat_statements", ())
        query("CREATE EXTENSION pg_visibility", ())
        # Rows that have just arrived were not vacuumed yet: their visibility is looked up in the table.
        for table in ("fraud_predictions", "transactions"):
            query("SELECT pg_truncate_visibility_map(%s::regclass)", (f"platform.{table}_{now:%Y%m%d}",))
    return now + AHEAD


def _measure(rate: int, sources: Sources, query: Any, loaded_until: datetime) -> Arrivals:
    with Ours(sources) as exporter:
        while _complete(_run(exporter, LIVE, 1)) < len(LIVE[0]) or not _complete(_run(exporter, MODEL, 1)):
            _check_rows_left(loaded_until)
        meter = Meter(exporter.pid, READER, query)
        before = meter.read()
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(_run, exporter, job, int(WATCHED_SECONDS / job[1])) for job in (CRITICAL, LIVE)]
            critical, live = (job.result() for job in jobs)
        used = meter.read().since(before)
        model = _run(exporter, MODEL, MODEL_SCRAPES)
        _check_rows_left(loaded_until)
        return Arrivals(
            per_second=rate,
            cpu=used.cpu_seconds / WATCHED_SECONDS,
            postgres=used.postgres_ms / 1000 / WATCHED_SECONDS,
            blocks=used.postgres_blocks / WATCHED_SECONDS,
            critical=summary(critical, CRITICAL[1]),
            live=summary(live, LIVE[1]),
            model=summary(model, MODEL[1]),
            resident_mb=meter.resident_megabytes,
            failures=sum(job.failures for job in (critical, live, model)) + (not _complete(model)),
        )


def _check_rows_left(loaded_until: datetime) -> None:
    if datetime.now(UTC) > loaded_until:
        raise MeasurementError("the rows that were loaded ahead are over: the first reading of history took too long")


def _run(exporter: Ours, job: tuple[Sequence[str], float, float], rounds: int) -> Result:
    sections, every, timeout = job
    return scrape(Job(exporter.port, path_of(sections), rounds, every=every, timeout=timeout))


def _complete(result: Result) -> int:
    """Sections that the last answer has as a whole."""
    values: Mapping[str, str] = dict(
        line.rsplit(" ", 1) for line in result.body.splitlines() if line.startswith("ticketing_exporter_collector_succ")
    )
    return sum(value == "1" for value in values.values())


@contextmanager
def _query(dsn: str) -> Iterator[Any]:
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def rows(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield rows
