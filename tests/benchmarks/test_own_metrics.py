"""What the benchmark of own metrics says of what it has measured."""

from __future__ import annotations

from benchmarks.own_metrics.__main__ import BEGIN, END, PAGE, SCRAPES, Costs, report


def costs(cpu_ms: float, postgres_ms: float) -> Costs:
    quiet = (postgres_ms * SCRAPES, 25.0 * SCRAPES, 1.0 * SCRAPES, 40.0 * SCRAPES)
    disturbed = (10 * postgres_ms * SCRAPES, *quiet[1:])
    return Costs(cpu_ms * SCRAPES * 3, [quiet, quiet, disturbed])


def test_the_page_has_a_place_for_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)


def test_all_are_held_against_the_first() -> None:
    text = report({"section": costs(2.0, 0.5), "configured": costs(2.2, 0.4)}, 0.0)
    assert "| section              |   2.00 |          0.50 |   25.0 |       1.00 | 40.0 |" in text
    assert "| configured / section |   1.10 |          0.80 |   1.00 |       1.00 | 1.00 |" in text
