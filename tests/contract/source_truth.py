"""What the exporter should say of a platform, by plain SQL over the platform's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2

from contract.definition import DECISIONS, SEVERITIES, TRANSACTION_KINDS
from testbed.servers.contract import ContractDatabase
from tests.contract.drafting import Platform

Values = dict[tuple[str, ...], float]
SECONDS = {"5m": 300, "10m": 600, "15m": 900, "1h": 3600, "24h": 86400}
FAMILIES = (
    "fraud_predictions",
    "fraud_blocked_ratio",
    "fraud_threshold_ratio",
    "model_predictions",
    "model_unlabelled_predictions",
    "model_baseline_ratio",
    "model_info",
    "transactions",
    "revenue_usd",
    "event_launch_active",
    "kpi_transactions_per_hour",
    "kpi_revenue_per_hour_usd",
    "kpi_fraud_rate_ratio",
    "kpi_api_latency_p95_seconds",
    "security_events",
    "admin_mfa_failures",
    "admin_login_failures",
)
"""Metrics that are of the platform's rows alone."""


class Truth:
    """Asks for the windows that end at one moment."""

    def __init__(self, database: ContractDatabase, platform: Platform, now: float) -> None:
        self._platform = platform
        self._now = now
        self._connection = psycopg2.connect(database.dsn)

    def values(self) -> Values:
        """All of `FAMILIES`."""
        found = dict(self._all())
        self._connection.close()
        return found

    def _all(self) -> Iterator[tuple[tuple[str, ...], float]]:
        yield from self._platform.figures.items()
        yield from self._fraud()
        for window in ("10m", "1h"):
            for kind in TRANSACTION_KINDS:
                yield ("transactions", kind, window), self._one("count(*)", "transactions", window, f"kind = '{kind}'")
            yield ("revenue_usd", window), self._one("coalesce(sum(usd), 0)", "transactions", window)
        # From PostgreSQL, as nobody writes them into Redis.
        yield ("kpi_transactions_per_hour",), self._one("count(*)", "transactions", "1h")
        yield ("kpi_revenue_per_hour_usd",), self._one("coalesce(sum(usd), 0)", "transactions", "1h")
        for severity in SEVERITIES:
            condition = f"severity = '{severity}'"
            yield ("security_events", severity, "15m"), self._one("count(*)", "events", "15m", condition)
        for factor in ("mfa", "login"):
            rows = self._rows("account, count(*)", "failures", "5m", f"factor = '{factor}'", "GROUP BY 1")
            yield from (((f"admin_{factor}_failures", account, "5m"), float(count)) for account, count in rows)
        if launches := self._platform.truth.get("launches"):
            sql = f"SELECT count(*) FROM ({launches}) AS l WHERE starts <= to_timestamp(%s) AND ends > to_timestamp(%s)"
            ((active,),) = self._query(sql, self._now, self._now)
            yield ("event_launch_active",), float(active > 0)

    def _fraud(self) -> Iterator[tuple[tuple[str, ...], float]]:
        if "predictions" not in self._platform.truth:
            return
        for window in ("10m", "1h", "24h"):
            counts = dict(self._rows("decision, count(*)", "predictions", window, "true", "GROUP BY 1"))
            for decision in DECISIONS:
                yield ("fraud_predictions", decision, window), float(counts.get(decision, 0))
            if window != "24h":
                yield ("fraud_blocked_ratio", window), counts.get("BLOCKED", 0) / sum(counts.values())
            if window == "1h":
                yield ("kpi_fraud_rate_ratio",), counts.get("BLOCKED", 0) / sum(counts.values())
        for predicted in ("fraud", "legit"):
            for actual in ("fraud", "legit"):
                condition = f"blocked = {predicted == 'fraud'} AND fraud = {actual == 'fraud'}"
                count = self._one("count(*)", "labels", "24h", condition)
                # Labels by name: actual, predicted, window.
                yield ("model_predictions", actual, predicted, "24h"), count
        labelled = self._one("count(*)", "labels", "24h", "fraud IS NOT NULL")
        yield ("model_unlabelled_predictions", "24h"), self._one("count(*)", "predictions", "24h") - labelled

    def _one(self, what: str, rows: str, window: str, condition: str = "true") -> float:
        ((value,),) = self._rows(what, rows, window, condition)
        return float(value)

    def _rows(self, what: str, rows: str, window: str, condition: str, rest: str = "") -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {what} FROM ({self._platform.truth[rows]}) AS truth"
            f" WHERE at > to_timestamp(%s) AND at <= to_timestamp(%s) AND {condition} {rest}"
        )
        return self._query(sql, self._now - SECONDS[window], self._now)

    def _query(self, sql: str, *parameters: float) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()
