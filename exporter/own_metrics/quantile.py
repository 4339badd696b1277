"""A quantile of what a histogram has counted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def quantile(share: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """The value below which a share of all lies, as PromQL's `histogram_quantile` has it; None without any.

    Args:
        share: between 0 and 1.
        bounds: upper bounds in ascending order, without +Inf.
        counts: observations up to each bound and above the one before it, and last those above all.
    """
    total = sum(counts)
    if not total:
        return None
    rank = share * total
    up_to = list(accumulate(counts))
    at = next(at for at, count in enumerate(up_to) if count and count >= rank)
    below = up_to[at] - counts[at]
    if at == len(bounds):
        return bounds[-1]
    if at == 0 and bounds[0] <= 0:
        return bounds[0]
    start = bounds[at - 1] if at else 0.0
    return start + (bounds[at] - start) * (rank - below) / counts[at]
