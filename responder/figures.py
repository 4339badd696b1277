"""The figures of a playbook, asked of Prometheus and written for people."""

from __future__ import annotations

import math


def shown(figure: float | None) -> str:
    """Four significant digits; "unknown" for none."""
    if figure is None:
        return "unknown"
    if figure == 0 or not math.isfinite(figure):
        return f"{figure:g}"
    return f"{round(figure, 3 - math.floor(math.log10(abs(figure)))):.15g}"
