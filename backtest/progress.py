"""How far a long run has come, for whoever waits at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


class Progress:
    """A bar on standard error while it is a terminal; nothing elsewhere.

    Args:
        name: of what is done.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()

    def __enter__(self) -> Callable[[float], None]:
        """What is to be told how much is done, 0 to 1."""
        self._show(0.0)
        return self._show

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")

    def _show(self, share: float) -> None:
        if sys.stderr.isatty():
            spent = time.monotonic() - self._began
            left = f", {spent / share - spent:.0f} s left" if share else ""
            sys.stderr.write(f"\r\033[K{self._name} {'█' * round(20 * share):░<20} {share:.0%}{left}")
            sys.stderr.flush()
