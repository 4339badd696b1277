"""Values of keys: are they plausible in the unit of the contract, by PostgreSQL's own counts where there are any."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from contract.definition import (
    BLOCKED,
    FRAUD_THRESHOLD,
    KPI_FRAUD_RATE,
    KPI_LATENCY_P95,
    KPI_REVENUE_PER_HOUR,
    KPI_TRANSACTIONS_PER_HOUR,
    KPI_UPDATED_AT,
    PURCHASE,
)
from exporter.collectors.kpis import MOST_USD
from exporter.contract_check.database import Database
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns
from exporter.sources.ranges import MOST_AHEAD_SECONDS

FACTOR = 3.0
"""Two counts of the same within it are alike; and a unit explains it when it leaves less."""
LEAST_ROWS = 50
"""In the hour: of fewer a share says nothing."""
STALE_SECONDS = 900

_PREDICTIONS = f"""
    SELECT count(*), count(*) FILTER (WHERE decision = '{BLOCKED}') FROM monitoring.fraud_predictions
    WHERE timestamp > now() - interval '1 hour' AND timestamp <= now()"""
_TRANSACTIONS = f"""
    SELECT count(*),
           coalesce(sum(amount_usd) FILTER (WHERE kind = '{PURCHASE}' AND abs(amount_usd) < {MOST_USD}), 0)
           + coalesce(sum(platform_fee_usd) FILTER (WHERE abs(platform_fee_usd) < {MOST_USD}), 0)
    FROM monitoring.transactions WHERE timestamp > now() - interval '1 hour' AND timestamp <= now()"""


@dataclass(frozen=True)
class Unit:
    """A unit that a value may be in, in place of the right one.

    Attributes:
        name: for the report.
        factor: by it the value becomes right.
        setting: how the configuration names it; empty where it does not know it.
    """

    name: str
    factor: float
    setting: str = ""


UNITS: Mapping[str, tuple[str, tuple[Unit, ...]]] = {
    KPI_TRANSACTIONS_PER_HOUR: (
        "transactions an hour",
        (Unit("a minute", 60), Unit("a second", 3600), Unit("a day", 1 / 24)),
    ),
    KPI_FRAUD_RATE: ("percent", (Unit("a ratio", 100, "ratio"), Unit("basis points", 0.01))),
    KPI_REVENUE_PER_HOUR: (
        "USD an hour",
        (Unit("cents", 0.01, "cents"), Unit("a minute", 60), Unit("a day", 1 / 24), Unit("thousands", 1000)),
    ),
}
"""By key: the unit of the contract, and what is written in its place."""


def check_values(database: Database, usable: Columns, values: Mapping[str, float], now: float) -> Iterator[Finding]:
    """What is odd about the values of keys.

    Args:
        database: that counts.
        usable: its views; none when it is down.
        values: by key; those that are there and are numbers.
        now: unix seconds.
    """
    if KPI_LATENCY_P95 in values:
        yield from _latency(values[KPI_LATENCY_P95])
    if KPI_UPDATED_AT in values:
        yield from _updated(values[KPI_UPDATED_AT], now)
    if FRAUD_THRESHOLD in values and not 0 <= values[FRAUD_THRESHOLD] <= 1:
        detail = f"{values[FRAUD_THRESHOLD]:g} is not between 0 and 1"
        yield Finding(WRONG, FRAUD_THRESHOLD, detail, "write a score from 0 to 1: 0.6, not 60")
    truth = _truth(database, usable)
    for key in UNITS:
        if key in values and values[key] < 0:
            yield Finding(WRONG, key, f"{values[key]:g} is negative", "correct what writes it")
        elif key == KPI_FRAUD_RATE and values.get(key, 0) > 100:
            yield Finding(WRONG, key, f"{values[key]:g} is above 100 percent", "write blocked / all in percent: 1.8")
        elif key in values and truth.get(key, 0.0) > 0:
            yield from _unit(key, values[key], truth[key])


def _truth(database: Database, usable: Columns) -> dict[str, float]:
    truth: dict[str, float] = {}
    if {"timestamp", "decision"} <= usable.get("fraud_predictions", set()):
        rows, blocked = _counts(database, _PREDICTIONS)
        if rows >= LEAST_ROWS:
            truth[KPI_FRAUD_RATE] = 100 * blocked / rows
    if {"timestamp", "kind", "amount_usd", "platform_fee_usd"} <= usable.get("transactions", set()):
        rows, revenue = _counts(database, _TRANSACTIONS)
        if rows >= LEAST_ROWS:
            truth |= {KPI_TRANSACTIONS_PER_HOUR: rows, KPI_REVENUE_PER_HOUR: revenue}
    return truth


def _counts(database: Database, sql: str) -> tuple[float, float]:
    try:
        ((rows, other),) = database.rows(sql)
    except (PostgresError, DeadlineExceededError):
        return 0.0, 0.0  # told where the view is
    return float(rows), float(other)


def _latency(value: float) -> Iterator[Finding]:
    if value < 0:
        yield Finding(WRONG, KPI_LATENCY_P95, f"{value:g} is negative", "correct what writes it")
    elif 0 < value < 1:
        detail = f"{value:g} ms cannot be: is it {value:g} s?"
        yield Finding(WRONG, KPI_LATENCY_P95, detail, f"write milliseconds: {value * 1000:g}; {_says('seconds')}")
    elif value > 60_000:
        detail = f"{value:g} ms cannot be: is it microseconds?"
        yield Finding(WRONG, KPI_LATENCY_P95, detail, f"write milliseconds: {value / 1000:g}")
    elif 0 < value < 5:
        yield Finding(
            WARNING,
            KPI_LATENCY_P95,
            f"{value:g} ms is little: is it seconds?",
            f"write milliseconds; {_says('seconds')}",
        )


def _says(unit: str) -> str:
    return f"or say so: `unit: {unit}` beside the KPI's `from` under `kpis` of the exporter's configuration"


def _updated(value: float, now: float) -> Iterator[Finding]:
    if value > now * 100:
        detail = f"{value:.0f} is no unix time in seconds"
        yield Finding(WRONG, KPI_UPDATED_AT, detail, "write seconds: milliseconds / 1000")
    elif value - now > MOST_AHEAD_SECONDS:
        mend = "write unix time, which has no zone, and see the clock of what writes it"
        yield Finding(WRONG, KPI_UPDATED_AT, f"is {value - now:.0f} s in the future", mend)
    elif now - value > STALE_SECONDS:
        mend = "see whether the job that writes kpi:* runs; it writes unix time, which has no zone"
        yield Finding(WRONG, KPI_UPDATED_AT, f"is {now - value:.0f} s old", mend)


def _unit(key: str, value: float, truth: float) -> Iterator[Finding]:
    unit, others = UNITS[key]
    told = f"{value:g} {unit}; PostgreSQL counts {truth:.4g}"
    if value and _alike(value, truth):
        yield Finding(OK, f"{key} against PostgreSQL", told)
        return
    fits = [other for other in others if value and _alike(value * other.factor, truth)]
    if fits:
        best = min(fits, key=lambda other: abs(math.log(value * other.factor / truth)))
        mend = f"write {unit}: × {best.factor:.4g}" + (f"; {_says(best.setting)}" if best.setting else "")
        yield Finding(WRONG, key, f"{told}: is it in {best.name}?", mend)
    else:
        mend = "one of both is wrong: compare them with the payment provider's figure of the same hour"
        yield Finding(WARNING, key, told, mend)


def _alike(value: float, truth: float) -> bool:
    return truth / FACTOR <= value <= truth * FACTOR
