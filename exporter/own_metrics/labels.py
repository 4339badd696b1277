"""The labels of an entry's series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from operator import add
from typing import NamedTuple

from exporter.own_metrics.config import OTHER, FromView
from exporter.own_metrics.names import Names
from exporter.own_metrics.query import values
from exporter.windows import Cells, Key

Labels = tuple[str, ...]


class Sums(NamedTuple):
    """Of one label set.

    Attributes:
        values: the sums, as the query has them.
        cells: rows in each cell of the histogram; empty without one.
    """

    values: Sequence[int]
    cells: Sequence[int]


class Labelled:
    """Sums by some of an entry's keys.

    Args:
        entry: whose keys they are.
        by: labels; all by default.
        names: see `OwnQuery`.
    """

    def __init__(self, entry: FromView, by: Sequence[str] | None, names: Mapping[int, Names]) -> None:
        labels = list(entry.keys)
        self.labels: Labels = tuple(labels if by is None else by)
        self._positions = [labels.index(label) for label in self.labels]
        self._names = names
        self._cells = len(entry.histogram.buckets) + 1 if entry.histogram else 0
        self._nothing = Sums((0,) * len(values(entry)), (0,) * self._cells)
        listed = [entry.keys[label].words for label in self.labels]
        self.always: Sequence[Labels] = list(product(*listed)) if all(listed) else []
        """Label sets that are shown without any row, too."""

    def sums(self, cells: Cells, first: int | None = None) -> dict[Labels, Sums]:
        """The sums of each label set.

        Args:
            cells: of the windows or counters.
            first: bucket with which a window begins; names that got their place later have no series of their own.
        """
        found: dict[Labels, Sums] = {}
        for key, sums in cells.items():
            labels = self._of(key, first)
            before = found.get(labels, self._nothing)
            counts = before.cells
            if self._cells and key[-1] is not None:
                counts = list(counts)
                counts[key[-1]] += sums[0]
            found[labels] = Sums(tuple(map(add, before.values, sums)), counts)
        return found

    def complete(
        self, sums: Mapping[Labels, Sums], seen: Iterable[Labels], first: int | None = None
    ) -> Mapping[Labels, Sums]:
        """The sums, in order, with a zero for each other label set that is shown.

        Args:
            sums: see `sums`.
            seen: label sets that are shown beside those that always are: in other windows there are rows.
            first: see `sums`; what has no series of its own has no zero, either.
        """
        others = set(seen).difference(self.always)
        shown = [*self.always, *sorted(labels for labels in others if first is None or self._own_since(labels, first))]
        return {labels: sums.get(labels, self._nothing) for labels in shown}

    def _own_since(self, labels: Labels, first: int) -> bool:
        return all(
            name == OTHER or position not in self._names or self._names[position].whole_since(name, first)
            for position, name in zip(self._positions, labels, strict=True)
        )

    def _of(self, key: Key, first: int | None) -> Labels:
        labels = []
        for position in self._positions:
            name = key[position]
            names = self._names.get(position)
            if name is None or (names and first is not None and not names.whole_since(name, first)):
                labels.append(OTHER)
            else:
                labels.append(name)
        return tuple(labels)
