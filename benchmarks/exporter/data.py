"""The databases that are measured on: built once, brought up to date before each use, kept alive while measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import requests
from psycopg2 import sql

from benchmarks.exporter.load import load
from testbed.servers.contract import DAYS_KEPT, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from testbed.servers.server import Server

REPOSITORY = Path(__file__).resolve().parents[2]
BLUEPRINT_PER_HOUR = 1247
BUSY_PER_HOUR = 500_000
# The simulator goes on from the newest row when that is younger than this.
RESUME_HOURS = 0.1
MOST_AT_ONCE = 500_000
"""Rows that are loaded at once when a day has more than these; they take a gigabyte."""

# Debian's defaults but for memory, and what tells the cost of each contender. A plain query over `now()` locks
# every partition and its indexes, several connections at a time: the default number of locks would not do.
SETTINGS = {
    "autovacuum_naptime": "1min",
    "max_locks_per_transaction": "512",
    "max_wal_size": "4GB",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.track_planning": "on",
    "shared_buffers": "1GB",
    "shared_preload_libraries": "pg_stat_statements",
}
# As contract/postgresql/10-roles.sql sets them for monitoring_reader: a member inherits rights, not settings.
ROLE_SETTINGS = {"jit": "off", "statement_timeout": "30s", "default_transaction_read_only": "on"}


@dataclass(frozen=True)
class Dataset:
    """Predictions at one constant rate up to now.

    Attributes:
        rows: predictions when it was loaded.
        per_hour: predictions per hour, then and while it is measured on.
    """

    rows: int
    per_hour: int = BLUEPRINT_PER_HOUR

    @property
    def name(self) -> str:
        """The database's name."""
        return f"bench_{self.rows}_{self.per_hour}"

    @property
    def title(self) -> str:
        """For people."""
        return f"{short(self.rows)} predictions, {self.per_hour:,} per hour"

    @property
    def hours(self) -> float:
        """How far back the rows go."""
        return self.rows / self.per_hour


class Databases:
    """One PostgreSQL server with one database per dataset.

    Args:
        directory: of the server; what is loaded there is used again.
        roles: one login for each contender, so that its cost can be told from the others'.
    """

    def __init__(self, directory: Path, roles: Sequence[str]) -> None:
        self._directory = directory
        self._roles = roles
        self.server = Postgres(directory / "postgresql", settings=SETTINGS)

    def prepare(self, dataset: Dataset) -> None:
        """Load the dataset, or bring what is loaded up to now."""
        loaded = self._directory / f"{dataset.name}.loaded"
        if not loaded.exists():
            self.server.drop_database(dataset.name)
            create_contract_database(self.server, dataset.name, DAYS_KEPT)
            self.server.execute("CREATE EXTENSION pg_stat_statements", dataset.name)
            self._load(dataset, dataset.rows)
            loaded.touch()
        self._catch_up(dataset)
        for role in self._roles:
            self._make_role(role)

    def dsn(self, dataset: Dataset, role: str = "postgres") -> str:
        """A connection URI."""
        return self.server.dsn(role, dataset.name)

    def rows(self, dataset: Dataset, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that a query of the superuser returns."""
        with closing(psycopg2.connect(self.dsn(dataset))) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def _catch_up(self, dataset: Dataset) -> None:
        # Four tries, each shorter than the one before: loading takes time, too.
        for _ in range(4):
            ((newest,),) = self.rows(dataset, "SELECT max(predicted_at) FROM platform.fraud_predictions")
            missing = int((datetime.now(UTC) - newest).total_seconds() / 3600 * dataset.per_hour)
            if missing < RESUME_HOURS / 2 * dataset.per_hour:
                return
            self._load(dataset, missing)

    def _load(self, dataset: Dataset, rows: int) -> None:
        # The rows of one day are made in memory, where a day of millions does not fit.
        most = MOST_AT_ONCE if dataset.per_hour * 24 > MOST_AT_ONCE else rows
        end = datetime.now(UTC)
        while rows > 0:
            part = min(rows, most)
            rows -= part
            until = end - timedelta(hours=rows / dataset.per_hour)
            load(self.dsn(dataset), part, dataset.per_hour, until)

    def _make_role(self, role: str) -> None:
        name = sql.Identifier(role)
        exists = sql.SQL("SELECT FROM pg_roles WHERE rolname = {}").format(sql.Literal(role))
        with closing(psycopg2.connect(self.server.dsn())) as connection, connection, connection.cursor() as cursor:
            cursor.execute(exists)
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE monitoring_reader").format(name))
            for setting, value in ROLE_SETTINGS.items():
                change = sql.SQL("ALTER ROLE {} SET {} = {}")
                cursor.execute(change.format(name, sql.Identifier(setting), sql.Literal(value)))


class Platform(Server):
    """The simulator, writing to one database and to Redis as the platform would: rows arrive while we measure.

    Args:
        dataset: sets the rate.
        dsn: of the owner.
        redis: of this run.
    """

    name = "platform"

    def __init__(self, dataset: Dataset, dsn: str, redis: Redis) -> None:
        super().__init__()
        self._dataset = dataset
        self._variables = {"POSTGRES_DSN": dsn, "REDIS_URL": redis.url(), "PYTHONPATH": str(REPOSITORY)}
        self._redis = redis

    def command(self) -> Sequence[str]:
        """See `Server.command`; it gives way to what is measured."""
        command = ["nice", "-n", "10", sys.executable, "-m", "simulator"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", f"--rate.per-hour={self._dataset.per_hour}"]
        return [*command, f"--history.hours={RESUME_HOURS}", "--log.level=warning"]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return {**self._variables, "POSTGRES_DSN_FILE": "", "REDIS_URL_FILE": ""}

    def ready(self) -> bool:
        """Whether it serves and has written its first state to Redis."""
        try:
            requests.get(f"http://127.0.0.1:{self.port}/", timeout=2)
        except requests.RequestException:
            return False
        with self._redis.client() as client:
            written = client.get("kpi:updated_at")
        return written is not None and float(str(written)) > time.time() - 10


def short(number: int) -> str:
    """1000000 as 1M, 100000 as 100k."""
    for unit, size in (("M", 1_000_000), ("k", 1000)):
        if number >= size and number % size == 0:
            return f"{number // size}{unit}"
    return str(number)
