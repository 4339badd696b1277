"""What a collector is: a named section made of parts that are read side by side and fail alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

from common.deadline import Deadline
from exporter.exposition import Family
from exporter.waiting import Wait


@dataclass(frozen=True)
class History:
    """How much of its windows a section still has to read, after a start or a reload; that is no failure.

    Attributes:
        missing: seconds of the past that are not read yet.
        complete: the share of the longest window that is read, 0..1.
    """

    missing: float = 0
    complete: float = 1

    def with_other(self, other: History) -> History:
        """Of both together: what is further from its end."""
        return History(max(self.missing, other.missing), min(self.complete, other.complete))


COMPLETE = History()
"""All is read."""


@dataclass
class Moment:
    """One collection of one part.

    Attributes:
        now: unix time in microseconds, by the clock of whoever is asked; every window ends here.
        deadline: when the answer must be there.
        problems: what is wrong with single values, while others are delivered.
        rejected: values that are left out of sums and counts, by what is wrong with them.
        history: what is still to be read.
    """

    now: int
    deadline: Deadline
    problems: list[str] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    history: History = COMPLETE

    @property
    def seconds(self) -> float:
        """Now in unix seconds."""
        return self.now / 1_000_000

    def follow(self, now: int | None) -> None:
        """Let it be so late, by the clock of whoever is asked; None when that is not known."""
        if now is not None:
            self.now = now

    def problem(self, message: str) -> None:
        """Report an unusable value: the section counts as failed, its other values are delivered."""
        self.problems.append(message)

    def reject(self, reason: str, count: int = 1) -> None:
        """Report values that no sum can have in it: they cost themselves alone, and the section succeeds.

        Args:
            reason: which values, and why; the same as long as the same is wrong.
            count: how many there are now; of none nothing is said.
        """
        if count:
            self.rejected[reason] = self.rejected.get(reason, 0) + count


Part = Callable[[Moment], Coroutine[Wait, None, Iterable[Family]]]
"""Reads one source, on a connection of its own. What it raises costs all its families, and nothing else."""


@dataclass(frozen=True)
class Collector:
    """One section, or metrics of an operator's own that are collected with it and fail by themselves.

    Attributes:
        section: its name, the same in every layer.
        parts: read side by side.
        own: the name under which it succeeds or fails; that of the section for the section itself.
    """

    section: str
    parts: Sequence[Part]
    own: str | None = None

    @property
    def name(self) -> str:
        """The label `collector` of what the exporter says of it."""
        return self.own or self.section
