"""Section kpis: the platform's own figures, from where they are, and PostgreSQL's count to hold them against.

ticketing_kpi_transactions_per_hour 1247
ticketing_kpi_fraud_rate_ratio 0.018
ticketing_kpi_api_latency_p95_seconds 0.045
ticketing_kpi_revenue_per_hour_usd 12450
ticketing_kpi_updated_timestamp_seconds 1764354153
ticketing_event_launch_active 0
ticketing_transactions{kind="purchase",window="10m"} 184
ticketing_transactions{kind="transfer",window="10m"} 24
ticketing_transactions{kind="purchase",window="1h"} 1102
ticketing_transactions{kind="transfer",window="1h"} 145
ticketing_revenue_usd{window="10m"} 2075
ticketing_revenue_usd{window="1h"} 12449.5
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract import definition
from exporter.absence import NOTHING, Absence
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.freshness import freshness
from exporter.collectors.values import number
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric
from exporter.kpi_sources import KPIS, FromPostgresql, FromView, Kpis
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import MOST_AHEAD_SECONDS, RangeQuery, literal, one_of
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

OF_KPI = {
    "transactions_per_hour": TRANSACTIONS_PER_HOUR,
    "fraud_rate": FRAUD_RATE,
    "api_latency_p95": LATENCY,
    "revenue_per_hour": REVENUE_PER_HOUR,
}
"""The metric of each of `exporter.kpi_sources.KPIS`."""
UNKNOWN = "unknown"
"""Label of kinds that the contract does not have."""
HOUR = 3600
WINDOWS = {"10m": 600, "1h": HOUR}
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


VIEW = f"""
    SELECT name, value::float8, extract(epoch FROM as_of)::float8 FROM monitoring.kpis
    WHERE name IN ({", ".join(repr(kpi.name) for kpi in KPIS)}) LIMIT {4 * len(KPIS)}"""
"""The KPIs that the platform computes in PostgreSQL."""


def collector(
    postgres: PostgresSource,
    view: PostgresSource,
    redis: RedisSource,
    settle: float,
    absence: Absence = NOTHING,
    kpis: Kpis = Kpis(),  # noqa: B008 (it is frozen)
) -> Collector:
    """The section.

    Args:
        postgres: for transactions and launches.
        view: for the KPIs that come from a view, on a connection of their own.
        redis: for those that come from keys.
        settle: see `WindowedView`.
        absence: what is not read.
        kpis: where each comes from.
    """
    parts: list[Part] = []
    if not absence.view("transactions"):
        counted = [kpi.name for kpi in KPIS if isinstance(kpi.source(kpis), FromPostgresql)]
        parts.append(_Transactions(postgres, settle, absence, counted))
    elif not absence.view("event_launches"):
        parts.append(_Launches(postgres))
    here = [kpi for kpi in KPIS if not absence.key(kpi.key)]
    written = _Written()
    rows = {kpi.name: kpi.divisor(kpis) for kpi in here if isinstance(kpi.source(kpis), FromView)}
    keys = [(key, OF_KPI[kpi.name], kpi.divisor(kpis)) for kpi in here if (key := kpi.redis_key(kpis))]
    if rows:
        parts.append(_View(view, rows, written, reports=not keys))
    if keys:
        parts.append(_Keys(redis, keys, written, updated=not absence.key(definition.KPI_UPDATED_AT)))
    if not parts:
        parts.append(_nothing)
    return Collector("kpis", parts)


async def _nothing(_: Moment) -> Iterable[Family]:
    # All figures are recorded by Prometheus. The section is there all the same, and its absence would be missed.
    return ()


@dataclass
class _Written:
    """When the platform last wrote what the view has, unix seconds, as of the last collection."""

    in_view: float | None = None


class _Keys:
    """Reads `keys`: each with its metric and what its number is divided by."""

    def __init__(
        self, redis: RedisSource, keys: Sequence[tuple[str, Metric, int]], written: _Written, *, updated: bool
    ) -> None:
        self._redis = redis
        self._keys = [*keys, *([(definition.KPI_UPDATED_AT, UPDATED, 1)] if updated else [])]
        self._written = written

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        answers = await self._redis.read([("GET", key) for key, _, _ in self._keys], moment.deadline)
        values = {
            metric: value / divisor
            for (key, metric, divisor), answer in zip(self._keys, answers, strict=True)
            if (value := number(moment, key, answer)) is not None
        }
        moment.follow(self._redis.status.now())
        in_redis = _not_ahead(moment, f"key {definition.KPI_UPDATED_AT}", values.pop(UPDATED, None))
        # What is as old as the oldest of both is no fresher.
        times = [time for time in (in_redis, self._written.in_view) if time is not None]
        if times:
            values[UPDATED] = min(times)
        return [Family(metric).add(value) for metric, value in values.items()]


class _View:
    """Reads the rows of `names`, each with what its value is divided by; `reports` when they were written, too."""

    def __init__(self, postgres: PostgresSource, names: Mapping[str, int], written: _Written, *, reports: bool) -> None:
        self._postgres = postgres
        self._names = names
        self._written = written
        self._reports = reports

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        await self._postgres.check(moment.deadline)
        rows = await self._postgres.query(VIEW, (), moment.deadline)
        found = [row for row in rows if row[0] in self._names]
        for name, count in Counter(name for name, _, _ in found).items():
            if count > 1:
                moment.problem(f"monitoring.kpis: more than one row is {name}")
                found = [row for row in found if row[0] != name]
        moment.follow(self._postgres.status.now())
        told = [as_of for *_, as_of in found if as_of is not None and math.isfinite(as_of)]
        times = [as_of for as_of in told if _not_ahead(moment, "monitoring.kpis.as_of", as_of) is not None]
        self._written.in_view = min(times, default=None)
        families = []
        for name, value, _ in found:
            if value is not None and math.isfinite(value):
                families.append(Family(OF_KPI[name]).add(value / self._names[name]))
            elif value is not None:
                moment.problem(f"monitoring.kpis: {name} is not a number")
        if self._reports and times:
            families.append(Family(UPDATED).add(min(times)))
        return families


class _Launches:
    def __init__(self, postgres: PostgresSource) -> None:
        self._postgres = postgres

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        await self._postgres.check(moment.deadline)
        moment.follow(self._postgres.status.now())
        rows = await self._postgres.query(_launches(moment.now), (), moment.deadline)
        return [_launch_active(rows)]


class _Transactions:
    """Counts; `kpis` names those KPIs that are this count."""

    def __init__(self, postgres: PostgresSource, settle: float, absence: Absence, kpis: Sequence[str]) -> None:
        self._view = WindowedView(postgres, QUERY, tuple(WINDOWS.values()), settle)
        self._kpis = kpis
        self._launches = not absence.view("event_launches")
        self._revenue = not absence.feature("revenue")

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        launches = await self._view.refresh(moment, aside=_launches if self._launches else None)
        active = [_launch_active(launches)] if self._launches else []
        return [*active, *self._transactions(moment), *freshness("kpis", self._view, moment)]

    def _transactions(self, moment: Moment) -> Iterator[Family]:
        transactions, money = Family(TRANSACTIONS), Family(REVENUE)
        for window, seconds in WINDOWS.items():
            sums = self._view.sums(seconds)
            if sums is None:
                continue
            counts: Counter[str] = Counter()
            revenue = rejected = 0
            for (kind,), (count, usd, unusable) in sums.items():
                counts[kind or UNKNOWN] += count
                revenue += usd
                rejected += unusable
            for kind in (*definition.TRANSACTION_KINDS, *([UNKNOWN] if counts[UNKNOWN] else [])):
                transactions.add(counts[kind], kind, window)
            money.add(revenue / PER_USD, window)
            if seconds == HOUR:
                moment.reject(f"monitoring.transactions: an amount is not below {MOST_USD:,} USD", rejected)
                if "transactions_per_hour" in self._kpis:
                    yield Family(TRANSACTIONS_PER_HOUR).add(counts.total())
                if "revenue_per_hour" in self._kpis:
                    yield Family(REVENUE_PER_HOUR).add(revenue / PER_USD)
        yield transactions
        if self._revenue:
            yield money


def _not_ahead(moment: Moment, what: str, written: float | None) -> float | None:
    # One that is further ahead than clocks differ would look fresh for ever.
    if written is not None and written - moment.seconds > MOST_AHEAD_SECONDS:
        moment.problem(f"{what}: {written:.0f} is a time in the future; unix seconds are expected")
        return None
    return written


def _launches(now: int) -> str:
    return _LAUNCHES.format(now=literal(now))


def _launch_active(rows: Sequence[tuple[Any, ...]]) -> Family:
    ((_, launches, *_),) = rows
    return Family(LAUNCH_ACTIVE).add(int(launches > 0))
