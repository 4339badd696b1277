"""Dashboards are put together from the public helpers; docs/dashboard.md shows the same lines."""

from __future__ import annotations

import re

import pytest

from grafana.dashboards.dashboard_json import Dashboard, Panel
from grafana.dashboards.layout import Column, Section, line, place, stack
from grafana.dashboards.looks import BAD, GOOD, LIMIT_LINE, NOBODY_KNOWS, WATCH
from grafana.dashboards.panels import stat, table, time_series
from grafana.dashboards.promql import as_label, judged, limit_line, moment, sentence, series, with_thousands
from grafana.dashboards.queries import Promql, Sql
from testbed.servers.prometheus import Prometheus
from testbed.viewer.board import ROOT

DOCS = (ROOT / "docs" / "dashboard.md").read_text()


def some(number: int) -> Panel:
    return stat(number, f"Panel {number}", "Something.", [Promql("vector(1)", "one")], unit="none")


def test_the_documented_panel_fits_into_a_section() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    assert len(code.strip().splitlines()) <= 13
    names: dict[str, object] = {
        "time_series": time_series,
        "Promql": Promql,
        "series": series,
        "limit_line": limit_line,
        "LIMIT_LINE": LIMIT_LINE,
        "line": line,
        "Panel": Panel,
    }
    exec(code, names)
    panel = names["_blocked_ratio"]()  # type: ignore[operator]
    dashboard = Dashboard("mine", "Mine", "One panel.", stack([], [Section(200, "Fraud", [line(8, (24, panel))])]))
    row, found = dashboard.json()["panels"]
    assert (row["type"], found["type"], found["id"]) == ("row", "timeseries", 207)
    assert found["gridPos"] == {"h": 8, "w": 24, "x": 0, "y": 1}
    assert found["targets"][0]["refId"] == "A"


def test_columns_stand_side_by_side_and_their_panels_one_above_the_other() -> None:
    placed = place(
        [line(2, (24, some(1))), [Column(10, [(3, some(2)), (1, some(3))]), Column(14, [(4, some(4))])]], y=5
    )
    assert [tuple(panel["gridPos"][name] for name in "xywh") for panel in placed] == [
        (0, 5, 24, 2),
        (0, 7, 10, 3),
        (0, 10, 10, 1),
        (10, 7, 14, 4),
    ]


@pytest.mark.parametrize(
    "line", [[Column(23, [(1, some(1))])], [Column(12, [(1, some(1))]), Column(12, [(2, some(2))])]]
)
def test_a_line_that_does_not_fit_is_refused_by_name(line: list[Column]) -> None:
    with pytest.raises(ValueError, match="Panel 1"):
        place([line])


def test_two_sources_in_one_panel_are_said_to_be_mixed() -> None:
    both = table(1, "", "Both.", [Promql("up"), Sql("SELECT 1")])
    assert both.json(0, 0, 24, 1)["datasource"]["uid"] == "-- Mixed --"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> object:
    directory = tmp_path_factory.mktemp("prometheus")
    config = directory / "prometheus.yml"
    config.write_text("{}")
    with Prometheus(config, directory) as server:
        yield server


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1,000"), (11_751, "11,751"), (999_999, "999,999"), (1_234_567, "1,234,567"),
     (100_000_000, "100,000,000")],
)  # fmt: skip
def test_digits_in_groups(prometheus: Prometheus, number: int, text: str) -> None:
    ((labels, _),) = prometheus.query(with_thousands(as_label(f"vector({number})", "n"), "n"))
    assert labels["n"] == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "Thursday 00:00"), (1764468000, "Sunday 02:00"), (1764354153, "Friday 18:22"), (1764550799, "Monday 00:59")],
)
def test_a_moment_in_words(prometheus: Prometheus, seconds: int, text: str) -> None:
    ((labels, value),) = prometheus.query(moment(f"vector({seconds})", "when"))
    assert (labels["when"], value) == (text, 1)


def test_a_sentence_names_labels_in_order(prometheus: Prometheus) -> None:
    labelled = 'label_replace(label_replace(vector(2), "a", "x;y", "", ""), "b", "$1", "", "")'
    ((labels, value),) = prometheus.query(sentence(labelled, 'At {b} "{a}"'))
    assert (labels["message"], value) == ('At  "x;y"', 2)


@pytest.mark.parametrize(
    ("value", "good", "bad", "verdict"),
    [
        ("vector(1)", "{value} < bool 3", "{value} > bool 8", GOOD),
        ("vector(5)", "{value} < bool 3", "{value} > bool 8", WATCH),
        ("vector(9)", "{value} < bool 3", "{value} > bool 8", BAD),
        ("vector(9)", "{value} < bool 10", "{value} > bool 8", BAD),
        ("no_such_metric", "{value} < bool 3", "{value} > bool 8", NOBODY_KNOWS),
        ("vector(NaN)", "{value} < bool 3", "{value} > bool 8", NOBODY_KNOWS),
        ("vector(1)", "{value} < bool {no_such_limit}", "{value} > bool 8", NOBODY_KNOWS),
        ("vector(1)", "{value} < bool 3", "{value} > bool {no_such_limit}", NOBODY_KNOWS),
    ],
)
def test_verdicts(prometheus: Prometheus, value: str, good: str, bad: str, verdict: int) -> None:
    ((_, found),) = prometheus.query(judged(value, good, bad))
    assert found == verdict
