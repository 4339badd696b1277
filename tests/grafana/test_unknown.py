"""What is not known is shown as unknown: no column, row or figure is left out, so that what is left looks healthy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from grafana.dashboards.looks import NO_VALUE
from testbed.viewer.asking import answer
from testbed.viewer.board import UIDS, Asked, Json, panels, queries
from tests.grafana.page import having_read

LIMITS = (
    "service_slow_ratio",
    "uptime_target_ratio",
    "uptime_low_ratio",
    "rate_limit_near_ratio",
    "feature_drift_nats",
)
JOINED = {
    (uid, panel["id"]): next(
        each["options"]["byField"] for each in panel["transformations"] if each["id"] == "joinByField"
    )
    for uid in UIDS
    for panel in panels(uid)
    if panel["type"] == "table" and any(each["id"] == "joinByField" for each in panel.get("transformations", ()))
}
LIMIT_SERIES = "\n".join(f'ticketing:limit:by_platform{{limit="{name}"}} 1' for name in LIMITS)
#: What each of these tables is made of, two rows each.
SERIES = {
    ("ticketing", 501): LIMIT_SERIES + """
ticketing:probe_success:max{probe="a"} 1
ticketing:probe_success:max{probe="b"} 0
ticketing:probe_success:avg30d{probe="a"} 1
ticketing:probe_success:avg30d{probe="b"} 0.5
ticketing:probe_duration_seconds:avg1m{probe="a"} 0.1
ticketing:probe_duration_seconds:avg1m{probe="b"} 0.1
ticketing:probe_baseline_seconds:max{probe="a"} 0.2
ticketing:probe_baseline_seconds:max{probe="b"} 0.2
ticketing_probe_timestamp_seconds{probe="a"} 1.7e9
ticketing_probe_timestamp_seconds{probe="b"} 1.7e9
""",
    ("ticketing", 504): """
ticketing:objective:budget_ratio{objective="availability"} 0.001
ticketing:objective_failures:ratio30d{objective="availability",probe="a"} 0.1
ticketing:objective_failures:ratio30d{objective="availability",probe="b"} 0.1
ticketing:objective:budget_left_ratio{objective="availability",probe="a"} -1
ticketing:objective:budget_left_ratio{objective="availability",probe="b"} 1
ticketing:objective:burn_rate{objective="availability",probe="a",window="6h"} 3
ticketing:objective:burn_rate{objective="availability",probe="b",window="6h"} 0
ticketing:objective:exhaustion_seconds{objective="availability",probe="b"} 10
""",
    ("ticketing", 505): """
ticketing:objective:budget_ratio{objective="latency"} 0.01
ticketing:objective:budget_ratio{objective="api_latency"} 0.01
ticketing:objective_failures:ratio30d{objective="latency",probe="a"} 0.1
ticketing:objective_failures:ratio30d{objective="api_latency"} 0.1
ticketing:objective:budget_left_ratio{objective="latency",probe="a"} 0
ticketing:objective:budget_left_ratio{objective="api_latency"} 1
ticketing:objective:burn_rate{objective="latency",probe="a",window="6h"} 3
ticketing:objective:burn_rate{objective="api_latency",window="6h"} 0
ticketing:objective:exhaustion_seconds{objective="latency",probe="a"} 10
""",
    ("ticketing", 304): LIMIT_SERIES + """
ticketing:api_requests_per_minute:max 10
ticketing:api_requests_per_minute:limit_ratio 0.1
ticketing:client_requests_per_minute:max{client="a"} 10
ticketing:client_requests_per_minute:max{client="b"} 20
ticketing:client_requests_per_minute:limit_ratio{client="a"} 0.1
ticketing:client_requests_per_minute:limit_ratio{client="b"} 0.2
ticketing:rate_limit_requests_per_minute:max{scope="global"} 100
ticketing:rate_limit_requests_per_minute:max{scope="client"} 100
ticketing_rate_limited_clients 1
ticketing_rate_limit_blocked_until_timestamp_seconds{client="b"} 1.7e9
""",
    ("ticketing", 404): LIMIT_SERIES + """
ticketing:model_feature_drift_nats:max{feature="a"} 0.1
ticketing:model_feature_drift_nats:max{feature="b"} 0.2
ticketing_model_feature_drift_noise_floor_nats{feature="a"} 0.01
ticketing_model_feature_drift_noise_floor_nats{feature="b"} 0.01
ticketing_model_feature_samples{feature="a"} 1000
ticketing_model_feature_samples{feature="b"} 1000
""",
    ("ticketing-stack", 101): """
ticketing_exporter_collector_success{collector="kpis"} 1
ticketing_exporter_collector_success{collector="fraud"} 0
ticketing_exporter_collector_duration_seconds{collector="kpis"} 0.1
ticketing_exporter_collector_duration_seconds{collector="fraud"} 0.1
ticketing_exporter_collector_last_success_timestamp_seconds{collector="kpis"} 1.7e9
ticketing_exporter_collector_last_success_timestamp_seconds{collector="fraud"} 1.7e9
ticketing_exporter_rejected_values{collector="kpis"} 1
""",
    ("ticketing-stack", 201): """
