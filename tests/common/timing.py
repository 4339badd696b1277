"""How long an answer takes, on a machine that others keep busy."""

import time
from collections.abc import Callable


def quickest(ask: Callable[[], None], times: int = 5, pause: float = 0.2) -> float:
    """The least time, in seconds, of some that `ask` takes.

    Whoever is kept waiting by other clients is so each time; a busy machine delays now one answer, now another.
    """
    taken = []
    for _ in range(times):
        began = time.monotonic()
        ask()
        taken.append(time.monotonic() - began)
        time.sleep(pause)
    return min(taken)
