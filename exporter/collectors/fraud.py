"""Section fraud: what the model decided, how it scored, and the thresholds in force.

ticketing_fraud_predictions{decision="BLOCKED",window="10m"} 4
ticketing_fraud_predictions{decision="BLOCKED",window="1h"} 22
ticketing_fraud_predictions{decision="BLOCKED",window="24h"} 231
ticketing_fraud_blocked_ratio{window="10m"} 0.0192
ticketing_fraud_predictions_total{decision="BLOCKED"} 22
ticketing_fraud_score_bucket{le="0.1"} 611
ticketing_fraud_score_sum 171.3
ticketing_fraud_score_count 1247
ticketing_fraud_threshold_ratio{threshold="review"} 0.6
ticketing_fraud_threshold_ratio{threshold="block"} 0.8
ticketing_fraud_model_active{model="xgboost"} 1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contract.definition import BLOCKED, DECISIONS, FRAUD_MODEL, FRAUD_THRESHOLD
from exporter.absence import NOTHING, Absence
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.freshness import freshness
from exporter.collectors.kpis import FRAUD_RATE, HOUR
from exporter.collectors.values import number, text
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric
from exporter.kpi_sources import FromPostgresql, Kpis
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery, one_of
from exporter.sources.redis import RedisSource

PREDICTIONS = Metric(
    "ticketing_fraud_predictions",
    "gauge",
    "Fraud predictions in the window, by decision.",
    ("decision", "window"),
)
BLOCKED_RATIO = Metric(
    "ticketing_fraud_blocked_ratio",
    "gauge",
    "Blocked predictions / all predictions in the window (0..1); absent without predictions.",
    ("window",),
)
PREDICTIONS_TOTAL = Metric(
    "ticketing_fraud_predictions_total",
    "counter",
    "Fraud predictions seen since the exporter started, by decision.",
    ("decision",),
    beside_gauge=True,
)
SCORE = Metric(
    "ticketing_fraud_score",
    "histogram",
    "Fraud scores (0..1) of predictions seen since the exporter started.",
)
THRESHOLD = Metric(
    "ticketing_fraud_threshold_ratio",
    "gauge",
    "Fraud score (0..1) in force from which a transaction is reviewed or blocked.",
    ("threshold",),
)
MODEL_ACTIVE = Metric("ticketing_fraud_model_active", "gauge", "1 for the fraud model that decides now.", ("model",))

METRICS = (PREDICTIONS, BLOCKED_RATIO, PREDICTIONS_TOTAL, SCORE, THRESHOLD, MODEL_ACTIVE)

UNKNOWN = "UNKNOWN"
"""Label of decisions that the contract does not have; they count as predictions all the same."""
WINDOWS = {"10m": 600, "1h": 3600, "24h": 86400}
RATIO_WINDOWS = ("10m", "1h")
SCORE_BOUNDS = tuple(tenths / 10 for tenths in range(1, 11))

MOST_SCORE = 10**6
"""A score that is as large, infinite or NaN is not observed: it would be the sum of all others, too."""
PER_SCORE = 10**9
"""Scores are added up in whole billionths: an exact sum is what it was when a row has come and gone."""
_OBSERVED = f"abs(fraud_score) < {MOST_SCORE}"

# How many bounds a score exceeds; NULL for one that is not observed.
_SCORE_CELL = (
    f"CASE WHEN {_OBSERVED} THEN 10 - width_bucket(-fraud_score,"
    f" ARRAY[{', '.join(str(-bound) for bound in reversed(SCORE_BOUNDS))}]::float8[]) END"
)
QUERY = RangeQuery(
    source="monitoring.fraud_predictions",
    time="timestamp",
    width=5,
    keys=(one_of("decision", DECISIONS), _SCORE_CELL),
    values=(
        "count(*)",
        f"coalesce(sum((fraud_score * {PER_SCORE})::bigint) FILTER (WHERE {_OBSERVED}), 0)",
        f"count(*) FILTER (WHERE NOT {_OBSERVED})",
    ),
)
# One row for each active model: its threshold, in billionths like the scores, and whether that is none.
_BLOCK_THRESHOLD = f"""
    SELECT NULL, NULL::int, 1,
           CASE WHEN block_threshold BETWEEN 0 AND 1 THEN round(block_threshold::numeric * {PER_SCORE}) END,
           count(*) FILTER (WHERE NOT block_threshold BETWEEN 0 AND 1) OVER ()
    FROM monitoring.model_versions WHERE is_active"""


def collector(
    postgres: PostgresSource,
    redis: RedisSource,
    settle: float,
    absence: Absence = NOTHING,
    kpis: Kpis = Kpis(),  # noqa: B008 (it is frozen)
) -> Collector:
    """The section, reading predictions from PostgreSQL and settings from Redis; and the KPI that is their share."""
    parts: list[Part] = []
    if not absence.view("fraud_predictions"):
        parts.append(_Predictions(postgres, settle, absence, is_kpi=isinstance(kpis.fraud_rate, FromPostgresql)))
    keys = [key for key in (FRAUD_THRESHOLD, FRAUD_MODEL) if not absence.key(key)]
    if keys:
        parts.append(_Settings(redis, keys))
    return Collector("fraud", parts)


class _Predictions:
    def __init__(self, postgres: PostgresSource, settle: float, absence: Absence, *, is_kpi: bool) -> None:
        self._view = WindowedView(postgres, QUERY, tuple(WINDOWS.values()), settle)
        self._is_kpi = is_kpi
        self._aside = None if absence.view("model_versions") else lambda _: _BLOCK_THRESHOLD

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        thresholds = await self._view.refresh(moment, aside=self._aside)
        threshold = _block_threshold(moment, thresholds)
        return [*self._windows(moment), *self._counters(), threshold, *freshness("fraud", self._view, moment)]

    def _windows(self, moment: Moment) -> Iterator[Family]:
        predictions, ratio = Family(PREDICTIONS), Family(BLOCKED_RATIO)
        rejected = 0
        for window, seconds in WINDOWS.items():
            sums = self._view.sums(seconds)
            if sums is None:
                continue
            counts: Counter[str] = Counter()
            rejected = 0
            for (decision, _), (count, _, unusable) in sums.items():
                counts[decision or UNKNOWN] += count
                rejected += unusable
            for decision in (*DECISIONS, *([UNKNOWN] if counts[UNKNOWN] else [])):
                predictions.add(counts[decision], decision, window)
            total = counts.total()
            if window in RATIO_WINDOWS and total:
                ratio.add(counts[BLOCKED] / total, window)
            if self._is_kpi and seconds == HOUR and total:
                yield Family(FRAUD_RATE).add(counts[BLOCKED] / total)
        # Of the longest window that is known, which has the others in it.
        moment.reject(f"monitoring.fraud_predictions: a fraud_score is not below {MOST_SCORE:,}", rejected)
        yield predictions
        yield ratio

    def _counters(self) -> Iterator[Family]:
        decisions: Counter[str] = Counter()
        cells = [0] * (len(SCORE_BOUNDS) + 1)
        score_sum = 0
        for (decision, cell), (count, scores, _) in self._view.counters.items():
            decisions[decision or UNKNOWN] += count
            if cell is not None:
                cells[cell] += count
                score_sum += scores
        totals = Family(PREDICTIONS_TOTAL)
        for decision in (*DECISIONS, *([UNKNOWN] if decisions[UNKNOWN] else [])):
            totals.add(decisions[decision], decision)
        yield totals
        yield Family(SCORE).add_histogram(SCORE_BOUNDS, cells, score_sum / PER_SCORE)


def _block_threshold(moment: Moment, rows: Sequence[tuple[Any, ...]]) -> Family:
    family = Family(THRESHOLD)
    if len(rows) > 1:
        moment.problem("monitoring.model_versions: more than one row is active")
    elif rows:
        ((*_, threshold, unusable),) = rows
        moment.reject("monitoring.model_versions: block_threshold is not between 0 and 1", unusable)
        if threshold is not None:
            family.add(int(threshold) / PER_SCORE, "block")
    return family


class _Settings:
    def __init__(self, redis: RedisSource, keys: Sequence[str]) -> None:
        self._redis = redis
        self._keys = keys

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        answers = await self._redis.read([("GET", key) for key in self._keys], moment.deadline)
        found = dict(zip(self._keys, answers, strict=True))
        families = []
        review = number(moment, FRAUD_THRESHOLD, found.get(FRAUD_THRESHOLD))
        if review is not None:
            if 0 <= review <= 1:
                families.append(Family(THRESHOLD).add(review, "review"))
            else:
                moment.problem(f"key {FRAUD_THRESHOLD}: {review:g} is not between 0 and 1")
        name = text(moment, FRAUD_MODEL, found.get(FRAUD_MODEL))
        if name:
            families.append(Family(MODEL_ACTIVE).add(1, name))
        return families
