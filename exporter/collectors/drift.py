"""The drift part of section model: the last seven days of each feature against its training distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import adapt

from exporter.collectors.base import Moment
from exporter.collectors.windowed import WindowedView
from exporter.divergence import divergence, noise_floor
from exporter.exposition import Family, Metric
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery
from exporter.windows import Cells

DRIFT = Metric(
    "ticketing_model_feature_drift_nats",
    "gauge",
    "KL divergence of the last 7 days from training, in nats; absent under 500 samples.",
    ("feature",),
)
NOISE_FLOOR = Metric(
    "ticketing_model_feature_drift_noise_floor_nats",
    "gauge",
    "Divergence in nats that chance alone exceeds once in a thousand times at this number of samples.",
    ("feature",),
)
SAMPLES = Metric(
    "ticketing_model_feature_samples",
    "gauge",
    "Predictions of the last 7 days that were compared.",
    ("feature",),
)

WEEK = 7 * 86400
FEWEST_SAMPLES = 500
LARGEST = "1e308"
"""A number that is as large is no value of a feature."""

REFERENCE = """
    SELECT r.feature, r.kind, r.cuts, r.categories, r.ref_counts
    FROM monitoring.feature_reference r JOIN monitoring.model_versions m USING (model_version)
    WHERE m.is_active ORDER BY r.feature"""
"""The features of the active model."""


@dataclass(frozen=True)
class Feature:
    """A feature's reference: `counts` has one count a bin and one more, the last, for NULL."""

    name: str
    kind: str
    cuts: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def bins(self) -> int:
        """How many bins the kind makes, with the one for NULL."""
        without_null = {"boolean": 2, "numeric": len(self.cuts) + 1, "categorical": len(self.categories) + 1}
        return without_null[self.kind] + 1

    def bin_expression(self) -> str:
        """SQL for the bin of one row; anything of another JSON type counts as NULL.

        A number that no float8 can hold has a bin of its own, behind all others.
        """
        value = f"features -> {_literal(self.name)}"
        as_text = f"features ->> {_literal(self.name)}"
        if self.kind == "boolean":
            bins, json_type = f"({as_text})::boolean::int", "boolean"
        elif self.kind == "numeric":
            # JSON numbers have no bounds: a cast to float8 would fail, and the query with it. As decimals they are
            # in the order of the floats that they are written for.
            cuts = f"ARRAY[{', '.join(repr(cut) for cut in self.cuts)}]::numeric[]"
            number, json_type = f"({value})::numeric", "number"
            bins = f"CASE WHEN abs({number}) < {LARGEST} THEN width_bucket({number}, {cuts}) ELSE {self.bins} END"
        else:
            categories = f"ARRAY[{', '.join(map(_literal, self.categories))}]::text[]"
            bins = f"coalesce(array_position({categories}, {as_text}) - 1, {len(self.categories)})"
            json_type = "string"
        return f"CASE WHEN jsonb_typeof({value}) = '{json_type}' THEN {bins} ELSE {self.bins - 1} END"


class Drift:
    """Keeps the counts of all bins of all features; starts anew when the active model's reference changes."""

    def __init__(self, postgres: PostgresSource, settle: float) -> None:
        self._postgres = postgres
        self._settle = settle
        self._features: tuple[Feature, ...] = ()
        self._view: WindowedView | None = None

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        features = tuple(_usable(moment, await self._postgres.query(REFERENCE, (), moment.deadline)))
        if features != self._features:
            self._features, self._view = features, None
        if not features:
            return ()
        if self._view is None:
            self._view = WindowedView(self._postgres, bins_query(features), (WEEK,), self._settle)
        await self._view.refresh(moment)
        sums = self._view.sums(WEEK)
        return () if sums is None else _families(moment, features, sums)


def _families(moment: Moment, features: Sequence[Feature], sums: Cells) -> Iterable[Family]:
    divergences, floors, samples = Family(DRIFT), Family(NOISE_FLOOR), Family(SAMPLES)
    for position, feature in enumerate(features):
        *current, too_large = [sums.get((position, number), (0,))[0] for number in range(feature.bins + 1)]
        moment.reject(f"monitoring.fraud_predictions: feature {feature.name} is not below {LARGEST}", too_large)
        current[-1] += too_large
        samples.add(sum(current), feature.name)
        if sum(current) >= FEWEST_SAMPLES:
            divergences.add(divergence(current, feature.counts), feature.name)
            floors.add(noise_floor(current, feature.counts), feature.name)
    return (divergences, floors, samples)


def _usable(moment: Moment, rows: Sequence[tuple[Any, ...]]) -> Iterator[Feature]:
    times = Counter(name for name, *_ in rows)
    for name in times:
        if times[name] > 1:
            moment.problem(f"monitoring.feature_reference: feature {name}: {times[name]} active models have it")
    for name, kind, cuts, categories, counts in (row for row in rows if times[row[0]] == 1):
        feature = Feature(name, kind, tuple(cuts or ()), tuple(categories or ()), tuple(counts or ()))
        problem = problem_of(feature)
        if problem:
            moment.problem(f"monitoring.feature_reference: feature {name}: {problem}")
        else:
            yield feature


def problem_of(feature: Feature) -> str | None:
    """Why it cannot be used: anything odd here would cost the drift of all features."""
    if feature.kind not in ("boolean", "numeric", "categorical"):
        return f"kind {feature.kind!r} is unknown"
    if not isinstance(feature.name, str) or not all(isinstance(category, str) for category in feature.categories):
        return "names and categories must be text"
    if not all(isinstance(cut, int | float) and math.isfinite(cut) for cut in feature.cuts):
        return "cuts must be finite numbers of type float8; the outer bins are open without others"
    if list(feature.cuts) != sorted(set(feature.cuts)):
        return "cuts do not ascend"
    if len(feature.counts) != feature.bins or not all(isinstance(count, int) for count in feature.counts):
        return f"ref_counts has {len(feature.counts)} counts, its {feature.kind} bins and NULL make {feature.bins}"
    if min(feature.counts) < 0:
        return "ref_counts has a negative count"
    if not sum(feature.counts):
        return "ref_counts are all 0"
    return None


def bins_query(features: tuple[Feature, ...]) -> RangeQuery:
    """Counts by the position of a feature and its bin; the one behind all others is of numbers that are too large."""
    # One pass over the rows; each of them is a sample of every feature.
    bins = ", ".join(f"({position}, {feature.bin_expression()})" for position, feature in enumerate(features))
    return RangeQuery(
        source=f"monitoring.fraud_predictions CROSS JOIN LATERAL (VALUES {bins}) AS sample (feature, bin)",
        time="timestamp",
        width=600,
        keys=("feature", "bin"),
        values=("count(*)",),
    )


def _literal(text: str) -> str:
    adapted = adapt(text)
    adapted.encoding = "utf-8"
    return str(adapted.getquoted().decode("utf-8"))
