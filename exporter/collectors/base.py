"""What a collector is: a named section made of parts that are read side by side and fail alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

from common.deadline import Deadline
from exporter.exposition import Family
from exporter.waiting import Wait


@dataclass
class Moment:
    """One collection of one part.

    Attributes:
        now: unix time in microseconds; every window ends here.
        deadline: when the answer must be there.
        problems: what is wrong with single values, while others are delivered.
    """

    now: int
    deadline: Deadline
    problems: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Now in unix seconds."""
        return self.now / 1_000_000

    def problem(self, message: str) -> None:
        """Report an unusable value: the section counts as failed, its other values are delivered."""
        self.problems.append(message)


Part = Callable[[Moment], Coroutine[Wait, None, Iterable[Family]]]
"""Reads one source, on a connection of its own. What it raises costs all its families, and nothing else."""


@dataclass(frozen=True)
class Collector:
    """One section.

    Attributes:
        section: its name, the same in every layer.
        parts: read side by side.
    """

    section: str
    parts: Sequence[Part]
