"""How many ticket transactions are attempted: the daily curve and the launches on top of it."""

from dataclasses import dataclass
from math import exp

import numpy as np

from simulator.instants import DAY, HOUR, MINUTE

MEAN_PER_HOUR = 500.0
# By hour of the day, UTC; their mean is 1.
HOURLY_WEIGHTS = (
    *(0.50, 0.38, 0.30, 0.25, 0.23, 0.25, 0.33, 0.45, 0.60, 0.72, 0.82, 0.90),
    *(0.97, 1.00, 1.03, 1.10, 1.30, 1.75, 2.49, 2.45, 2.10, 1.70, 1.35, 0.80),
)
_LAUNCH_WEEKDAYS = {1: "Tuesday on-sale", 4: "Friday on-sale"}
_LAUNCH_STARTS = 18 * HOUR + 30 * MINUTE
_LAUNCH_LASTS = 2 * HOUR


@dataclass(frozen=True)
class Launch:
    """One on-sale of an event. Instants in microseconds since the epoch."""

    event_id: str
    name: str
    starts_at: int
    ends_at: int
    strength: float = 3.0

    def boost(self, instant: int) -> float:
        """Return the factor on demand: 1 + strength · exp(-t / 20 min) while it lasts, else 1."""
        if not self.starts_at <= instant < self.ends_at:
            return 1.0
        return 1.0 + self.strength * exp(-(instant - self.starts_at) / (20 * MINUTE))


def scheduled_launches(first: int, last: int) -> list[Launch]:
    """Return the launches of the calendar (Tuesdays and Fridays, 18:30 UTC) that touch [first, last]."""
    launches = []
    for day in range((first - _LAUNCH_LASTS) // DAY, last // DAY + 1):
        name = _LAUNCH_WEEKDAYS.get((day + 3) % 7)  # day 0 was a Thursday; Monday is 0
        starts_at = day * DAY + _LAUNCH_STARTS
        if name and starts_at <= last and starts_at + _LAUNCH_LASTS >= first:
            date = np.datetime64(day, "D")
            launches.append(Launch(f"evt_{date}", f"{name} {date}", starts_at, starts_at + _LAUNCH_LASTS))
    return launches


def rate_per_hour(instant: int) -> float:
    """Return the expected attempts per hour at an instant: the curve, interpolated, times the launches."""
    hour = instant % DAY / HOUR - 0.5
    below = int(hour // 1)
    share = hour - below
    weight = (1 - share) * HOURLY_WEIGHTS[below % 24] + share * HOURLY_WEIGHTS[(below + 1) % 24]
    rate = MEAN_PER_HOUR * weight
    for launch in scheduled_launches(instant, instant):
        rate *= launch.boost(instant)
    return rate
