"""The JSON API: the blueprint's shapes, with null for what is not known."""

from __future__ import annotations

from typing import Any

from common.deadline import Deadline
from contract import definition
from exporter.app import Exporter
from exporter.collectors.base import Moment
from exporter.collectors.kpis import OF_KPI
from exporter.collectors.values import number
from exporter.kpi_sources import KPIS, FromPostgresql, FromView
from exporter.sources.ranges import MOST_AHEAD_SECONDS
from exporter.waiting import complete

SECONDS = 3.0
FEED_ROWS = 50

# The predicate is that of the partial index, literally; a parameter would keep it from being used. A row without a
# time, or with one that cannot be (milliseconds taken for seconds, say), has no place among the newest.
# Of a view that has no decision_word the name means the one beside it, which is NULL.
FEED = f"""
    SELECT newest.*
    FROM (SELECT NULL::text AS decision_word) AS absent
    CROSS JOIN LATERAL (
        SELECT timestamp, transaction_id, fraud_score, decision,
               left(decision_word::text, {definition.LONGEST_DECISION_WORD}), top_feature
        FROM monitoring.fraud_predictions
        WHERE (fraud_score > 0.65 OR decision <> '{definition.APPROVED}')
          AND timestamp BETWEEN TIMESTAMPTZ 'epoch' AND now() + interval '{MOST_AHEAD_SECONDS} s'
        ORDER BY timestamp DESC LIMIT {FEED_ROWS}
    ) AS newest"""
"""The newest rows of high risk."""


class NotHereError(Exception):
    """The platform has nothing of what was asked for."""


def kpis(exporter: Exporter) -> dict[str, Any]:
    """The KPIs in the units of the contract's keys: transactions, percent, milliseconds, USD.

    Those that the platform does not have are null, and named by `not_on_this_platform`. So are, without being named,
    those that only Prometheus knows.

    Raises:
        NotHereError: it has none of them.
        RedisError: Redis cannot be read, or what it has is too late.
    """
    absent = [kpi.name for kpi in KPIS if exporter.absence.key(kpi.key)]
    here = [kpi for kpi in KPIS if kpi.name not in absent]
    if not here:
        raise NotHereError
    sources = exporter.config.kpis
    in_redis = [(kpi, key) for kpi in here if (key := kpi.redis_key(sources))]
    moment = Moment(round(exporter.clock() * 1_000_000), Deadline(SECONDS))
    answers = complete(exporter.redis.read([("GET", key) for _, key in in_redis], moment.deadline))
    values: dict[str, float | None] = {}
    for (kpi, key), answer in zip(in_redis, answers, strict=True):
        value = number(moment, key, answer)
        values[kpi.name] = None if value is None else value * (kpi.contract_divisor / kpi.divisor(sources))
    in_postgres = [kpi for kpi in here if isinstance(kpi.source(sources), FromPostgresql | FromView)]
    if in_postgres:
        collected = _collected(exporter)
        for kpi in in_postgres:
            value = collected.get(OF_KPI[kpi.name].name)
            values[kpi.name] = None if value is None else value * kpi.contract_divisor
    if (transactions := values.get("transactions_per_hour")) is not None:
        values["transactions_per_hour"] = round(transactions)
    shown: dict[str, Any] = {kpi.name: values.get(kpi.name) for kpi in KPIS}
    return {**shown, "not_on_this_platform": absent} if absent else shown


def _collected(exporter: Exporter) -> dict[str, float]:
    """The series without labels of the sections that know KPIs, as a scrape would have them now."""
    scraper = exporter.scraper
    sections = [section for section in ("kpis", "fraud") if section in scraper.sections]
    lines = scraper.scrape(sections, SECONDS).text.decode().splitlines()
    pairs = [line.split(" ") for line in lines if not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, value in pairs}


def fraud_feed(exporter: Exporter) -> list[dict[str, Any]]:
    """The last 50 high-risk predictions, newest first; `decision_word` is the platform's own, or null.

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
            "decision_word": word,
            "top_feature": top_feature,
        }
        for time, transaction_id, score, decision, word, top_feature in rows
    ]
