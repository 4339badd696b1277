"""`RollingWindows` against the plain definition of a window, on histories kept in a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.windows import CATCH_UP_SECONDS, MICROSECONDS, MOST_RANGES, Cells, Range, RollingWindows, Row, merge

WINDOWS = (600, 3600)
WIDTH = 5
SETTLE = 30
START = 1_764_374_400 * MICROSECONDS  # midnight


class Table:
    """Rows (time, key), and what was read of them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str]] = []
        self.rows_read = 0

    def read(self, ranges: Sequence[Range]) -> Iterable[Row]:
        for position, bounds in enumerate(ranges):
            counts: Counter[tuple[int, str]] = Counter()
            for time, key in self.rows:
                if bounds.start <= time < bounds.end:
                    counts[time // (WIDTH * MICROSECONDS), key] += 1
            self.rows_read += counts.total()
            for (bucket, key), count in counts.items():
                yield Row(position, bucket, (key,), (count,))

    def truth(self, now: int, window: int) -> dict[str, int]:
        return dict(Counter(key for time, key in self.rows if now - window * MICROSECONDS < time <= now))


def plain(cells: Cells | None) -> dict[str, int]:
    assert cells is not None
    return {key: count for (key,), (count,) in cells.items()}


def refresh(windows: RollingWindows, now: int, table: Table, changed: Iterable[int] = ()) -> None:
    plan = windows.plan(now, changed=changed)
    windows.apply(plan, table.read(plan.ranges))


def fill_once(windows: RollingWindows, table: Table, buckets: int) -> bool:
    plan = windows.plan_fill(buckets)
    if plan:
        windows.apply_fill(plan, table.read(plan.ranges))
    return plan is not None


def fill(windows: RollingWindows, table: Table) -> None:
    while fill_once(windows, table, buckets=100):
        pass


def filled(table: Table, now: int, windows: RollingWindows | None = None) -> RollingWindows:
    windows = windows or RollingWindows(WINDOWS, width=WIDTH, settle=SETTLE)
    refresh(windows, now, table)
    fill(windows, table)
    return windows


def assert_true(windows: RollingWindows, table: Table, now: int) -> None:
    for window in WINDOWS:
        assert plain(windows.sums(window)) == table.truth(now, window)


# Ages around all that is special: the bucket's width, the settle time and the windows' far edges.
edges = st.sampled_from([0, 1, WIDTH, SETTLE, 600, 3600]).flatmap(
    lambda seconds: st.integers(-2, 2).map(lambda off: seconds * MICROSECONDS + off)
)
ages = st.one_of(edges, st.integers(0, 4000 * MICROSECONDS))
fresh_ages = st.integers(-10 * MICROSECONDS, (SETTLE - 1) * MICROSECONDS)
keys = st.sampled_from("abc")
steps = st.one_of(
    st.sampled_from([0, 1, WIDTH * MICROSECONDS, 60 * MICROSECONDS]),
    st.integers(0, 700 * MICROSECONDS),
    st.integers(0, 3 * 3600 * MICROSECONDS),
)


@settings(max_examples=150, deadline=None)
@given(
    past=st.lists(st.tuples(ages, keys), max_size=30),
    course=st.lists(st.tuples(steps, st.lists(st.tuples(fresh_ages, keys), max_size=6)), max_size=12),
    offset=st.integers(-WIDTH * MICROSECONDS, WIDTH * MICROSECONDS),
)
def test_every_window_equals_its_definition_at_any_instant(
    past: list[tuple[int, str]], course: list[tuple[int, list[tuple[int, str]]]], offset: int
) -> None:
    now = START + offset
    table = Table()
    table.rows += [(now - age, key) for age, key in past]
    windows = filled(table, now)
    assert_true(windows, table, now)
    for step, rows in course:
        now += step
        table.rows += [(now - age, key) for age, key in rows]
        filled(table, now, windows)
        assert_true(windows, table, now)


paces = st.tuples(st.integers(900_000, 10 * MICROSECONDS), st.integers(0, 5_000), st.sampled_from([0, 2, 3]))
"""Time between scrapes, by how much they are early or late, and that the rows of each so manieth cannot be read."""


def scrapes(
    windows: RollingWindows, table: Table, start: int, seconds: int, pace: tuple[int, int, int]
) -> Iterator[int]:
    """Refreshes for so many seconds; yields the time of each that succeeds."""
    interval, jitter, lost = pace
    for number in range(1, seconds * MICROSECONDS // interval + 2):
        now = start + number * interval + (-jitter if number % 2 else jitter)
        if lost and number % lost == 0:
            windows.plan(now)
        else:
            refresh(windows, now, table)
            yield now


@settings(max_examples=30, deadline=None)
@given(
    past=st.lists(st.tuples(st.integers(0, 3600 * MICROSECONDS), keys), min_size=1, max_size=20),
    late=st.lists(st.tuples(st.integers(0, 3600 * MICROSECONDS), keys), max_size=10),
    deleted=st.integers(0, 10),
    warming=st.integers(0, 2000),
    pace=paces,
)
def test_late_and_deleted_rows_are_seen_before_half_of_each_window_has_passed(
    past: list[tuple[int, str]],
    late: list[tuple[int, str]],
    deleted: int,
    warming: int,
    pace: tuple[int, int, int],
) -> None:
    table = Table()
    table.rows += [(START - age, key) for age, key in past]
    windows = filled(table, START)
    *_, changed = scrapes(windows, table, START, warming, (MICROSECONDS, 0, 0)) if warming else (START,)
    table.rows = table.rows[deleted:] + [(changed - age, key) for age, key in late]
    for now in scrapes(windows, table, changed, 1800, pace):
        for window in WINDOWS:
            if now - changed >= window * MICROSECONDS // 2:
                assert plain(windows.sums(window)) == table.truth(now, window)


@settings(max_examples=4, deadline=None)
@given(pace=paces)
@example((MICROSECONDS, 0, 0))
@example((5 * MICROSECONDS, 3_000, 0))
@example((5 * MICROSECONDS, 0, 2))
@example((15 * MICROSECONDS, 0, 0))
def test_a_row_is_seen_in_time_wherever_the_sweep_is(pace: tuple[int, int, int]) -> None:
    table = Table()
    windows = filled(table, START)
    written = [START]
    for now in scrapes(windows, table, START, 7200, pace):
        seen = [(window, plain(windows.sums(window))) for window in WINDOWS]
        for (time, key), at in zip(table.rows, written[1:], strict=True):
            for window, sums in seen:
                if at <= now - window * MICROSECONDS // 2 and time > now - window * MICROSECONDS:
                    assert key in sums, (window, (now - at) / MICROSECONDS)
        if now - written[-1] >= 20 * MICROSECONDS:
            # Of all ages, in an order that has nothing to do with the sweep's.
            number = len(written)
            table.rows.append((now - number * 997 % 3600 * MICROSECONDS, str(number)))
            written.append(now)


def test_what_could_not_be_read_is_read_by_the_next_plan() -> None:
    windows = filled(Table(), START)
    plans = [windows.plan(START + 20 * MICROSECONDS) for _ in range(3)]
    assert plans == [plans[0]] * 3
    assert len(plans[0].ranges) == 4  # the open buckets, a slice of closed ones and two edges


def test_a_long_pause_is_not_made_up_for_at_once() -> None:
    table = Table()
    windows = filled(table, START)
    later = START + 3 * 3600 * MICROSECONDS
    filled(table, later, windows)
    for _ in WINDOWS:
        plan = windows.plan(later)
        assert sum(bounds.end - bounds.start for bounds in plan.ranges) < 2000 * MICROSECONDS
        windows.apply(plan, [])
    assert len(windows.plan(later).ranges) == 3  # nothing of it is owed


def test_what_is_known_to_have_changed_is_read_at_once() -> None:
    table = Table()
    table.rows = [(START - 1000 * MICROSECONDS, "a")]
    windows = filled(table, START)
    table.rows += [(START - 2000 * MICROSECONDS, "b")]
    changed = windows.bucket(START - 2000 * MICROSECONDS)
    refresh(windows, START + 1, table, changed=[changed])
    assert plain(windows.sums(3600)) == {"a": 1, "b": 1}


def test_a_window_is_unknown_until_all_of_it_is_read_and_short_ones_are_known_first() -> None:
    table = Table()
    table.rows = [(START - 100 * MICROSECONDS, "a"), (START - 3000 * MICROSECONDS, "b")]
    windows = RollingWindows(WINDOWS, width=WIDTH, settle=SETTLE)
    assert windows.sums(600) is None
    refresh(windows, START, table)
    assert windows.sums(600) is None
    fill_once(windows, table, buckets=600 // WIDTH)
    assert plain(windows.sums(600)) == {"a": 1}
    assert windows.sums(3600) is None
    fill(windows, table)
    assert plain(windows.sums(3600)) == {"a": 1, "b": 1}


def test_a_failed_read_leaves_everything_as_it_was() -> None:
    table = Table()
    table.rows = [(START - 50 * MICROSECONDS, "a")]
    windows = filled(table, START)

    class Broken(Table):
        def read(self, ranges: Sequence[Range]) -> Iterable[Row]:
            raise OSError(f"down, and asked for {ranges}")

    for seconds in (5, 400, CATCH_UP_SECONDS + 600):
        with pytest.raises(OSError, match="down"):
            refresh(windows, START + seconds * MICROSECONDS, Broken())
    table.rows += [(START + 100 * MICROSECONDS, "b")]
    now = START + (CATCH_UP_SECONDS + 605) * MICROSECONDS
    filled(table, now, windows)
    assert_true(windows, table, now)
    assert windows.counters == {("b",): (1,)}


def test_cost_depends_on_neither_the_window_nor_the_table() -> None:
    table = Table()
    table.rows = [(START - second * MICROSECONDS, "a") for second in range(7200)]
    windows = filled(table, START)
    table.rows_read = 0
    for second in range(5, 605, 5):
        refresh(windows, START + second * MICROSECONDS, table)
    # Of one row a second: 35 s still open, 5 s cut by two far edges, 20 s of closed buckets again.
    assert table.rows_read / 120 < 70


def test_counters_count_what_became_visible_and_never_decrease() -> None:
    table = Table()
    table.rows = [(START - 10 * MICROSECONDS, "a"), (START - 500 * MICROSECONDS, "a")]
    windows = filled(table, START)
    assert windows.counters == {}
    table.rows += [(START - 5 * MICROSECONDS, "a"), (START + 3 * MICROSECONDS, "b")]
    refresh(windows, START + 1, table)
    assert windows.counters == {("a",): (1,)}
    refresh(windows, START + 4 * MICROSECONDS, table)
    assert windows.counters == {("a",): (1,), ("b",): (1,)}
    table.rows.clear()
    refresh(windows, START + 6 * MICROSECONDS, table)
    assert windows.counters == {("a",): (1,), ("b",): (1,)}
    assert plain(windows.sums(600)) == {"a": 1}  # the old one, until its bucket is read again


def test_counters_go_on_after_an_outage() -> None:
    table = Table()
    windows = filled(table, START)
    table.rows = [(START + second * MICROSECONDS, "a") for second in range(1, 3001)]
    filled(table, START + 3000 * MICROSECONDS, windows)
    assert windows.counters == {("a",): (3000,)}


def test_counters_may_have_coarser_keys() -> None:
    table = Table()
    windows = RollingWindows(WINDOWS, width=WIDTH, settle=SETTLE, counter_key=lambda _: ("all",))
    filled(table, START, windows)
    table.rows = [(START + 1, "a"), (START + 1, "b")]
    filled(table, START + 2, windows)
    assert windows.counters == {("all",): (2,)}


@pytest.mark.parametrize("back", [1, 10 * MICROSECONDS, 40 * MICROSECONDS, 9000 * MICROSECONDS])
def test_a_clock_that_steps_back_neither_fails_nor_counts_twice(back: int) -> None:
    table = Table()
    table.rows = [(START - second * MICROSECONDS, "a") for second in range(10_000)]
    windows = filled(table, START)
    table.rows += [(START + MICROSECONDS, "b")]
    filled(table, START + 2 * MICROSECONDS, windows)
    now = START + 2 * MICROSECONDS - back
    filled(table, now, windows)
    # A small step is taken for none: the window still ends where it did.
    assert_true(windows, table, now if back > SETTLE * MICROSECONDS else START + 2 * MICROSECONDS)
    filled(table, START + 20 * MICROSECONDS, windows)
    assert_true(windows, table, START + 20 * MICROSECONDS)
    assert windows.counters[("b",)] == (1,) or back > SETTLE * MICROSECONDS
    assert windows.counters.get(("a",), (0,))[0] == 0 or back > SETTLE * MICROSECONDS


def test_windows_too_short_to_settle_are_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        RollingWindows((35,), width=5, settle=30)


@given(st.sets(st.integers(0, 500)))
def test_merged_ranges_cover_all_buckets_and_are_few(buckets: set[int]) -> None:
    ranges = merge(buckets)
    assert buckets <= {bucket for r in ranges for bucket in r}
    assert len(ranges) <= MOST_RANGES
    assert ranges == sorted(ranges, key=lambda r: r.start)
    if len(buckets) <= MOST_RANGES:
        assert buckets == {bucket for r in ranges for bucket in r}
