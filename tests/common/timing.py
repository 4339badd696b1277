"""How long an answer takes, on a machine that others keep busy."""

import time
from collections.abc import Callable
from statistics import median


def usual_seconds(ask: Callable[[], None], times: int = 5, pause: float = 0.2) -> float:
    """The median of some times that `ask` takes.

    Whoever is kept waiting by other clients is so most times; a busy machine delays now one answer, now another.
    """
    taken = []
    for _ in range(times):
        began = time.monotonic()
        ask()
        taken.append(time.monotonic() - began)
        time.sleep(pause)
    return median(taken)
