"""Alerts over a past, by promtool."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backtest import engine, promtool, rules
from backtest.engine import Firing, Span

STEP = 15
#: 2026-03-02 18:00 UTC.
START = 1772474400
HOUR = Span(START, START + 3600, STEP, 600)

RULES = """
groups:
  # The alert is written before what it reads, and is evaluated after it.
  - name: alerts
    rules:
      - {alert: High, expr: 'highest > 1', for: 30s, keep_firing_for: 1m, labels: {own: '{{ $labels.x }}'}}
      - {alert: Old, expr: 'time() - written > 900'}
      - {alert: AtTenPast, expr: 'minute() == 10 and hour() == 18'}
  - name: records
    interval: 5s
    rules:
      - {record: highest, expr: 'max by (x) (last_over_time(value[1m]))'}
      - {record: for:people, expr: value * 2}
"""

Value = Callable[[int], float | str]


@pytest.fixture
def loaded(tmp_path: Path) -> rules.RuleSet:
    (tmp_path / "rules.yml").write_text(RULES)
    return rules.load(tmp_path)


def source_of(**series: Value) -> engine.Source:
    """Series by name, each a function of the seconds since `START`."""

    def source(first: int, last: int) -> Iterator[tuple[str, str]]:
        for name, value in series.items():
            points = [value(second - START) for second in range(first, last + 1, STEP)]
            yield f'{name}{{x="a \\"quoted\\" {{name}}, ä\\\\"}}', promtool.values(points)

    return source


def value(second: int) -> float | str:
    if 2400 <= second < 2700:
        return "stale" if second == 2400 else "_"
    return 2.0 if second < -300 or 900 <= second < 1800 or second >= 3000 else 0.5


def found(firings: list[Firing]) -> list[tuple[str, int, int | None, bool]]:
    times = [(one.name, one.start - START, one.end, one.since_before) for one in firings]
    return [(name, start, None if end is None else end - START, before) for name, start, end, before in times]


@pytest.mark.parametrize("processors", [1, 4])
def test_an_alert_waits_holds_and_ends_as_in_prometheus(loaded: rules.RuleSet, processors: int) -> None:
    source = source_of(value=value, written=lambda _: START + 300.0)
    firings = engine.alerts(loaded, source, HOUR, processors=processors)
    assert found(firings) == [
        ("AtTenPast", 600, 660, False),
        ("High", 930, 1860, False),
        ("Old", 1215, None, False),
        ("High", 3030, None, False),
    ]
    labels = {"alertname": "High", "own": 'a "quoted" {name}, ä\\', "x": 'a "quoted" {name}, ä\\'}
    assert dict(firings[1].labels) == labels


def test_what_fires_before_is_said_to(loaded: rules.RuleSet) -> None:
    firings = engine.alerts(loaded, source_of(value=lambda _: 3.0), Span(START, START + 60, STEP, 600))
    assert found(firings) == [("High", 0, None, True)]


def test_runs_are_one_a_processor_and_no_longer_than_a_day() -> None:
    assert HOUR.runs(1) == [(START, START + 3600 - STEP), (START + 3600, START + 3600)]
    assert len(Span(START, START + 7 * 86400 - STEP, STEP, 3600).runs(2)) == 7
    # What each looks back upon costs as much: half an hour more is no two runs of an hour each.
    assert len(Span(START, START + 1800, STEP, 3600).runs(4)) == 1


def test_reads_what_alerts_read_alone(loaded: rules.RuleSet) -> None:
    assert loaded.alerts().recorded == {"highest"}
    assert {"value", "written"} <= loaded.read
    assert loaded.alerts().look_back == 30 + 60 + 60


def test_a_rule_that_cannot_be_evaluated_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'sum by ('}]}]")
    with pytest.raises(promtool.PromtoolError, match="parse error"):
        engine.alerts(rules.load(tmp_path), source_of(), HOUR)


@pytest.mark.parametrize("content", ["[", "groups: 3", "groups: [{name: g, rules: [{expr: a}]}]", "\0"])
def test_a_file_of_something_else_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "rules.yml").write_text(content)
    with pytest.raises(rules.RulesError, match=r"rules\.yml"):
        rules.load(tmp_path)


def test_a_directory_without_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(rules.RulesError, match="no rule files"):
        rules.load(tmp_path)


@pytest.mark.parametrize(
    ("points", "written"),
    [
        ([1.0, 1.0, 1.0, 2.0], "1.0x2 2.0"),
        (["_", "_", 0.1, "stale", "_"], "_x2 0.1 stale _"),
        ([float("nan"), float("nan"), float("inf"), float("-inf")], "NaNx1 Inf -Inf"),
    ],
)
def test_writes_values_in_short(points: list[float | str], written: str) -> None:
    assert promtool.values(points) == written


def test_a_rule_that_fails_at_some_time_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, rules: [{alert: Failing, expr: 'value * on () group_left () value > 1'}]}]"
    )

    def source(first: int, last: int) -> Iterator[tuple[str, str]]:
        for name in "ab":
            yield f'value{{x="{name}"}}', promtool.values([1.0] * ((last - first) // STEP + 1))

    with pytest.raises(promtool.PromtoolError, match="rule: Failing"):
        engine.alerts(rules.load(tmp_path), source, HOUR)
