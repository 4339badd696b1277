"""How many more buyers a lower review threshold sends to review, by the scores of the last hour."""

from __future__ import annotations

import math
from collections.abc import Mapping

from responder.placeholders import promql
from responder.prometheus import Prometheus

# Exporters of a pair count the same predictions. One that has not counted for the whole hour would say too few.
_SERIES = 'ticketing_fraud_score_bucket{{platform="{platform}"}}'
_SCORES = f"max by (le) (increase({_SERIES}[1h]) and {_SERIES} offset 1h and {_SERIES})"


def more_reviews_per_hour(prometheus: Prometheus, platform: str, was: float, to: float) -> float | None:
    """Predictions an hour with a score that is below the one threshold and not below the other.

    Args:
        prometheus: with the exporter's histogram of scores.
        platform: whose.
        was: the threshold, 0 to 1.
        to: a lower one.

    Returns:
        As many as there would be if the scores of a bucket lay evenly in it; None when there is no hour of scores.

    Raises:
        PrometheusError: it does not say.
    """
    found = prometheus.query(_SCORES.format(platform=promql(platform)))
    below = {float(sample.labels["le"]): sample.value for sample in found if "le" in sample.labels}
    if math.inf not in below or not all(math.isfinite(count) for count in below.values()):
        return None
    return max(0.0, _below(below, was) - _below(below, to))


def _below(counts: Mapping[float, float], score: float) -> float:
    """How many are below a score, of cumulative counts by upper bound."""
    bounds = sorted(counts)
    last_bound, last = 0.0, 0.0
    for bound in bounds:
        if score <= bound:
            if math.isinf(bound):
                return last
            part = (score - last_bound) / (bound - last_bound) if bound > last_bound else 1.0
            return last + (counts[bound] - last) * max(0.0, part)
        last_bound, last = bound, counts[bound]
    return last
