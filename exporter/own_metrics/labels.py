"""The labels of an entry's series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from exporter.own_metrics.config import OTHER, FromView
from exporter.own_metrics.names import Names
from exporter.windows import Cells, Key

Labels = tuple[str, ...]


class Sums(NamedTuple):
    """Of one label set.

    Attributes:
        values: the sums that were asked for, in that order.
        cells: rows in each cell of the histogram; empty where they were not asked for.
    """

    values: list[int]
    cells: list[int]


ByLabels = Mapping[Labels, Sums]


class Labelled:
    """Sums by some of an entry's keys.

    Args:
        entry: whose keys they are.
        by: labels; all by default.
        names: see `OwnQuery`.
        positions: of the sums among the values that the query has.
        cells: whether the histogram's are wanted, too.
    """

    def __init__(
        self,
        entry: FromView,
        by: Sequence[str] | None,
        names: Mapping[int, Names],
        positions: Sequence[int],
        *,
        cells: bool = False,
    ) -> None:
        labels = list(entry.keys)
        self.labels: Labels = tuple(labels if by is None else by)
        self._at = [labels.index(label) for label in self.labels]
        self._names = {at: names[at] for at in self._at if at in names}
        self._slots = tuple(enumerate(positions))
        self._cells = len(entry.histogram.buckets) + 1 if entry.histogram and cells else 0
        # Of a key without strangers' names, which are few.
        self._known: dict[Key, Labels] = {}
        listed = [entry.keys[label].words for label in self.labels]
        self._always: Sequence[Labels] = list(product(*listed)) if all(listed) else []

    def sums(self, cells: Cells, first: int | None = None) -> ByLabels:
        """The sums of each label set.

        Args:
            cells: of a window or the counters.
            first: bucket with which the window begins; names that got their place later have no series of their own.
        """
        found: dict[Labels, Sums] = {}
        known, slots = self._known, self._slots
        for key, values in cells.items():
            labels = known.get(key)
            if labels is None:
                labels = self._of(key, first)
            sums = found.get(labels)
            if sums is None:
                sums = found[labels] = self._zero()
            totals, counts = sums
            for slot, position in slots:
                totals[slot] += values[position]
            if counts and key[-1] is not None:
                counts[key[-1]] += values[0]
        return found

    def complete(self, sums: ByLabels, seen: Iterable[Labels], first: int | None = None) -> ByLabels:
        """The sums, in order, with a zero for each other label set that is shown: where all names are listed, all are.

        Args:
            sums: see `sums`.
            seen: label sets of which there are rows in other windows.
            first: see `sums`; what has no series of its own has no zero, either.
        """
        others = set(seen).difference(self._always)
        shown = [*self._always, *sorted(labels for labels in others if first is None or self._own_since(labels, first))]
        return {labels: sums[labels] if labels in sums else self._zero() for labels in shown}

    def _zero(self) -> Sums:
        return Sums([0] * len(self._slots), [0] * self._cells)

    def _own_since(self, labels: Labels, first: int) -> bool:
        return all(
            name == OTHER or at not in self._names or self._names[at].whole_since(name, first)
            for at, name in zip(self._at, labels, strict=True)
        )

    def _of(self, key: Key, first: int | None) -> Labels:
        labels = tuple(
            OTHER
            if (name := key[at]) is None
            or (first is not None and at in self._names and not self._names[at].whole_since(name, first))
            else name
            for at in self._at
        )
        if not self._names:
            self._known[key] = labels
        return labels
