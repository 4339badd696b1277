"""Sums over sliding windows of a table, at a cost that grows with neither the table nor the window.

Rows are summed in time buckets. A bucket that ended more than `settle` ago is closed: it is kept in memory and
not read each time. What is read each time is

- the open buckets, up to `now`;
- for each window, the rest of the bucket that its far edge cuts, so that a window is exactly (now − w, now];
- one slice of closed buckets, each window in turn, so that a row that was committed late, changed or deleted
  is seen in every window before half of that window has passed;
- after a start or an outage, by `plan_fill`: the gap, newest first, as far as time allows.

Nothing here knows SQL, nor waits: a plan says which ranges to read, and is applied with their rows. A plan that is
never applied, because the rows could not be read, does no harm: the next one makes up for it. Times are integers,
microseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import add, sub
from typing import Any, NamedTuple, Protocol

Key = tuple[Any, ...]
Values = tuple[Any, ...]
Cells = dict[Key, Values]

MICROSECONDS = 1_000_000
CATCH_UP_SECONDS = 600
"""A longer stretch of time that was not read is not read at once, but as a gap."""
MOST_SHARED_KEYS = 10_000
"""Keys may be names that a stranger makes up; beyond this many they are not shared any more."""
SWEEP_PACE = 2.5
"""Speed of the sweep relative to the clock. At 2 a row is read again after half of its window; more allows waiting."""
MOST_SWEPT_SECONDS = 1800
"""The longest slice of closed buckets that is read at once."""
MOST_RANGES = 24
"""Changed buckets are read in at most this many ranges; neighbours are joined beyond it."""


class Range(NamedTuple):
    """Rows with `start` ≤ time < `end`, in microseconds since the epoch."""

    start: int
    end: int


class Row(NamedTuple):
    """Sums of the rows of one range that fall into one bucket and have one key.

    The first of `values` is the number of rows. What is in `rest` cannot be summed, and is for a `Companion`.
    """

    range: int
    bucket: int
    key: Key
    values: Values
    rest: Values = ()


class Sweep(NamedTuple):
    """How far the closed buckets of a window are read again, newest first.

    Attributes:
        cursor: the buckets before it are next.
        at: when it should have come so far.
    """

    cursor: int
    at: int


class Plan(NamedTuple):
    """What to read next.

    Attributes:
        ranges: to be read; `Row.range` is a position in it.
        whole: the buckets of the first of these, which are read as a whole.
        now: where the windows are to end.
        starting: nothing is known yet.
        edges: the windows whose edges, each the rest of a bucket, are the ranges after those.
        sweep: how far the sweep of the window whose turn it is has come then; None without one.
    """

    ranges: Sequence[Range]
    whole: Sequence[range]
    now: int
    starting: bool
    edges: Sequence[int] = ()
    sweep: Sweep | None = None


class Companion(Protocol):
    """What else is kept of one of the windows, from the same rows."""

    def apply(self, plan: Plan, rows: Sequence[Row]) -> None:
        """Take in what was read by a plan; one without `edges` is of missing history."""


class Reread:
    """What plans read anew of the buckets of one window, for a `Companion`.

    Attributes:
        edge: the bucket with which the window begins; what is before it is over.

    Args:
        window: its length in seconds.
        width: of a bucket, in seconds.
    """

    def __init__(self, window: int, width: int) -> None:
        self.edge = 0
        self._window = window
        self._width = width * MICROSECONDS

    def __call__(self, plan: Plan, rows: Sequence[Row]) -> dict[int, list[Row]]:
        """Each bucket of the window that was read, with all its rows."""
        if plan.starting:
            self.edge = 0
        read: dict[int, list[Row]] = {}
        edge_range = None
        if self._window in plan.edges:
            edge_range = len(plan.whole) + plan.edges.index(self._window)
            self.edge = plan.ranges[edge_range].start // self._width
            read[self.edge] = []
        read |= {bucket: [] for buckets in plan.whole for bucket in buckets if bucket > self.edge}
        for row in rows:
            of_whole = row.range < len(plan.whole) and row.bucket > self.edge
            if row.range == edge_range or of_whole:
                read[row.bucket].append(row)
        return read


class RollingWindows:
    """Sums by key over (now − w, now] for each window w.

    Args:
        windows: lengths in seconds.
        width: of a bucket, in seconds.
        settle: seconds after its end from which a bucket is not expected to change.
        counter_key: maps a key to the one it is counted under in `counters`.
        companions: are given whatever is applied.
    """

    def __init__(
        self,
        windows: Sequence[int],
        *,
        width: int,
        settle: float,
        counter_key: Callable[[Key], Key] = lambda key: key,
        companions: Sequence[Companion] = (),
    ) -> None:
        if min(windows) < settle + 2 * width:
            raise ValueError(f"a window of {min(windows)} s is too short for a settle time of {settle:g} s")
        self.windows = tuple(sorted(windows))
        self.counters: Cells = {}
        """Sums over what became visible since the first plan; they never decrease."""
        self._width = width * MICROSECONDS
        self._settle = round(settle * MICROSECONDS)
        self._counter_key = counter_key
        self._companions = companions
        self._now: int | None = None
        self._keys: dict[Key, Key] = {}
        self._stride = 2
        self._closed_end = 0
        self._gap = range(0)
        self._turn = 0
        self._start(0)

    def plan(self, now: int, *, changed: Iterable[int] = ()) -> Plan:
        """What to read so that all windows end at `now`.

        Args:
            now: microseconds since the epoch; a step back of less than the settle time is taken for none.
            changed: buckets known to have changed, which are read again.
        """
        if self._now is not None and self._now - self._settle < now < self._now:
            now = self._now
        starting = self._now is None or now < self._now or self.bucket(now) < self._closed_end
        if starting:
            self._start(now)
        elif self.bucket(now) - self._closed_end > CATCH_UP_SECONDS * MICROSECONDS // self._width + 1:
            settled = self.bucket(now - self._settle)
            self._gap = range(self._gap.start if self._gap else self._closed_end, settled)
            self._closed_end = settled

        whole = [range(self._closed_end, self.bucket(now) + 1)]
        whole += merge(bucket for bucket in changed if self._oldest <= bucket < self._closed_end)
        sweep = None
        if not self._gap:
            swept, sweep = self._sweep(now)
            whole += swept
        ranges = [Range(r.start * self._width, min(r.stop * self._width, now + 1)) for r in whole]
        ranges += [Range(edge, (self.bucket(edge) + 1) * self._width) for edge in self._edges_at(now)]
        return Plan(ranges, whole, now, starting, self.windows, sweep)

    def apply(self, plan: Plan, rows: Iterable[Row], *, late: float = 0.0) -> None:
        """Take in what was read by a plan; there must have been no other plan since.

        Args:
            plan: what was to be read.
            rows: what was.
            late: seconds; what is younger may not have been there yet, though it is older than the settle time.
        """
        rows = list(rows)
        # Should anything below fail, the sums are half made and the next plan starts anew.
        self._now = None
        for position, (window, edge) in enumerate(
            zip(self.windows, self._edges_at(plan.now), strict=True), start=len(plan.whole)
        ):
            self._edges[window] = {row.key: row.values for row in rows if row.range == position}
            self._advance(window, self.bucket(edge) + 1)
        self._store(plan.whole, rows, count=not plan.starting)
        for companion in self._companions:
            companion.apply(plan, rows)
        self._closed_end = max(self._closed_end, self.bucket(plan.now - self._settle - round(late * MICROSECONDS)))
        if plan.sweep is not None:
            self._swept[self._turn] = plan.sweep
            self._turn = (self._turn + 1) % len(self.windows)
        self._now = plan.now

    @property
    def missing(self) -> int:
        """Buckets of the gap, which are still to be read."""
        return len(self._gap)

    def plan_fill(self, buckets: int) -> Plan | None:
        """What to read of the gap: its newest slice of so many buckets; None when there is no gap."""
        self._gap = range(max(self._gap.start, self._oldest), self._gap.stop)
        if not self._gap or self._now is None:
            return None
        part = range(max(self._gap.start, self._gap.stop - buckets), self._gap.stop)
        return Plan([Range(part.start * self._width, part.stop * self._width)], [part], self._now, starting=False)

    def apply_fill(self, plan: Plan, rows: Iterable[Row]) -> None:
        """Take in what was read by a plan to fill the gap."""
        rows = list(rows)
        self._store(plan.whole, rows, count=True)
        for companion in self._companions:
            companion.apply(plan, rows)
        self._gap = range(self._gap.start, plan.whole[0].start)

    def sums(self, window: int) -> Cells | None:
        """The sums of a window by key, as of the last plan applied; None while part of it is not read."""
        if self._now is None or (self._gap and self._first[window] < self._gap.stop):
            return None
        sums = dict(self._totals[window])
        _add(sums, self._edges[window])
        return sums

    def bucket(self, microseconds: int) -> int:
        """The bucket that a time falls into."""
        return microseconds // self._width

    def _edges_at(self, now: int) -> list[int]:
        return [now - window * MICROSECONDS + 1 for window in self.windows]

    def _start(self, now: int) -> None:
        self._packed: dict[int, tuple[Any, ...]] = {}
        self._totals: dict[int, Cells] = {window: {} for window in self.windows}
        self._edges: dict[int, Cells] = {window: {} for window in self.windows}
        # The first bucket that lies in the window as a whole.
        self._first = {w: self.bucket(now - w * MICROSECONDS + 1) + 1 for w in self.windows}
        self._closed_end = self.bucket(now - self._settle)
        self._gap = range(self._oldest, self._closed_end)
        self._counted_from = self._closed_end
        self._swept = [Sweep(self._closed_end, now)] * len(self.windows)
        self._turn = 0

    @property
    def _oldest(self) -> int:
        return self._first[self.windows[-1]]

    def _advance(self, window: int, first: int) -> None:
        totals = self._totals[window]
        for bucket in range(self._first[window], first):
            if bucket in self._packed:
                _subtract(totals, self._cells(bucket))
                if window == self.windows[-1]:
                    del self._packed[bucket]
        self._first[window] = first

    def _store(self, whole: Sequence[range], rows: Iterable[Row], *, count: bool) -> None:
        read: dict[int, Cells] = {bucket: {} for buckets in whole for bucket in buckets}
        for row in rows:
            if row.range < len(whole):
                read[row.bucket][row.key] = row.values
        for bucket, cells in read.items():
            old = self._cells(bucket)
            if bucket < self._oldest or cells == old:
                continue
            for window in self.windows:
                if bucket >= self._first[window]:
                    _add(self._totals[window], cells)
                    _subtract(self._totals[window], old)
            if count and bucket >= self._counted_from:
                self._count(cells, old)
            self._pack(bucket, cells)

    def _pack(self, bucket: int, cells: Cells) -> None:
        # A week of buckets is kept: as one flat tuple each, with shared keys, they take a tenth of the memory
        # that dictionaries would.
        if not cells:
            self._packed.pop(bucket, None)
            return
        if len(self._keys) > MOST_SHARED_KEYS:
            self._keys.clear()
        flat: list[Any] = []
        for key, values in cells.items():
            flat.append(self._keys.setdefault(key, key))
            flat.extend(values)
            self._stride = 1 + len(values)
        self._packed[bucket] = tuple(flat)

    def _cells(self, bucket: int) -> Cells:
        flat = self._packed.get(bucket, ())
        stride = self._stride
        return {flat[at]: flat[at + 1 : at + stride] for at in range(0, len(flat), stride)}

    def _count(self, cells: Cells, old: Cells) -> None:
        for key, values in cells.items():
            grown = tuple(map(sub, values, old[key])) if key in old else values
            if grown[0] > 0:
                _add(self.counters, {self._counter_key(key): grown})

    def _sweep(self, now: int) -> tuple[list[range], Sweep]:
        first = self._first[self.windows[self._turn]]
        cursor, at = self._swept[self._turn]
        due = int((now - at) * SWEEP_PACE) // self._width
        step = min(due, self._closed_end - first, MOST_SWEPT_SECONDS * MICROSECONDS // self._width)
        # What is left of a bucket is due at the next turn. After a long pause not all of it is made up for.
        at = now if step < due else at + int(step * self._width / SWEEP_PACE)
        rest = range(max(first, cursor - step), cursor)
        again = range(self._closed_end - (step - len(rest)), self._closed_end)
        # At its end the next pass begins.
        return [part for part in (rest, again) if part], Sweep(again.start if again else rest.start, at)


def merge(buckets: Iterable[int]) -> list[range]:
    """The buckets as ranges in ascending order, joined over the smallest gaps to at most `MOST_RANGES`."""
    ranges: list[range] = []
    for bucket in sorted(set(buckets)):
        if ranges and ranges[-1].stop == bucket:
            ranges[-1] = range(ranges[-1].start, bucket + 1)
        else:
            ranges.append(range(bucket, bucket + 1))
    if len(ranges) > MOST_RANGES:
        gaps = sorted(later.start - earlier.stop for earlier, later in pairwise(ranges))
        widest_joined = gaps[len(ranges) - MOST_RANGES - 1]
        joined = ranges[:1]
        for later in ranges[1:]:
            if later.start - joined[-1].stop <= widest_joined:
                joined[-1] = range(joined[-1].start, later.stop)
            else:
                joined.append(later)
        return joined
    return ranges


def _add(sums: Cells, cells: Cells) -> None:
    for key, values in cells.items():
        old = sums.get(key)
        sums[key] = values if old is None else tuple(map(add, old, values))


def _subtract(sums: Cells, cells: Cells) -> None:
    for key, values in cells.items():
        left = tuple(map(sub, sums[key], values))
        if left[0]:
            sums[key] = left
        else:
            del sums[key]
