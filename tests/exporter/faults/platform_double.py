"""A platform with a little of everything in it, its servers, and the exporter that watches them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from io import StringIO
from typing import Any

import psycopg2

from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.faults.series import SECTIONS, successes, value
from tests.exporter.process import ExporterProcess, Samples, wait_until
from tests.programs import ROOT

DATABASE = "platform"
PROBES = ("self", "postgresql", "redis_cache")
StartExporter = Callable[..., ExporterProcess]
"""Makes an exporter, not started yet, from a DSN, a URL and more flags."""

FAULT_SECONDS = 1.5
"""Scrape timeout while something is broken: as short as it may be, since the whole of it is waited for."""
SECONDS = 10.0
"""Scrape timeout when all is well: not waited for."""

_HISTORY = """
    INSERT INTO platform.fraud_predictions
        (predicted_at, transaction_id, fraud_score, decision, model_version, features)
    SELECT now() - interval '100 minutes' * i / 100, 't' || i, i % 100 / 100.0,
           CASE WHEN i % 100 < 60 THEN 'APPROVED' WHEN i % 100 < 80 THEN 'REVIEW' ELSE 'BLOCKED' END,
           'v1', jsonb_build_object('wallet_age_days', i % 30)
    FROM generate_series(1, 600) AS i;
    INSERT INTO platform.fraud_labels (transaction_id, predicted_at, decision, is_fraud, labeled_at)
    SELECT transaction_id, predicted_at, decision, fraud_score > 0.7, predicted_at
    FROM platform.fraud_predictions WHERE fraud_score > 0.5;
    INSERT INTO platform.model_versions VALUES ('v1', now(), true, 0.67, 0.7, 0.68, 0.6, 0.8, now() + interval '1 day');
    INSERT INTO platform.feature_reference
    VALUES ('v1', 'wallet_age_days', 'numeric', '{10, 20}', NULL, '{100, 110, 90, 0}');
    INSERT INTO platform.event_launches VALUES ('e', 'Launch', now() - interval '1 hour', now() + interval '1 hour');
"""
_NEWS = """
    INSERT INTO platform.fraud_predictions
        (predicted_at, transaction_id, fraud_score, decision, model_version, features)
    SELECT clock_timestamp(), gen_random_uuid(), score, decision, 'v1', '{"wallet_age_days": 3}'
    FROM (VALUES (0.1, 'APPROVED'), (0.9, 'BLOCKED')) AS scored (score, decision);
    INSERT INTO platform.transactions
    SELECT clock_timestamp(), gen_random_uuid(), kind, 120, 6
    FROM (VALUES ('purchase'), ('transfer')) AS bought (kind);
    INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)
    SELECT clock_timestamp(), severity, event_type, '', account, '203.0.113.9'
    FROM (VALUES ('HIGH', 'mfa_failed', 'alice'), ('LOW', 'login_failed', 'bob'))
        AS happened (severity, event_type, account);
