"""Names that strangers choose: exact, however many there are and whenever they come."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exporter.own_metrics.running import SECOND, Running
from tests.exporter.platform_truth import Samples

MOST = 3
WINDOWS = {"2m": 120, "10m": 600}
CONFIGURATION = f"""
metrics:
  - name: refunds
    section: health
    from: view
    view: monitoring.refunds
    time: refunded_at
    windows: [2m, 10m]
    keys:
      reason: {{column: reason, most: {MOST}}}
      provider: {{column: provider, words: [card, bank]}}
    values:
      refunds: {{kind: count, help: Refunds.}}
      refunds_usd: {{kind: sum, column: amount, help: Refunded., by: [reason]}}
      refunds_all: {{kind: sum, column: amount, help: Refunded., by: []}}
"""
ODD = (
    "a'b",
    'a"b',
    "a\\b",
    "a\\'; DROP TABLE x; --",
    "%s",
    "",
    "ü🎫",
    "x" * 300,
    "x" * 301,
    "\\xff",
    "other",
    "unknown",
)


def refund(running: Running, age: float, *rows: tuple[str | None, str | None, float]) -> None:
    for reason, provider, amount in rows:
        running.execute(
            f"INSERT INTO shop.refunds VALUES ({running.at(age)}, %s, %s, %s, 1)", (reason, provider, amount)
        )


def plain(running: Running, window: int, column: str, value: str = "count(*)") -> dict[str, float]:
    """Plain SQL, by the names of a column as they are shown."""
    name = f"coalesce(nullif(left({column}, 199), ''), 'unknown')"
    rows = running.execute(
        f"SELECT {name}, {value} FROM shop.refunds WHERE refunded_at > {running.at(window)}"
        f" AND refunded_at <= {running.at(0)} GROUP BY 1"
    )
    return {name: float(value) for name, value in rows}


def by(samples: Samples, metric: str, label: str, window: str) -> dict[str, float]:
    """Sums by one label."""
    found: dict[str, float] = {}
    for (name, labels), value in samples.items():
        named = dict(labels)
        if name == metric and named["window"] == window:
            found[named.get(label, "")] = found.get(named.get(label, ""), 0) + value
    return found


def assert_true(running: Running) -> Samples:
    """Each name that is shown has its own sum, and all others together have the rest."""
    samples = running.samples("health")
    assert running.status("own_refunds").problems == []
    for window, seconds in WINDOWS.items():
        for metric, value in (("refunds", "count(*)"), ("refunds_usd", "sum(amount)")):
            truth, shown = plain(running, seconds, "reason", value), by(samples, metric, "reason", window)
            shown.pop("other", None)
            assert len(shown) <= MOST
            assert shown == {name: truth.get(name, 0) for name in shown}
            total = sum(by(samples, metric, "reason", window).values())
            assert total == pytest.approx(sum(truth.values()), abs=1e-6)
        assert by(samples, "refunds_all", "", window)[""] == sum(
            plain(running, seconds, "reason", "sum(amount)").values()
        )
        providers = plain(running, seconds, "provider")
        shown = by(samples, "refunds", "provider", window)
        assert {name: shown.get(name, 0) for name in ("card", "bank")} == {
            name: providers.get(name, 0) for name in ("card", "bank")
        }
    return samples


def test_names_within_the_bound_all_have_a_series(running: Running) -> None:
    refund(running, 3, ("a", "card", 1), ("b", None, 2), (None, "x", 4), ("a", "bank", 8))
    running.start(CONFIGURATION)
    samples = assert_true(running)
    assert by(samples, "refunds", "reason", "2m") == {"a": 2, "b": 1, "unknown": 1}
    assert by(samples, "refunds", "provider", "2m") == {"card": 1, "bank": 1, "other": 2}


def test_a_name_gets_the_place_of_one_that_is_gone_and_is_shown_once_its_window_is_its_own(running: Running) -> None:
    running.start(CONFIGURATION)
    refund(running, 3, ("a", "card", 1), ("b", "card", 1), ("c", "card", 1))
    assert by(assert_true(running), "refunds", "reason", "10m") == {"a": 1, "b": 1, "c": 1}
    first_shown: dict[str, int] = {}
    for number in range(125):
        running.now += 10 * SECOND
        refund(running, 1, ("late", "card", 1), ("b", "card", 1), ("c", "card", 1))
        samples = assert_true(running)
        for window in WINDOWS:
            if "late" in by(samples, "refunds", "reason", window):
                first_shown.setdefault(window, number)
    # The place is free after 60 steps of ten seconds.
    assert 60 + 12 <= first_shown["2m"] <= 60 + 14
    assert 60 + 60 <= first_shown["10m"] <= 60 + 62
    assert by(samples, "refunds", "reason", "10m") == {"b": 60, "c": 60, "late": 60, "other": 0}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_is_a_name(running: Running, name: str) -> None:
    running.start(CONFIGURATION)
    for _ in range(3):
        refund(running, 1, (name, name, 1))
        assert_true(running)
        running.now += 5 * SECOND


def test_ten_thousand_names_cost_no_more_rows_than_there_are_places(running: Running, asked: list[str]) -> None:
    running.start(CONFIGURATION)
    refund(running, 3, ("a", "card", 1), ("b", "card", 1))
    assert_true(running)
    statements, rows = [], []
    for _ in range(3):
        running.now += 10 * SECOND
        running.execute(
            f"INSERT INTO shop.refunds SELECT {running.at(1)}, 'name ' || number, 'card', 1, 1"
            " FROM generate_series(1, 10000) AS number"
        )
        refund(running, 1, ("a", "card", 1), ("b", "card", 1))
        asked.clear()
        samples = assert_true(running)
        statements.append(asked.count("own_refunds"))
        rows.append(asked.count("own_refunds row"))
    assert by(samples, "refunds", "reason", "2m") == {"a": 4, "b": 4, "name 1": 3, "other": 29997}
    # The first is asked anew once it is known that there are so many.
    assert statements == [2, 1, 1]
    assert max(rows) < 500


names = st.one_of(st.sampled_from("abcd"), st.sampled_from([None, *ODD]))
rows = st.lists(st.tuples(names, st.sampled_from(["card", "bank", None]), st.integers(-5, 100)), max_size=5)
fresh = st.floats(0, 15).map(lambda age: round(age, 6))
edges = st.sampled_from([119.999999, 120, 599.999999, 600])
steps = st.lists(st.tuples(st.sampled_from([0, 1, 7, 60, 130, 700]), fresh, rows), max_size=8)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    past=st.lists(st.tuples(st.one_of(edges, st.floats(0, 700)), rows), max_size=4),
    course=steps,
    exploding=st.booleans(),
)
def test_every_sum_equals_plain_sql(
    running: Running,
    past: list[tuple[float, list[tuple[str | None, str | None, float]]]],
    course: list[tuple[int, float, list[tuple[str | None, str | None, float]]]],
    exploding: bool,
) -> None:
    running.execute("TRUNCATE shop.refunds")
    for age, some in past:
        refund(running, age, *some)
    running.start(CONFIGURATION)
    assert_true(running)
    for number, (step, age, some) in enumerate(course):
        running.now += step * SECOND
        refund(running, age, *some)
        if exploding:
            refund(running, age, *((f"{number}-{i}", "card", 1) for i in range(2 * MOST)))
        assert_true(running)
    # Late by more than the settle time: seen before half of each window has passed.
    if course:
        _, _, some = course[0]
        refund(running, 90, *some, ("late", None, 7))
        refund(running, 280, *some, ("later", None, 7))
        for _ in range(60):
            running.now += 5 * SECOND
            running.samples("health")
        assert_true(running)
