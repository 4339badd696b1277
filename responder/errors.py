"""How an action says that it was not done."""

from __future__ import annotations


class LostError(Exception):
    """The try is another worker's by now; nothing may be written down of it."""


class RefusedError(Exception):
    """It cannot be done, however often it is tried; the message says why."""


class RetryError(Exception):
    """It cannot be done now; the message says why.

    Attributes:
        answered: whether the other side said anything. If not, it was hardly a try.
    """

    def __init__(self, message: str, *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


class SkipError(Exception):
    """There is nothing to do, for a reason.

    Args:
        reason: for people.
        wait: whether to look again when the alert is repeated.
    """

    def __init__(self, reason: str, *, wait: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
