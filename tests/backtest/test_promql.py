"""Names, durations and the clock in expressions."""

import pytest

from backtest import promql


def test_finds_names_but_nothing_in_comments() -> None:
    expression = 'sum by (a) (b:c{d="e f"}) # not g\n / on () h offset 5m and {__name__="i"}'
    assert {"b:c", "h", "i"} <= promql.names(expression)
    assert not {"g", "f", "e", "m", "5m"} & promql.names(expression)


@pytest.mark.parametrize(
    ("duration", "seconds"), [("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1d", 86400), ("1w2d", 777600), ("0s", 0)]
)
def test_reads_durations(duration: str, seconds: float) -> None:
    assert promql.seconds(duration) == seconds


def test_looks_back_as_far_as_the_longest_duration() -> None:
    assert promql.longest_range('max_over_time(rate(a[5m])[1h:30s]) - b offset 1d + c{d="[9w]"}') == 86400


@pytest.mark.parametrize(
    ("expression", "moved"),
    [
        ("time() - a > 300", "(time() + 1000) - a > 300"),
        ("hour( ) < 5", "hour(vector(time() + 1000)) < 5"),
        ("hour(a)", "hour(a)"),
        ('timestamp(a{b=")"} or (c)) + 1', '(1000 + timestamp(a{b=")"} or (c))) + 1'),
        ("timestamp(timestamp(a))", "(1000 + timestamp((1000 + timestamp(a))))"),
        ('label_replace(a, "b", "time()", "", "")', 'label_replace(a, "b", "time()", "", "")'),
        ("time_of_day + (a)", "time_of_day + (a)"),
        ("a @ end()", "a @ end()"),
    ],
)
def test_tells_the_true_time_from_a_clock_that_begins_at_0(expression: str, moved: str) -> None:
    assert promql.at_epoch(expression, 1000) == moved


def test_refuses_a_fixed_time() -> None:
    with pytest.raises(promql.ExpressionError, match="1609746000"):
        promql.at_epoch("a @ 1609746000", 1000)
