"""The simulated time: real time, or a faster one that starts in the past and never overtakes it."""

import time

from simulator.instants import SECOND


class Clock:
    """Tells the simulated instant.

    Args:
        start: simulated instant at construction, microseconds; ignored at speed 1.
        speed: simulated seconds in a real second, at least 1.
    """

    def __init__(self, start: int, speed: float = 1.0) -> None:
        if speed < 1.0:
            raise ValueError("a speed below 1 would fall behind for ever")
        self._start = start
        self._speed = speed
        self._started = time.monotonic()

    def now(self) -> int:
        """Return the simulated instant in microseconds since the epoch."""
        real = time.time_ns() // 1000
        if self._speed == 1.0:
            return real
        return min(real, self._start + int((time.monotonic() - self._started) * self._speed * SECOND))
