"""A point in time by which work must be over."""

from __future__ import annotations

import time


class DeadlineExceededError(Exception):
    """The work was not over in time."""


class Deadline:
    """A deadline on the monotonic clock, handed down from a scrape to everything it waits for."""

    __slots__ = ("_at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return self._at - time.monotonic()

    def check(self, what: str) -> float:
        """Seconds left, at least a little.

        Raises:
            DeadlineExceededError: none are left; the message names `what`.
        """
        remaining = self.remaining()
        if remaining <= 0:
            raise self.exceeded(what)
        return remaining

    def exceeded(self, what: str) -> DeadlineExceededError:
        """The error that says that `what` was not there in time."""
        return DeadlineExceededError(f"{what}: no answer within {self.seconds:.1f} s")
