"""Section model: how well predictions held up against labels, and how far the features have drifted.

ticketing_model_predictions{actual="fraud",predicted="fraud",window="24h"} 142
ticketing_model_predictions{actual="legit",predicted="fraud",window="24h"} 89
ticketing_model_unlabelled_predictions{window="24h"} 512
ticketing_model_baseline_ratio{metric="precision"} 0.67
ticketing_model_feature_drift_nats{feature="wallet_age_days"} 0.09
ticketing_model_feature_drift_noise_floor_nats{feature="wallet_age_days"} 0.0007
ticketing_model_feature_samples{feature="wallet_age_days"} 83912
ticketing_model_info{version="2025-11-02"} 1
ticketing_model_next_retraining_timestamp_seconds 1764468000
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contract.definition import BLOCKED, Decision
from exporter.absence import NOTHING, Absence
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.drift import DRIFT, NOISE_FLOOR, SAMPLES, Drift
from exporter.collectors.freshness import freshness
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery, literal
from exporter.windows import MICROSECONDS

PREDICTIONS = Metric(
    "ticketing_model_predictions",
    "gauge",
    "Labelled predictions made in the window, by what was predicted"
    f" (fraud is {BLOCKED} by default) and what was true.",
    ("predicted", "actual", "window"),
)
UNLABELLED = Metric(
    "ticketing_model_unlabelled_predictions",
    "gauge",
    "Predictions made in the window that have no label yet.",
    ("window",),
)
BASELINE = Metric(
    "ticketing_model_baseline_ratio",
    "gauge",
    "Precision, recall and F1 (0..1) of the active model at its training.",
    ("metric",),
)
INFO = Metric("ticketing_model_info", "gauge", "1 for the version of the active model.", ("version",))
NEXT_RETRAINING = Metric(
    "ticketing_model_next_retraining_timestamp_seconds", "gauge", "Unix time of the next planned retraining."
)

METRICS = (PREDICTIONS, UNLABELLED, BASELINE, DRIFT, NOISE_FLOOR, SAMPLES, INFO, NEXT_RETRAINING)

DAY = 86400
BASELINES = ("precision", "recall", "f1")

_WIDTH = 60
PREDICTED = RangeQuery(
    source="monitoring.fraud_predictions", time="timestamp", width=_WIDTH, keys=(), values=("count(*)",)
)
# Predictions of any age may be labelled now: these are the minutes to count again.
_NEWLY_LABELLED = f"""
    SELECT DISTINCT extract(epoch FROM date_bin('{_WIDTH} s', predicted_at, TIMESTAMPTZ 'epoch'))::bigint
    FROM monitoring.fraud_labels
    WHERE labeled_at >= {{labels}} AND predicted_at >= {{predictions}} AND predicted_at < {{end}}"""
_ACTIVE = """
    SELECT model_version, baseline_precision, baseline_recall, baseline_f1,
           extract(epoch FROM next_retraining_at)::float8
    FROM monitoring.model_versions WHERE is_active"""


def collector(
    postgres: PostgresSource,
    drift: PostgresSource,
    settle: float,
    absence: Absence = NOTHING,
    predicted_fraud: Sequence[Decision] = (BLOCKED,),
) -> Collector:
    """The section, reading labels and drift from PostgreSQL on a connection each.

    Args:
        postgres: for labels.
        drift: for features.
        settle: see `WindowedView`.
        absence: what is not read.
        predicted_fraud: the decisions that count as fraud predicted.
    """
    parts: list[Part] = []
    if not (absence.view("fraud_labels") and absence.view("model_versions")):
        parts.append(_Labels(postgres, settle, absence, predicted_fraud))
    if not absence.feature("drift"):
        parts.append(Drift(drift, settle))
    return Collector("model", parts)


def labelled(predicted_fraud: Sequence[Decision]) -> RangeQuery:
    """The query for labels, by whether the decision counts as fraud predicted, and by what was true."""
    return RangeQuery(
        source="monitoring.fraud_labels",
        time="predicted_at",
        width=_WIDTH,
        keys=(f"decision IN ({', '.join(map(repr, predicted_fraud))})", "is_fraud = true"),
        values=("count(*)",),
    )


def newly_labelled(since: int, now: int) -> str:
    """SQL for the minutes whose predictions were labelled since then, both in microseconds."""
    return _NEWLY_LABELLED.format(
        labels=literal(since), predictions=literal(now - (DAY + _WIDTH) * MICROSECONDS), end=literal(now + 1)
    )


class _Labels:
    def __init__(
        self, postgres: PostgresSource, settle: float, absence: Absence, predicted_fraud: Sequence[Decision]
    ) -> None:
        self._postgres = postgres
        self._absence = absence
        self._predicted = WindowedView(postgres, PREDICTED, (DAY,), settle)
        self._labelled = WindowedView(postgres, labelled(predicted_fraud), (DAY,), settle)
        self._settle = round(settle * MICROSECONDS)
        self._labels_since: int | None = None

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        families: list[Family] = []
        moment.follow(self._postgres.status.now())
        if not self._absence.view("fraud_labels"):
            await self._labelled.refresh(moment, changed=await self._newly_labelled(moment))
            late = self._postgres.status.lag or 0.0
            self._labels_since = moment.now - self._settle - round(late * MICROSECONDS)
            if not self._absence.view("fraud_predictions"):
                await self._predicted.refresh(moment)
            families += self._matrix(moment)
            families += freshness("model", self._labelled, moment)
        else:
            await self._postgres.check(moment.deadline)
        if not self._absence.view("model_versions"):
            families += _active(moment, await self._postgres.query(_ACTIVE, (), moment.deadline))
        return families

    def _matrix(self, moment: Moment) -> Iterator[Family]:
        labelled, predicted = self._labelled.sums(DAY), self._predicted.sums(DAY)
        if labelled is not None:
            counts: Counter[tuple[str, str]] = Counter()
            for (blocked, is_fraud), (count,) in labelled.items():
                if is_fraud is not None:
                    counts[_class(blocked), _class(is_fraud)] += count
            matrix = Family(PREDICTIONS)
            for predicted_class in ("fraud", "legit"):
                for actual in ("fraud", "legit"):
                    matrix.add(counts[predicted_class, actual], predicted_class, actual, "24h")
            yield matrix
            if predicted is not None:
                total = sum(count for (count,) in predicted.values())
                if total >= counts.total():
                    yield Family(UNLABELLED).add(total - counts.total(), "24h")
                else:
                    moment.problem("monitoring.fraud_labels: more labels in 24 h than predictions")

    async def _newly_labelled(self, moment: Moment) -> list[int]:
        if self._labels_since is None:
            return []
        sql = newly_labelled(self._labels_since, moment.now)
        rows = await self._postgres.query(sql, (), moment.deadline)
        return [second // _WIDTH for (second,) in rows]


def _active(moment: Moment, rows: Sequence[tuple[Any, ...]]) -> Iterator[Family]:
    if len(rows) != 1:
        if rows:
            moment.problem("monitoring.model_versions: more than one row is active")
        return
    version, *baselines, next_retraining = rows[0]
    if version is not None:
        yield Family(INFO).add(1, version)
    else:
        moment.reject("monitoring.model_versions: the active model has no model_version")
    baseline = Family(BASELINE)
    for name, value in zip(BASELINES, baselines, strict=True):
        if value is not None and 0 <= value <= 1:
            baseline.add(value, name)
        elif value is not None:
            moment.reject(f"monitoring.model_versions: baseline_{name} is not between 0 and 1")
    yield baseline
    if next_retraining is not None and math.isfinite(next_retraining):
        yield Family(NEXT_RETRAINING).add(next_retraining)
    elif next_retraining is not None:
        moment.reject("monitoring.model_versions: next_retraining_at is not a time")


def _class(is_fraud: bool | None) -> str:
    return "fraud" if is_fraud else "legit"
