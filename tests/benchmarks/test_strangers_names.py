"""What the benchmark of made-up names says of what it has measured."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.strangers_names.__main__ import BEGIN, END, PAGE, Results, _report
from benchmarks.strangers_names.watch import Costs, Trial, _judge

QUIET = Costs(60, 0, 2.0, 0.4, 5.0, 48.0, 0, [])
FULL = Costs(600, 0, 5.8, 30.0, 60.0, 85.0, 0, [Trial("attacked-1", 10.0, 10.4, 3)])
RESULTS = Results(QUIET, replace(FULL, trials=[]), FULL, 4.2, QUIET, 90.0, 70.0, 1_000_000, 15)


def test_the_page_has_a_place_for_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)


def test_targets_are_judged() -> None:
    met = _report(RESULTS, 0.0)
    assert "1,000,000 made-up names in 15 minutes" in met
    assert "| CPU, full / quiet | 2.9 × | ≤ 3 × | yes |" in met
    assert "| 1 of 1 | all | yes |" in met
    assert "**no**" not in met
    late = replace(FULL, cpu_ms=6.2, trials=[Trial("attacked-1", 10.0, 11.4, 2)])
    missed = _report(replace(RESULTS, full=late, restarted_mb=101.0), 0.0)
    assert missed.count("**no**") == 3


def test_a_scrape_that_had_begun_before_the_last_failure_is_not_the_next() -> None:
    trial = Trial("attacked-1", committed=10.0)
    _judge([trial], 9.9, {"attacked-1": 1})
    assert trial.first_count is None
    _judge([trial], 10.1, {"attacked-1": 3})
    assert trial.first_count == 3
    assert trial.seen is not None