"""
_COUNTS = (
    (
        "ticketing_fraud_predictions",
        {"decision": "BLOCKED", "window": "24h"},
        "fraud_predictions",
        "decision = 'BLOCKED'",
    ),
    ("ticketing_transactions", {"kind": "purchase", "window": "1h"}, "transactions", "kind = 'purchase'"),
    ("ticketing_security_events", {"severity": "HIGH", "window": "15m"}, "security_events", "severity = 'HIGH'"),
    ("ticketing_model_feature_samples", {"feature": "wallet_age_days"}, "fraud_predictions", "true"),
)
_REVENUE = "CASE kind WHEN 'purchase' THEN amount_usd ELSE 0 END + platform_fee_usd"
VIEWS = (
    "fraud_predictions",
    "fraud_labels",
    "transactions",
    "model_versions",
    "feature_reference",
    "security_events",
    "event_launches",
)


class Platform:
    """One database, one Redis and one exporter.

    Args:
        postgres: its server.
        database: with the contract in it.
        redis: its Redis.
        exporter: watches both.
    """

    def __init__(self, postgres: Postgres, database: str, redis: Redis, exporter: ExporterProcess) -> None:
        self.postgres = postgres
        self.database = database
        self.redis = redis
        self.exporter = exporter
        self._transactions_per_hour = 1000

    def seed(self) -> None:
        """Write the history that every window needs."""
        self.execute(_HISTORY)

    def copy_to(self, other: Platform) -> None:
        """Make the rows of the other platform, which has none, the same as here."""
        with (
            closing(psycopg2.connect(self.postgres.dsn(dbname=self.database))) as source,
            closing(psycopg2.connect(other.postgres.dsn(dbname=other.database))) as target,
        ):
            for table in ("model_versions", *(each for each in VIEWS if each != "model_versions")):
                rows = StringIO()
                source.cursor().copy_expert(f"COPY (SELECT * FROM platform.{table}) TO STDOUT", rows)
                rows.seek(0)
                target.cursor().copy_expert(f"COPY platform.{table} FROM STDIN", rows)
            target.commit()

    def write(self) -> None:
        """One more of everything, now."""
        self.write_rows()
        self.write_keys()

    def write_rows(self) -> None:
        """One more row of everything."""
        self.execute(_NEWS)

    def write_keys(self) -> None:
        """All keys, with another number of transactions than before."""
        self._transactions_per_hour += 1
        minute = int(time.time() // 60)
        with self.redis.client() as client, client.pipeline() as pipeline:
            pipeline.flushdb()
            pipeline.mset(
                {
                    "kpi:txn_per_hour": self._transactions_per_hour,
                    "kpi:fraud_rate": "1.8",
                    "kpi:latency_p95": "45",
                    "kpi:revenue_per_hour": "12450.5",
                    "kpi:updated_at": str(time.time()),
                    "config:fraud_threshold": "0.60",
                    "config:fraud_model": "xgboost",
                }
            )
            # Minutes to come, too: a test may run into them.
            for each in range(minute - 6, minute + 10):
                pipeline.set(f"traffic:requests:{each}", 4523)
                pipeline.zadd(f"traffic:clients:{each}", {"203.0.113.42": 98, "198.51.100.7": 12})
            pipeline.hset("ratelimit:limits", mapping={"global_per_minute": 10000, "client_per_minute": 100})
            pipeline.zadd("ratelimit:blocked", {"198.51.100.7": time.time() + 3600})
            pipeline.execute()

    def agrees(self, samples: Samples) -> None:
        """The samples are what the platform holds now, to the last row and key."""
        for name, labels, view, condition in _COUNTS:
            ((count,),) = self.rows(f"SELECT count(*) FROM monitoring.{view} WHERE {condition}")
            assert value(samples, name, **labels) == count, f"{name} must be {count}"
        ((usd,),) = self.rows(f"SELECT sum({_REVENUE}) FROM monitoring.transactions")
        assert value(samples, "ticketing_revenue_usd", window="1h") == usd, f"revenue must be {usd}"
        with self.redis.client() as client:
            transactions: Any = client.get("kpi:txn_per_hour")
        assert value(samples, "ticketing_kpi_transactions_per_hour") == float(transactions)

    def execute(self, sql: str) -> None:
        """Run SQL as the platform."""
        self.postgres.execute(sql, self.database)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, as the platform."""
        with closing(psycopg2.connect(self.postgres.dsn(dbname=self.database))) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall()

    def restore_views(self) -> None:
        """Make all views as the contract has them."""
        self.execute(
            "".join(f"DROP VIEW IF EXISTS monitoring.{view}, monitoring.{view}_real CASCADE;" for view in VIEWS)
            + (ROOT / "contract" / "postgresql" / "30-views.sql").read_text()
        )

    def replace_view(self, view: str, columns: str, condition: str = "true") -> None:
        """Put a view in the place of a view, which goes on as `…_real`."""
        self.execute(
            f"ALTER VIEW monitoring.{view} RENAME TO {view}_real;"
            f"CREATE VIEW monitoring.{view} AS SELECT {columns} FROM monitoring.{view}_real WHERE {condition};"
            f"GRANT SELECT ON monitoring.{view} TO monitoring_reader"
        )

    def exporter_connections(self) -> list[str]:
        """The application names of the exporter's connections to PostgreSQL, without those of probes."""
        return [
            name
            for (name,) in self.rows(
                "SELECT application_name FROM pg_stat_activity"
                " WHERE application_name LIKE 'ticketing-exporter%' AND application_name NOT LIKE '%/probe'"
                f" AND datname = '{self.database}'"
            )
        ]

    def end_exporter_connections(self) -> None:
        """End them from the server's side, as an administrator would."""
        self.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE application_name LIKE 'ticketing-exporter%' AND datname = '{self.database}'"
        )

    def running_queries(self) -> list[tuple[Any, ...]]:
        """What the exporter has running in the database."""
        return self.rows(
            "SELECT application_name, query FROM pg_stat_activity"
            " WHERE application_name LIKE 'ticketing-exporter%' AND state = 'active'"
        )

    def expect_nothing_running(self) -> None:
        """No query of the exporter runs in the database, within a second."""
        wait_until(lambda: not self.running_queries(), 1, "queries of the exporter end")

    def redis_connections(self) -> list[Any]:
        """The exporter's connections to Redis, without those of probes."""
        with self.redis.client() as client:
            clients: Any = client.client_list()
            names = [each["name"] for each in clients]
            return [name for name in names if name.startswith("ticketing-exporter/") and not name.endswith("/probe")]

    def wait_for_probe(self, name: str, success: bool) -> None:
        """Wait until a probe's result is this."""
        wait_until(
            lambda: value(self.scrape(["health"]), "ticketing_probe_success", probe=name) == success,
            what=f"probe {name} has success {success}",
        )

    def wait_for_history(self) -> None:
        """Wait until all of what PostgreSQL has is read, which takes more than one scrape of a busy machine."""
        wait_until(lambda: _history(self.scrape()) == {1}, what="all history is read")

    def scrape(self, sections: Sequence[str] | None = None, seconds: float = SECONDS) -> Samples:
        """See `ExporterProcess.scrape`."""
        return self.exporter.scrape(seconds, sections)


def _history(samples: Samples) -> set[float]:
    """How much is read in each section that tells; one that fails tells as long as some is missing."""
    return {found for (name, _), found in samples.items() if name == "ticketing_exporter_history_complete_ratio"}


def reader_dsn(postgres: Postgres, database: str) -> str:
    """How the exporter connects."""
    return postgres.dsn("monitoring_reader", database)


def wait_for_all(exporter: ExporterProcess) -> None:
    """Wait until every probe has succeeded, and every section."""

    def complete() -> bool:
        samples = exporter.scrape(10)
        probes = [value(samples, "ticketing_probe_success", probe=name) for name in PROBES]
        return probes == [1] * len(PROBES) and successes(samples) == dict.fromkeys(SECTIONS, True)

    wait_until(complete, what="all sections and probes succeed")
