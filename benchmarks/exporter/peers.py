"""What a user would pick instead: three exporters of SQL results and one of Redis, as their users configure them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.exporter.contender import Contender
from benchmarks.exporter.queries import KEYS, QUERIES, TRAFFIC_SCRIPT, Query


class SqlExporter(Contender):
    """Debian's prometheus-sql-exporter: runs its queries on a schedule and serves the last results.

    It can only pause between two runs. A connection is used for twice the pause, then replaced.
    """

    name = "sql_exporter"
    role = "bench_sql_exporter"
    package = "prometheus-sql-exporter"
    proof = r'sql_fraud_predictions{col="last_24h"'
    age = "≤ 1 s + a run"
    runs_per_scrape = False

    def prepare(self) -> None:
        """Write the configuration."""
        queries = [
            {
                "name": query.name,
                "help": query.name,
                "labels": list(query.labels),
                "values": list(query.values),
                "query": query.sql,
                "allow_zero_rows": True,
            }
            for query in QUERIES
        ]
        # The scheme is the name of its driver.
        dsn = self.platform.postgres_dsn(self.role).replace("postgresql://", "postgres://")
        connection = f"{dsn}?sslmode=disable"
        job = {"name": "platform", "interval": "1s", "connections": [connection], "queries": queries}
        self.write("sql_exporter.yml", {"jobs": [job]})

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        config = self.directory / "sql_exporter.yml"
        return ["prometheus-sql-exporter", f"-config.file={config}", f"-web.listen-address=127.0.0.1:{self.port}"]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return {"LOGLEVEL": "WARN"}


class PostgresExporter(Contender):
    """Debian's prometheus-postgres-exporter with its own metrics turned off and the queries added."""

    name = "postgres_exporter"
    role = "bench_postgres_exporter"
    package = "prometheus-postgres-exporter"
    proof = r"fraud_predictions_last_24h{"

    def prepare(self) -> None:
        """Write the queries."""

        def columns(query: Query) -> list[dict[str, Any]]:
            usages = dict.fromkeys(query.labels, "LABEL") | dict.fromkeys(query.values, "GAUGE")
            return [{name: {"usage": usage, "description": name}} for name, usage in usages.items()]

        self.write("queries.yml", {query.name: {"query": query.sql, "metrics": columns(query)} for query in QUERIES})

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        flags = ["--disable-default-metrics", "--disable-settings-metrics"]
        flags += ["--no-collector.database", "--no-collector.bgwriter", "--log.level=warn"]
        flags += [f"--extend.query-path={self.directory / 'queries.yml'}"]
        return ["prometheus-postgres-exporter", *flags, f"--web.listen-address=127.0.0.1:{self.port}"]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return {"DATA_SOURCE_NAME": f"{self.platform.postgres_dsn(self.role)}?sslmode=disable"}


class QueryExporter(Contender):
    """query-exporter from PyPI, its queries without an interval: they run at each scrape."""

    name = "query-exporter"
    role = "bench_query_exporter"
    package = "query-exporter"
    proof = r"fraud_predictions_last_24h{"

    def prepare(self) -> None:
        """Write the configuration."""
        metrics: dict[str, Any] = {}
        queries = {}
        for query in QUERIES:
            sql = query.sql
            names = {value: f"{query.name}_{value}" for value in query.values}
            for value, name in names.items():
                # Columns must have the metrics' names.
                sql = sql.replace(f"AS {value}", f"AS {name}")
                metrics[name] = {"type": "gauge"} | ({"labels": list(query.labels)} if query.labels else {})
            # What starts with a colon is a parameter.
            queries[query.name] = {"databases": ["platform"], "metrics": list(names.values()), "sql": _escaped(sql)}
        dsn = self.platform.postgres_dsn(self.role).replace("postgresql://", "postgresql+psycopg2://")
        database = {"dsn": dsn, "connection-pool": {"size": 3}}
        self.write("query_exporter.yml", {"databases": {"platform": database}, "metrics": metrics, "queries": queries})

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        program = Path(sys.executable).with_name("query-exporter")
        flags = ["--host=127.0.0.1", f"--port={self.port}", "--log-level=warning"]
        return [str(program), *flags, f"--config={self.directory / 'query_exporter.yml'}"]


class RedisExporter(Contender):
    """Debian's prometheus-redis-exporter: the KPI and settings keys, and the traffic by a Lua script."""

    name = "redis_exporter"
    role = None
    package = "prometheus-redis-exporter"
    proof = r'redis_script_values{key="requests_per_minute"}'

    def prepare(self) -> None:
        """Write the script."""
        (self.directory / "traffic.lua").write_text(TRAFFIC_SCRIPT, encoding="utf-8")

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        flags = [
            "-redis-only-metrics",
            f"-redis.addr={self.platform.redis_url}",
            f"-check-single-keys={','.join(KEYS)}",
        ]
        flags += [f"-script={self.directory / 'traffic.lua'}"]
        return ["prometheus-redis-exporter", *flags, f"-web.listen-address=127.0.0.1:{self.port}"]


PEERS: tuple[type[Contender], ...] = (SqlExporter, PostgresExporter, QueryExporter, RedisExporter)


def missing_packages() -> list[str]:
    """Debian packages of the peers that are not installed."""
    debian = [peer.package for peer in PEERS if peer is not QueryExporter]
    return [package for package in debian if shutil.which(package) is None]


def _escaped(sql: str) -> str:
    return sql.replace("::", r"\:\:")
