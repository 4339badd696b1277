"""Wilson's score interval: how sure a share is that was counted."""

from __future__ import annotations

import math

Z_95 = 1.6448536269514722
"""Of the normal distribution: one side, 95 %."""


def lower_bound(successes: float, total: float, z: float = Z_95) -> float | None:
    """The one-sided lower bound of the true share; None when nothing, or nonsense, was counted.

    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if not (0 <= successes <= total and 0 < total < math.inf):
        return None
    centre = successes + z * z / 2
    margin = z * math.sqrt(successes * (total - successes) / total + z * z / 4)
    return max(0.0, (centre - margin) / (total + z * z))
