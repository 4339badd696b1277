"""What a collector is: a named section made of parts that are read side by side and fail alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from exporter.deadline import Deadline
from exporter.exposition import Family


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


Part = Callable[[Moment], Iterable[Family]]
"""Reads one source. What it raises costs all its families, and nothing else."""


Source = Literal["postgres", "redis", "probes"]


@dataclass(frozen=True)
class Collector:
    """One section.

    Attributes:
        section: its name, the same in every layer.
        parts: functions with the source that each reads. Parts that read PostgreSQL run side by side, those that read
            Redis one after the other, which is quicker than to let their threads compete.
    """

    section: str
    parts: Sequence[tuple[Source, Part]]
