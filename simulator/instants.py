"""Instants as integers: microseconds since the epoch, UTC, the resolution of PostgreSQL's timestamptz."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 2**62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Convert an aware datetime to microseconds since the epoch, without a rounding error."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone is not an instant")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(instant: int) -> datetime:
    """Convert microseconds since the epoch to a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def texts(instants: NDArray[np.int64]) -> list[str]:
    """Format instants for COPY; the session's time zone must be UTC. Shape (n,) to n strings."""
    formatted: list[str] = np.datetime_as_string(instants.astype("datetime64[us]"), unit="us").tolist()
    return formatted


def next_sunday_2am(instant: int) -> int:
    """Return the first Sunday 02:00 UTC after the instant: when the model is retrained."""
    first = 3 * DAY + 2 * HOUR  # 1970-01-04 was a Sunday
    return first + ((instant - first) // (7 * DAY) + 1) * 7 * DAY