up{job="a",instance="x:1"} 1
up{job="b",instance="x:2"} 0
scrape_duration_seconds{job="a",instance="x:1"} 1
scrape_duration_seconds{job="b",instance="x:2"} 1
scrape_samples_scraped{job="a",instance="x:1"} 5
""",
    ("ticketing-own", 201): """
ticketing_exporter_collector_success{collector="own_a"} 1
ticketing_exporter_collector_success{collector="own_b"} 0
ticketing_exporter_rejected_values{collector="own_b"} 1
""",
}  # fmt: skip
LINE = re.compile(r"^([\w:]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def names(series: str) -> list[str]:
    return list(dict.fromkeys(found[1] for found in LINE.finditer(series)))


def platform(key: tuple[str, int], without: str) -> str:
    """The one that has what a table is made of, but for one metric."""
    return f"{key[0]} {key[1]} without {without or 'nothing'}"


def exposition() -> str:
    """Every table's series on a platform of its own, and each of its metrics missing on another."""
    lines = []
    for key, series in SERIES.items():
        for without in ("", *names(series)):
            for found in LINE.finditer(series):
                if found[1] != without:
                    labels = ",".join(filter(None, (found[2], f'platform="{platform(key, without)}"')))
                    lines.append((found[1], f"{found[1]}{{{labels}}} {found[3]}"))
    return "".join(f"{line}\n" for _, line in sorted(lines, key=lambda each: each[0]))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with having_read(exposition(), tmp_path_factory.mktemp("unknown")) as url:
        yield url


def asked(uid: str, number: int) -> list[Asked]:
    return [each for each in queries(sql=False) if (each.uid, each.number) == (uid, number)]


def columns(url: str, key: tuple[str, int], without: str = "") -> dict[str, dict[str, float]]:
    """By query, the value of each row."""
    field, chosen = JOINED[key], {"platform": [platform(key, without)]}
    return {
        query.ref: {labels.get(field, ""): value for labels, value in answer(url, query, chosen)}
        for query in asked(*key)
    }


def test_every_table_of_several_queries_is_tried() -> None:
    assert SERIES.keys() == JOINED.keys()


@pytest.mark.parametrize("key", SERIES, ids=str)
def test_no_column_is_lost_when_a_metric_is_missing(url: str, key: tuple[str, int]) -> None:
    whole = columns(url, key)
    rows = set(whole["A"])
    assert len(rows) >= 2
    for without in ("", *names(SERIES[key])):
        found = {ref: set(cells) for ref, cells in columns(url, key, without).items()}
        assert len(set(map(frozenset, found.values()))) == 1, (without, found)
    assert any(NO_VALUE not in cells.values() for cells in whole.values())


@pytest.mark.parametrize("number", [504, 505])
def test_a_budget_that_nobody_knows_does_not_last(url: str, number: int) -> None:
    """Whatever its pace is."""
    key = ("ticketing", number)
    assert set(columns(url, key, "ticketing:objective:budget_left_ratio")["D"].values()) == {0, 3}
    found = columns(url, key, "ticketing:objective:budget_left_ratio")["E"].values()
    assert sorted(found) == [NO_VALUE, 10]


def unknown_words(panel: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The columns that show a word for a value, each with its words."""
    for override in panel["fieldConfig"]["overrides"]:
        for each in override["properties"]:
            if each["id"] == "mappings":
                texts = {
                    value: shown for m in each["value"] if m["type"] == "value" for value, shown in m["options"].items()
                }
                yield override["matcher"]["options"], texts


@pytest.mark.parametrize("key", JOINED, ids=str)
def test_what_stands_for_no_value_is_never_shown_as_a_number(key: tuple[str, int]) -> None:
    (panel,) = (each for each in panels(key[0]) if each["id"] == key[1])
    (names_,) = (each["options"]["renameByName"] for each in panel["transformations"] if each["id"] == "organize")
    words = dict(unknown_words(panel))
    used = {ref for ref in (f"Value #{target['refId']}" for target in panel["targets"]) if ref in names_}
    assert used
    for ref in used:
        assert words[names_[ref]][str(NO_VALUE)]["text"] == "—"


@pytest.mark.parametrize(
    ("uid", "number"),
    [(uid, panel["id"]) for uid in UIDS for panel in panels(uid) if panel["type"] in ("stat", "bargauge")],
)
def test_a_figure_that_nobody_knows_is_not_left_out(url: str, uid: str, number: int) -> None:
    """On a platform of which nothing is there: else the figures that are left would be all that is seen."""
    figures = [query for query in asked(uid, number) if '"reason", "' not in query.text and query.text != "vector(1)"]
    answered = [query for query in figures if answer(url, query, {"platform": ["of which nothing is there"]})]
    assert answered in ([], figures)


@pytest.mark.parametrize("number", [405, 503])
def test_warnings_say_that_nothing_is_known(url: str, number: int) -> None:
    (query,) = asked("ticketing", number)
    ((labels, _),) = answer(url, query, {"platform": ["of which nothing is there"]})
    assert "othing is known" in labels["message"]


def test_the_feed_says_none_in_place_of_a_dash() -> None:
    """That a query gives one line then is tested with the platform's rows: see test_live.py."""
    (feed,) = (panel for panel in panels("ticketing") if panel["id"] == 602)
    assert "✅ None" in json.dumps(feed, ensure_ascii=False)
