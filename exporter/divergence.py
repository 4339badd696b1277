"""Drift of a feature: how far its current distribution is from the one the model was trained on.

KL(current ‖ reference) = Σ p ln(p/q) in nats over bins. Bins with no count on either side are dropped; then
p = (c + ½) / (N + ½B) and q = (r + ½) / (M + ½B) over the B bins left, N and M being the sums of their counts.
The half count (Krichevsky and Trofimov's prior) keeps a bin that only one side has from being infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

ALPHA = 0.5
FALSE_ALARM_PROBABILITY = 0.001


def divergence(current: Sequence[int], reference: Sequence[int], alpha: float = ALPHA) -> float:
    """KL(current ‖ reference) in nats; 0 when one bin is all there is.

    Args:
        current: counts by bin.
        reference: counts in the same bins.
        alpha: added to each count; with 0 it is the plain divergence, which may be infinite.

    Raises:
        ValueError: the numbers of bins differ, or a side has no counts.
    """
    pairs = _bins_in_use(current, reference)
    n = sum(c for c, _ in pairs) + alpha * len(pairs)
    m = sum(r for _, r in pairs) + alpha * len(pairs)
    terms = []
    for c, r in pairs:
        p, q = (c + alpha) / n, (r + alpha) / m
        if q == 0:
            return math.inf
        terms.append(p * math.log(p / q) if p else 0.0)
    return math.fsum(terms)


def noise_floor(current: Sequence[int], reference: Sequence[int]) -> float:
    """The divergence in nats that two samples of one distribution exceed once in a thousand times.

    2·KL / (1/N + 1/M) is about χ² distributed with B − 1 degrees of freedom (Wilks).

    Raises:
        ValueError: as for `divergence`.
    """
    pairs = _bins_in_use(current, reference)
    if len(pairs) < 2:
        return 0.0
    n, m = sum(c for c, _ in pairs), sum(r for _, r in pairs)
    return chi2_isf(FALSE_ALARM_PROBABILITY, len(pairs) - 1) / 2 * (1 / n + 1 / m)


@lru_cache(maxsize=256)
def chi2_isf(probability: float, degrees: int) -> float:
    """The value that a χ² variable with these degrees of freedom exceeds with this probability."""
    low, high = 0.0, 1.0
    while _chi2_sf(high, degrees) > probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if _chi2_sf(middle, degrees) > probability:
            low = middle
        else:
            high = middle
    return high


def _chi2_sf(x: float, degrees: int) -> float:
    # The finite sums for whole degrees of freedom (Abramowitz and Stegun, 26.4.4 and 26.4.5), which begin at k = 0 and
    # ½; each term by its logarithm, as the factors of hundreds of bins are too large for a float.
    half = x / 2
    start = 0.0 if degrees % 2 == 0 else 0.5
    powers = [start + k for k in range(degrees // 2)]
    terms = (math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers)
    return (math.erfc(math.sqrt(half)) if degrees % 2 else 0.0) + math.fsum(terms)


def _bins_in_use(current: Sequence[int], reference: Sequence[int]) -> list[tuple[int, int]]:
    if len(current) != len(reference):
        raise ValueError(f"{len(current)} bins now, {len(reference)} in the reference")
    if not sum(current) or not sum(reference):
        raise ValueError("no counts to compare")
    return [(c, r) for c, r in zip(current, reference, strict=True) if c or r]
