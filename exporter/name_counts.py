"""How often each name occurs in a sliding window when strangers choose the names: exactly, at the cost of what changed.

A name is a hash of eight bytes here. Of each bucket in the window the hashes are kept as they were read, one after the
other, and beside them how often each occurs in all of them. When a bucket is read again, only what lies between the
begin and the end that it has in common with what is kept is counted again: the newest bucket has grown at its end, the
one that the window's edge cuts has lost some of its begin, and most others are as they were.

Memory is bounded. Of a bucket and key no more than `MOST_IN_A_BUCKET` are read, which the query has to see to. With
more than `MOST_NAMES` names in the window those that occur once are let go, oldest first: one that is seen again within
what is left is counted, so that nobody hides behind made-up names. What was let go does not come back.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from exporter.windows import Key, Plan, Reread, Row

MOST_NAMES = 400_000
MOST_IN_A_BUCKET = 25_000
NAME_BYTES = 8
PARTS = 64
"""One dictionary that doubles takes tens of megabytes, for a moment twice."""

Hashes = bytes
"""Any number of big-endian integers of eight bytes."""


class NameCounts:
    """A `Companion` of `RollingWindows` that counts the names of one window.

    Args:
        window: its length in seconds.
        width: of a bucket, in seconds.
        concerns: whether the names in rows with a key are counted; they are the first output of `Row.rest`.
    """

    def __init__(self, window: int, *, width: int, concerns: Callable[[Key], bool]) -> None:
        self._reread = Reread(window, width)
        self._concerns = concerns
        self._start()

    def _start(self) -> None:
        self._buckets: dict[int, dict[Key, Hashes]] = {}
        self._counts: list[dict[int, int]] = [{} for _ in range(PARTS)]
        self._largest = 0
        # Names that occur more than once, by how often; those that came last are last.
        self._repeated: dict[int, dict[int, None]] = {}
        self._thinned = 0

    def apply(self, plan: Plan, rows: Sequence[Row]) -> None:
        """See `Companion`."""
        if plan.starting:
            self._start()
        read = self._reread(plan, rows)
        for bucket in [bucket for bucket in self._buckets if bucket < self._reread.edge]:
            self._put(bucket, {})
        for bucket, of_it in read.items():
            self._put(bucket, {row.key: bytes(row.rest[0]) for row in of_it if row.rest[0] and self._concerns(row.key)})
        self._bound()

    @property
    def names(self) -> int:
        """How many different names there are."""
        return sum(map(len, self._counts))

    @property
    def occurrences(self) -> int:
        """How often names occur, all together."""
        return sum(len(hashes) for kept in self._buckets.values() for hashes in kept.values()) // NAME_BYTES

    def by_count(self, most_singles: int) -> Iterator[tuple[int, dict[int, None]]]:
        """How often names occur, from most often on, with those that do; the one that came last is last.

        Args:
            most_singles: when there are more names that occur only once, these are left out.
        """
        for count in sorted(self._repeated, reverse=True):
            yield count, self._repeated[count]
        if 0 < self.names - self.repeated <= most_singles:
            yield 1, {name: None for part in self._counts for name, count in part.items() if count == 1}

    def places(self, names: Iterable[int]) -> Iterator[tuple[int, set[int], int]]:
        """The newest bucket in which each name occurs, newest first: the bucket, these names, and how many it has."""
        missing = set(names)
        for bucket in sorted(self._buckets, reverse=True):
            if not missing:
                break
            here: set[int] = set()
            occurrences = 0
            for hashes in self._buckets[bucket].values():
                here |= missing.intersection(_numbers(hashes))
                occurrences += len(hashes) // NAME_BYTES
            if here:
                yield bucket, here, occurrences
                missing -= here

    @property
    def repeated(self) -> int:
        """How many names occur more than once."""
        return sum(map(len, self._repeated.values()))

    def _put(self, bucket: int, hashes: dict[Key, Hashes]) -> None:
        kept = self._buckets.get(bucket, {})
        if bucket < self._thinned:
            hashes = {key: _only(new, set(_numbers(kept.get(key, b"")))) for key, new in hashes.items()}
        if hashes == kept:
            return
        for key in kept.keys() | hashes.keys():
            self._change(kept.get(key, b""), hashes.get(key, b""))
        if hashes:
            self._buckets[bucket] = hashes
        else:
            del self._buckets[bucket]

    def _change(self, old: Hashes, new: Hashes) -> None:
        start = _common(old, new)
        old, new = old[start:], new[start:]
        end = _common(old, new, backwards=True)
        changes = Counter(_numbers(new[: len(new) - end]))
        changes.subtract(_numbers(old[: len(old) - end]))
        for name, change in changes.items():
            if change:
                self._count(name, change)

    def _count(self, name: int, change: int) -> None:
        counts = self._counts[name % PARTS]
        before = counts.get(name, 0)
        after = before + change
        if after:
            counts[name] = after
        else:
            del counts[name]
        if before > 1:
            names = self._repeated[before]
            del names[name]
            if not names:
                del self._repeated[before]
        if after > 1:
            self._repeated.setdefault(after, {})[name] = None

    def _bound(self) -> None:
        names = self.names
        self._largest = max(self._largest, names)
        if names < self._largest // 4:
            # A dictionary from which much was removed is as large as ever.
            self._counts = [dict(part.items()) for part in self._counts]
            self._largest = names
        for bucket in sorted(self._buckets):
            if names <= MOST_NAMES:
                break
            # So many repeat themselves that to let the others go would not be enough.
            all_of_it = self.repeated > MOST_NAMES // 2
            for key, hashes in self._buckets[bucket].items():
                repeated = () if all_of_it else [name for name in _numbers(hashes) if self._times(name) > 1]
                left = _only(hashes, repeated)
                self._change(hashes, left)
                self._buckets[bucket][key] = left
            self._thinned = max(self._thinned, bucket + 1)
            names = self.names

    def _times(self, name: int) -> int:
        return self._counts[name % PARTS].get(name, 0)


def _numbers(hashes: Hashes) -> array[int]:
    numbers = array("q", hashes)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _only(hashes: Hashes, names: Collection[int]) -> Hashes:
    """Those of the names."""
    wanted = set(names)
    return b"".join(name.to_bytes(NAME_BYTES, "big", signed=True) for name in _numbers(hashes) if name in wanted)


def _common(old: Hashes, new: Hashes, *, backwards: bool = False) -> int:
    """Bytes of the whole names with which both begin, or end."""
    low, high = 0, min(len(old), len(new)) // NAME_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        size = middle * NAME_BYTES
        same = old[-size:] == new[-size:] if backwards else old[:size] == new[:size]
        low, high = (middle, high) if same else (low, middle - 1)
    return low * NAME_BYTES
