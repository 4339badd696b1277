"""A point in time by which work must be over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


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
            raise DeadlineExceededError(f"{what}: no answer within {self.seconds:.1f} s")
        return remaining


class LimitedCalls:
    """Runs calls on a few threads and waits no longer than it is told: name resolution knows no time limit.

    Args:
        threads: how many calls may be under way; those that hang count.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="limited")

    def run(self, function: Callable[[], Result], seconds: float, what: str) -> Result:
        """The function's result.

        Raises:
            DeadlineExceededError: there is none in time; the message names `what`.
        """
        future = self._threads.submit(function)
        try:
            return future.result(timeout=seconds)
        except TimeoutError:
            future.cancel()
            raise DeadlineExceededError(f"{what}: no answer within {seconds:.1f} s") from None
