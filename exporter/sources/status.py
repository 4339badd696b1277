"""What a source says of itself along with its answers: what time it is there, and how late its data are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MOST_SKEW_SECONDS = 1.0
"""A clock that differs by more than this is a problem."""
NOISE_SECONDS = 0.1
"""By less than this nothing that is counted differs."""


class SourceStatus:
    """What one connection's source last said of itself.

    Its time goes by the monotonic clock of this machine from one reading to the next, so that a clock of this machine
    that is wrong, or set anew, moves no window.

    Args:
        source: `postgresql` or `redis`.
        max_lag: seconds; data that are later are not believed.
        clock: unix time there, whatever it says itself; for a time that is not now.

    Attributes:
        lag: seconds that its data are late at most; 0 for those of a primary, infinite when nobody knows, None when
            it did not say.
        heard: when it last said something, by the monotonic clock; None until it did.
    """

    def __init__(
        self, source: str, max_lag: Callable[[], float] = lambda: math.inf, clock: Callable[[], float] | None = None
    ) -> None:
        self.source = source
        self.lag: float | None = None
        self.heard: float | None = None
        self._max_lag = max_lag
        self._clock = clock
        self._offset: float | None = None

    def hear_time(self, seconds: float, sent: float, received: float) -> None:
        """Take in its unix time, which it read some time between these two of the monotonic clock."""
        self.heard = received
        expected = self._offset if self._offset is not None else time.time() - time.monotonic()
        # What was expected holds as long as it can be right: the time that a query takes moves nothing.
        self._offset = min(max(expected, seconds - received), seconds - sent)

    def hear_lag(self, seconds: float | None) -> None:
        """Take in how late its data are; see `lag`."""
        self.heard = time.monotonic()
        self.lag = seconds

    def repeat(self) -> None:
        """What it said a moment ago holds."""
        self.heard = time.monotonic()

    def time_at(self, monotonic: float) -> int | None:
        """Its unix time in microseconds; None when it never said."""
        if self._clock is not None:
            return round(self._clock() * 1_000_000)
        return None if self._offset is None else round((self._offset + monotonic) * 1_000_000)

    def now(self) -> int | None:
        """Its unix time now; see `time_at`."""
        return self.time_at(time.monotonic())

    def skew(self, clock: float) -> float | None:
        """Seconds that a clock, which says this unix time now, is ahead of the source's; None when it never said."""
        now = self.now()
        return None if now is None else clock - now / 1_000_000

    def late(self) -> str | None:
        """Why its data are not to be believed; None when they are."""
        limit = self._max_lag()
        if self.lag is None or self.lag <= limit:
            return None
        much = f"{self.lag:.1f} s late" if math.isfinite(self.lag) else "late, nobody knows how much"
        return f"a replica whose data are {much}; max_lag is {limit:g} s"
