"""`NameCounts` against the plain count of names in a window, on histories kept in a list."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import name_counts
from exporter.name_counts import NAME_BYTES, NameCounts
from exporter.windows import MICROSECONDS, Range, RollingWindows, Row

WINDOW, LONGER = 300, 900
WIDTH = 5
SETTLE = 20
START = 1_764_374_400 * MICROSECONDS  # midnight
FAILED = ("LOW", "failed")
KEYS = (FAILED, ("HIGH", "failed"), ("LOW", "other"))


class Table:
    """Rows (time, key, name), read in another order each time, as a database may."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, tuple[str, str], int]] = []
        self._dice = random.Random(1)

    def read(self, ranges: Sequence[Range]) -> Iterator[Row]:
        for position, bounds in enumerate(ranges):
            names: dict[tuple[int, tuple[str, str]], list[int]] = defaultdict(list)
            for time, key, name in self.rows:
                if bounds.start <= time < bounds.end:
                    names[time // (WIDTH * MICROSECONDS), key].append(name)
            for (bucket, key), found in names.items():
                self._dice.shuffle(found)
                hashes = b"".join(name.to_bytes(NAME_BYTES, "big", signed=True) for name in found)
                yield Row(position, bucket, key, (len(found),), (memoryview(hashes),))

    def truth(self, now: int) -> dict[int, int]:
        start = now - WINDOW * MICROSECONDS
        return dict(Counter(name for time, key, name in self.rows if start < time <= now and key[1] == "failed"))


class Counted:
    """A table's names, counted as the exporter does."""

    def __init__(self, table: Table, now: int) -> None:
        self.table = table
        self.counts = NameCounts(WINDOW, width=WIDTH, concerns=lambda key: key[1] == "failed")
        self.windows = RollingWindows((WINDOW, LONGER), width=WIDTH, settle=SETTLE, companions=[self.counts])
        self.refresh(now)

    def refresh(self, now: int) -> None:
        plan = self.windows.plan(now)
        self.windows.apply(plan, self.table.read(plan.ranges))
        while fill := self.windows.plan_fill(40):
            self.windows.apply_fill(fill, self.table.read(fill.ranges))

    def names(self) -> dict[int, int]:
        return {name: count for count, names in self.counts.by_count(1_000_000) for name in names}


def assert_true(counted: Counted, now: int) -> None:
    truth = counted.table.truth(now)
    assert counted.names() == truth
    assert counted.counts.names == len(truth)
    assert counted.counts.occurrences == sum(truth.values())
    found = {name for _, names, _ in counted.counts.places(truth) for name in names}
    assert found == truth.keys()


edges = st.sampled_from([0, 1, WIDTH, SETTLE, WINDOW, LONGER]).flatmap(
    lambda seconds: st.integers(-2, 2).map(lambda off: seconds * MICROSECONDS + off)
)
names = st.integers(-3, 3)
keys = st.sampled_from(KEYS)
old = st.tuples(st.one_of(edges, st.integers(0, 1000 * MICROSECONDS)), keys, names)
fresh = st.tuples(st.integers(-10 * MICROSECONDS, (SETTLE - 1) * MICROSECONDS), keys, names)
steps = st.one_of(
    st.sampled_from([0, 1, MICROSECONDS, WIDTH * MICROSECONDS, 60 * MICROSECONDS]),
    st.integers(0, 400 * MICROSECONDS),
    st.integers(0, 3000 * MICROSECONDS),
)


@settings(max_examples=200, deadline=None)
@given(
    past=st.lists(old, max_size=40),
    course=st.lists(st.tuples(steps, st.lists(fresh, max_size=10)), max_size=12),
    offset=st.integers(-WIDTH * MICROSECONDS, WIDTH * MICROSECONDS),
)
def test_names_are_counted_exactly_at_any_instant(
    past: list[tuple[int, tuple[str, str], int]],
    course: list[tuple[int, list[tuple[int, tuple[str, str], int]]]],
    offset: int,
) -> None:
    now = START + offset
    table = Table()
    table.rows = [(now - age, key, name) for age, key, name in past]
    counted = Counted(table, now)
    assert_true(counted, now)
    for step, rows in course:
        now += step
        table.rows += [(now - age, key, name) for age, key, name in rows]
        counted.refresh(now)
        assert_true(counted, now)


@settings(max_examples=40, deadline=None)
@given(
    past=st.lists(old, min_size=1, max_size=30),
    late=st.lists(old, max_size=10),
    deleted=st.integers(0, 8),
    changed=st.integers(0, 8),
)
def test_late_changed_and_deleted_rows_are_seen_before_half_of_the_window_has_passed(
    past: list[tuple[int, tuple[str, str], int]],
    late: list[tuple[int, tuple[str, str], int]],
    deleted: int,
    changed: int,
) -> None:
    table = Table()
    table.rows = [(START - age, key, name) for age, key, name in past]
    counted = Counted(table, START)
    table.rows = table.rows[deleted:] + [(START - age, key, name) for age, key, name in late]
    table.rows[:changed] = [(time, key, 99) for time, key, _ in table.rows[:changed]]
    for second in range(1, WINDOW // 2 + 1):
        counted.refresh(START + second * MICROSECONDS)
    assert_true(counted, START + WINDOW // 2 * MICROSECONDS)


def flood(table: Table, now: int, number: int, seconds: int = 280) -> None:
    """Made-up names, each once, the first one the oldest."""
    table.rows += [(now - (number - n) * seconds * MICROSECONDS // number, FAILED, 1000 + n) for n in range(number)]


def test_too_many_names_are_let_go_but_none_that_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_counts, "MOST_NAMES", 300)
    table = Table()
    flood(table, START, 1000)
    # Among the first, which are let go first, and among the last.
    table.rows += [(START - age * MICROSECONDS, FAILED, 7) for age in (279, 278, 1)]
    counted = Counted(table, START)
    assert 200 < counted.counts.names <= 300
    assert counted.names()[7] in (1, 3)
    assert counted.counts.occurrences < 1003
    now = START
    for second in range(1, 20):
        now = START + second * MICROSECONDS
        table.rows += [(now, FAILED, 8)] if second % 5 == 0 else [(now, FAILED, 5000 + second)]
        counted.refresh(now)
        assert counted.counts.names <= 300
    assert counted.names()[8] == 3
    # In a window without too many names all is as ever.
    now += 400 * MICROSECONDS
    table.rows += [(now - age * MICROSECONDS, FAILED, name) for name in range(100) for age in range(2)]
    counted.refresh(now)
    assert_true(counted, now)


def test_what_repeats_itself_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_counts, "MOST_NAMES", 300)
    table = Table()
    for _ in range(2):
        flood(table, START, 1000)
    counted = Counted(table, START)
    assert counted.counts.names <= 300
    table.rows += [(START, FAILED, 7)] * 3
    counted.refresh(START + 1)
    assert counted.names()[7] == 3


def test_singles_are_left_out_when_they_are_too_many() -> None:
    table = Table()
    flood(table, START, 1000)
    table.rows += [(START, FAILED, 7)] * 3
    counted = Counted(table, START)
    assert list(counted.counts.by_count(999)) == [(3, {7: None})]
    assert len(dict(counted.counts.by_count(1000))[1]) == 1000


def test_memory_comes_back_after_a_flood() -> None:
    def size() -> int:
        snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, name_counts.__file__)])
        return sum(trace.size for trace in snapshot.traces)

    table = Table()
    flood(table, START, 20_000)
    tracemalloc.start()
    try:
        counted = Counted(table, START)
        flooded = size()
        table.rows = [(START + 300 * MICROSECONDS, FAILED, 7)]
        counted.refresh(START + 300 * MICROSECONDS)
        assert counted.names() == {7: 1}
        assert size() < flooded / 20
    finally:
        tracemalloc.stop()
