"""The JSON API: the blueprint's shapes, with null for what is not known."""

from __future__ import annotations

from typing import Any

from common.deadline import Deadline
from contract import definition
from exporter.app import Exporter
from exporter.collectors.base import Moment
from exporter.collectors.values import number
from exporter.waiting import complete

SECONDS = 3.0
FEED_ROWS = 50
MOST_AHEAD_SECONDS = 60
"""A row may be so much ahead of the database's clock: those who write it may have one of their own."""

_KPI_KEYS = {
    "transactions_per_hour": definition.KPI_TRANSACTIONS_PER_HOUR,
    "fraud_rate": definition.KPI_FRAUD_RATE,
    "api_latency_p95": definition.KPI_LATENCY_P95,
    "revenue_per_hour": definition.KPI_REVENUE_PER_HOUR,
}
# The predicate is that of the partial index, literally; a parameter would keep it from being used. A row without a
# time, or with one that cannot be (milliseconds taken for seconds, say), has no place among the newest.
FEED = f"""
    SELECT timestamp, transaction_id, fraud_score, decision, top_feature
    FROM monitoring.fraud_predictions
    WHERE (fraud_score > 0.65 OR decision <> '{definition.APPROVED}')
      AND timestamp BETWEEN TIMESTAMPTZ 'epoch' AND now() + interval '{MOST_AHEAD_SECONDS} s'
    ORDER BY timestamp DESC LIMIT {FEED_ROWS}"""
"""The newest rows of high risk."""


class NotHereError(Exception):
    """The platform has nothing of what was asked for."""


def kpis(exporter: Exporter) -> dict[str, Any]:
    """The KPIs as the platform writes them: transactions, percent, milliseconds, USD.

    Those that the platform does not have are null, and named by `not_on_this_platform`.

    Raises:
        NotHereError: it has none of them.
        RedisError: Redis cannot be read, or what it has is too late.
    """
    absent = [name for name, key in _KPI_KEYS.items() if exporter.absence.key(key)]
    keys = {name: key for name, key in _KPI_KEYS.items() if name not in absent}
    if not keys:
        raise NotHereError
    moment = Moment(round(exporter.clock() * 1_000_000), Deadline(SECONDS))
    answers = complete(exporter.redis.read([("GET", key) for key in keys.values()], moment.deadline))
    values = {name: number(moment, key, answer) for (name, key), answer in zip(keys.items(), answers, strict=True)}
    if (transactions := values.get("transactions_per_hour")) is not None:
        values["transactions_per_hour"] = round(transactions)
    shown: dict[str, Any] = {name: values.get(name) for name in _KPI_KEYS}
    return {**shown, "not_on_this_platform": absent} if absent else shown


def fraud_feed(exporter: Exporter) -> list[dict[str, Any]]:
    """The last 50 high-risk predictions, newest first.

    Raises:
        NotHereError: the platform makes none.
        PostgresError: the database cannot be read, or what it has is too late.
        DeadlineExceededError: it was too slow.
    """
    if exporter.absence.view("fraud_predictions"):
        raise NotHereError
    deadline = Deadline(SECONDS)
    complete(exporter.postgres.check(deadline))
    rows = complete(exporter.postgres.query(FEED, (), deadline))
    return [
        {
            "time": time.isoformat(),
            "txn_id": transaction_id,
            "score": score if score is None or abs(score) < float("inf") else None,
            "decision": decision,
            "top_feature": top_feature,
        }
        for time, transaction_id, score, decision, top_feature in rows
    ]
