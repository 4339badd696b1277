"""Section kpis: the platform's own figures from Redis, and PostgreSQL's count to hold them against.

ticketing_kpi_transactions_per_hour 1247
ticketing_kpi_fraud_rate_ratio 0.018
ticketing_kpi_api_latency_p95_seconds 0.045
ticketing_kpi_revenue_per_hour_usd 12450
ticketing_kpi_updated_timestamp_seconds 1764354153
ticketing_event_launch_active 0
ticketing_transactions{kind="purchase",window="1h"} 1102
ticketing_transactions{kind="transfer",window="1h"} 145
ticketing_revenue_usd{window="1h"} 12449.5
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contract import definition
from exporter.absence import NOTHING, Absence
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.values import number
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery, literal, one_of
from exporter.sources.redis import RedisSource

TRANSACTIONS_PER_HOUR = Metric(
    "ticketing_kpi_transactions_per_hour",
    "gauge",
    "Ticket purchases and transfers in the rolling hour, as the platform counts them.",
)
FRAUD_RATE = Metric(
    "ticketing_kpi_fraud_rate_ratio",
    "gauge",
    "Blocked transactions / all transactions (0..1), as the platform counts them.",
)
LATENCY = Metric(
    "ticketing_kpi_api_latency_p95_seconds",
    "gauge",
    "95th percentile of the response time of /api/v1/ml/predict/fraud, in seconds.",
)
REVENUE_PER_HOUR = Metric(
    "ticketing_kpi_revenue_per_hour_usd",
    "gauge",
    "Ticket sales and platform fees in the rolling hour, in USD, as the platform counts them.",
)
UPDATED = Metric(
    "ticketing_kpi_updated_timestamp_seconds", "gauge", "Unix time at which the platform last wrote its KPIs."
)
LAUNCH_ACTIVE = Metric("ticketing_event_launch_active", "gauge", "1 inside an event launch window, else 0.")
TRANSACTIONS = Metric(
    "ticketing_transactions", "gauge", "Transactions in the window by PostgreSQL's count.", ("kind", "window")
)
REVENUE = Metric(
    "ticketing_revenue_usd",
    "gauge",
    "Purchase amounts and all platform fees in the window by PostgreSQL's count, in USD.",
    ("window",),
)

METRICS = (
    TRANSACTIONS_PER_HOUR,
    FRAUD_RATE,
    LATENCY,
    REVENUE_PER_HOUR,
    UPDATED,
    LAUNCH_ACTIVE,
    TRANSACTIONS,
    REVENUE,
)

KEYS = (
    (definition.KPI_TRANSACTIONS_PER_HOUR, TRANSACTIONS_PER_HOUR, 1),
    (definition.KPI_FRAUD_RATE, FRAUD_RATE, 100),
    (definition.KPI_LATENCY_P95, LATENCY, 1000),
    (definition.KPI_REVENUE_PER_HOUR, REVENUE_PER_HOUR, 1),
    (definition.KPI_UPDATED_AT, UPDATED, 1),
)
"""Key, metric, and what the key's unit is divided by to get the metric's."""
UNKNOWN = "unknown"
"""Label of kinds that the contract does not have."""
HOUR = 3600
MOST_USD = 10**12
"""An amount counts when it is below a trillion dollars, as are all that are meant: a token's "unlimited" is not."""
PER_USD = 10**6
"""Amounts are added up in whole millionths of a dollar: an exact sum is what it was when a row has come and gone."""


def _usd(column: str, condition: str = "true") -> str:
    counts = f"{condition} AND abs({column}) < {MOST_USD}"
    return f"coalesce(sum(round({column}::numeric * {PER_USD})) FILTER (WHERE {counts}), 0)"


def _too_large(column: str, condition: str = "true") -> str:
    # NaN is larger than every number. NULL is no amount, and not too large.
    return f"count(*) FILTER (WHERE {condition} AND NOT abs({column}) < {MOST_USD})"


_PURCHASE = f"kind = '{definition.PURCHASE}'"
QUERY = RangeQuery(
    source="monitoring.transactions",
    time="timestamp",
    width=5,
    keys=(one_of("kind", definition.TRANSACTION_KINDS),),
    values=(
        "count(*)",
        f"{_usd('amount_usd', _PURCHASE)} + {_usd('platform_fee_usd')}",
        f"{_too_large('amount_usd', _PURCHASE)} + {_too_large('platform_fee_usd')}",
    ),
)
_LAUNCHES = "SELECT NULL, count(*), 0, 0 FROM monitoring.event_launches WHERE starts_at <= {now} AND ends_at > {now}"


def collector(postgres: PostgresSource, redis: RedisSource, settle: float, absence: Absence = NOTHING) -> Collector:
    """The section, reading the KPI keys from Redis and transactions and launches from PostgreSQL."""
    parts: list[Part] = []
    if not absence.view("transactions"):
        parts.append(_Transactions(postgres, settle, absence))
    elif not absence.view("event_launches"):
        parts.append(_Launches(postgres))
    keys = [entry for entry in KEYS if not absence.key(entry[0])]
    if keys:
        parts.append(_Keys(redis, keys))
    return Collector("kpis", parts)


class _Keys:
    def __init__(self, redis: RedisSource, keys: Sequence[tuple[str, Metric, int]]) -> None:
        self._redis = redis
        self._keys = keys

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        answers = await self._redis.read([("GET", key) for key, _, _ in self._keys], moment.deadline)
        values = [number(moment, key, answer) for (key, _, _), answer in zip(self._keys, answers, strict=True)]
        return [
            Family(metric).add(value / divisor)
            for (_, metric, divisor), value in zip(self._keys, values, strict=True)
            if value is not None
        ]


class _Launches:
    def __init__(self, postgres: PostgresSource) -> None:
        self._postgres = postgres

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        await self._postgres.check(moment.deadline)
        moment.follow(self._postgres.status.now())
        rows = await self._postgres.query(_launches(moment.now), (), moment.deadline)
        return [_launch_active(rows)]


class _Transactions:
    def __init__(self, postgres: PostgresSource, settle: float, absence: Absence) -> None:
        self._view = WindowedView(postgres, QUERY, (HOUR,), settle)
        self._launches = not absence.view("event_launches")
        self._revenue = not absence.feature("revenue")

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        launches = await self._view.refresh(moment, aside=_launches if self._launches else None)
        return [*([_launch_active(launches)] if self._launches else []), *self._transactions(moment)]

    def _transactions(self, moment: Moment) -> Iterator[Family]:
        sums = self._view.sums(HOUR)
        if sums is None:
            return
        counts: Counter[str] = Counter()
        revenue = rejected = 0
        for (kind,), (count, usd, unusable) in sums.items():
            counts[kind or UNKNOWN] += count
            revenue += usd
            rejected += unusable
        moment.reject(f"monitoring.transactions: an amount is not below {MOST_USD:,} USD", rejected)
        transactions = Family(TRANSACTIONS)
        for kind in (*definition.TRANSACTION_KINDS, *([UNKNOWN] if counts[UNKNOWN] else [])):
            transactions.add(counts[kind], kind, "1h")
        yield transactions
        if self._revenue:
            yield Family(REVENUE).add(revenue / PER_USD, "1h")


def _launches(now: int) -> str:
    return _LAUNCHES.format(now=literal(now))


def _launch_active(rows: Sequence[tuple[Any, ...]]) -> Family:
    ((_, launches, *_),) = rows
    return Family(LAUNCH_ACTIVE).add(int(launches > 0))
