"""What runs the backend, and how many replicas of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Scaler(Protocol):
    """A number of replicas that can be read and set."""

    @property
    def name(self) -> str:
        """What is scaled, unique among all that may be."""

    def read(self) -> int:
        """Replicas that are wanted now."""

    def change(self, from_: int, to: int, confirm: Callable[[], None]) -> bool:
        """Set the number, if it is `from_`; nothing if it is `to` already.

        Args:
            from_: what is there.
            to: what is to be.
            confirm: called between reading and writing; raises when this worker may not write any more.

        Returns:
            False when it is a third number, which is left alone.
        """
