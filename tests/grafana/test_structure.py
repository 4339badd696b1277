"""What Grafana would not complain of, but a viewer would."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import prometheus as sdk_prometheus

from grafana.dashboards.dashboard_json import MIXED
from grafana.dashboards.looks import NAME_AND_VERDICT, VERDICT_COLOURS, fixed
from grafana.dashboards.queries import POSTGRESQL, PROMETHEUS
from testbed.viewer.board import UIDS, Json, dashboard, panels

WITHOUT_UNIT = {"text", "table"}
SOURCES = {PROMETHEUS["uid"], POSTGRESQL["uid"]}

COLOURS = {str(verdict): colour for verdict, colour in VERDICT_COLOURS.items()}

every = pytest.mark.parametrize("uid", UIDS)


@every
def test_ids_are_unique_and_of_their_section(uid: str) -> None:
    ids = [panel["id"] for panel in dashboard(uid)["panels"]]
    assert len(ids) == len(set(ids))
    section = 0
    for panel in dashboard(uid)["panels"]:
        if panel["type"] == "row":
            section = panel["id"]
            assert section % 100 == 0
        else:
            assert section < panel["id"] < section + 100, panel["title"]


@every
def test_nothing_overlaps_and_every_line_is_full(uid: str) -> None:
    places = [panel["gridPos"] for panel in dashboard(uid)["panels"]]
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    for y in range(max(place["y"] + place["h"] for place in places)):
        assert sum(place["w"] for place in places if place["y"] <= y < place["y"] + place["h"]) == 24, y


@every
def test_every_panel_says_what_it_shows(uid: str) -> None:
    for panel in panels(uid):
        assert panel["description"].strip().endswith("."), panel["id"]
        if panel["type"] not in WITHOUT_UNIT:
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel.get("targets") or panel["type"] == "text"


@every
def test_queries_have_their_own_names_and_known_sources(uid: str) -> None:
    for panel in panels(uid):
        targets = panel.get("targets", [])
        refs = [target["refId"] for target in targets]
        assert len(refs) == len(set(refs))
        sources = {target["datasource"]["uid"] for target in targets}
        assert sources <= SOURCES
        if targets:
            assert panel["datasource"]["uid"] == (MIXED["uid"] if len(sources) > 1 else next(iter(sources)))


@every
def test_thresholds_begin_without_a_value_and_rise(uid: str) -> None:
    for steps in _thresholds(dashboard(uid)):
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)


@every
def test_a_figure_that_is_gone_is_not_shown_as_if_it_were_there(uid: str) -> None:
    for panel in panels(uid):
        if panel["type"] in ("stat", "bargauge"):
            assert panel["options"]["reduceOptions"]["calcs"] == ["last"]
            over_time = [target for target in panel["targets"] if target["range"]]
            if over_time:
                # The last value of a range may be an old one.
                transformations = [each["options"] for each in panel["transformations"]]
                assert {"byField": "Time", "mode": "outer"} in transformations, panel["title"]
                assert "vector(1)" in [target["expr"] for target in over_time], panel["title"]
                converted = {field["targetField"] for each in transformations for field in each.get("conversions", ())}
                (name,) = set(re.findall(r'"name", "([^"]+)"', panel["targets"][0]["expr"]))
                assert converted == {f"{name} {verdict}" for verdict in COLOURS}


@every
def test_overrides_name_queries_that_are_there(uid: str) -> None:
    for panel in panels(uid):
        refs = {target["refId"] for target in panel.get("targets", [])}
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byFrameRefID":
                assert override["matcher"]["options"] in refs


# Grafana's published libraries have these, too: what draws dashboards with them does not know all the others.
TRANSFORMATIONS = {"convertFieldType", "filterFieldsByName", "groupingToMatrix", "joinByField", "organize"}


def test_transformations_are_those_that_grafanas_libraries_have() -> None:
    used = {each["id"] for uid in UIDS for panel in panels(uid) for each in panel.get("transformations", ())}
    assert used == TRANSFORMATIONS


@every
def test_a_series_with_a_verdict_has_its_colour_and_not_its_number(uid: str) -> None:
    for panel in panels(uid):
        judged = [target for target in panel.get("targets", ()) if target.get("legendFormat") == NAME_AND_VERDICT]
        for target in judged:
            assert "verdict" in target["expr"]
        names = [
            f"{name} {verdict}" for name in ("blocked", "CPU (2 cores)", "📊 Revenue / hour 1") for verdict in COLOURS
        ]
        for name in names if judged else ():
            assert _overridden(panel, name)["color"] == fixed(COLOURS[name.rsplit(" ", 1)[1]])
            assert _overridden(panel, name)["displayName"] == "${__field.labels.name}"


def _overridden(panel: Json, name: str) -> Json:
    """What overrides by regular expression say of the series of that name; Grafana matches the whole of it."""
    return {
        setting["id"]: setting["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["id"] == "byRegexp" and re.fullmatch(override["matcher"]["options"], name)
        for setting in override["properties"]
    }


def test_severity_can_be_all_or_any() -> None:
    (severity,) = (v for v in dashboard("ticketing")["templating"]["list"] if v["name"] == "severity")
    assert (severity["multi"], severity["includeAll"], severity["allValue"]) == (True, True, None)
    assert severity["current"]["value"] == ["$__all"]
    values = [option["value"] for option in severity["options"]]
    assert values == ["$__all", "CRITICAL", "HIGH", "MEDIUM", "LOW"]


@every
def test_refresh_and_time(uid: str) -> None:
    found = dashboard(uid)
    assert found["timezone"] == "utc"
    assert found["refresh"] in ("5s", "30s", "")
    assert dashboard("ticketing")["refresh"] == "5s"


@every
def test_grafanas_own_schema_loses_nothing(uid: str) -> None:
    """What the published types do not know comes back missing: a misspelt option, one of another panel type."""
    plugins.register_default_plugins()
    ours = dashboard(uid)
    for panel in ours["panels"]:
        there = json.loads(encoder.JSONEncoder().encode(sdk.Panel.from_json(panel)))
        lost = {path for path in _lost(panel, there) if not path.startswith("targets")}
        # Rows are of another type there.
        assert panel["type"] == "row" or lost == set(), panel["title"]
        for target in panel.get("targets", []):
            if "expr" in target:
                back = json.loads(encoder.JSONEncoder().encode(sdk_prometheus.Dataquery.from_json(target)))
                assert list(_lost(target, back)) == []
    whole = json.loads(encoder.JSONEncoder().encode(sdk.Dashboard.from_json(ours)))
    of_rest = {path for path in _lost(ours, whole) if not path.startswith(("panels", "annotations.list"))}
    assert of_rest == set()


def _lost(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where the second has not what the first has; nothing, None and empty are the same."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            place
            for name, value in ours.items()
            if value not in (None, [], {})
            for place in _lost(value, theirs.get(name), f"{path}.{name}" if path else name)
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [place for one, other in zip(ours, theirs, strict=True) for place in _lost(one, other, path)]
    return [] if ours == theirs else [path]


def _thresholds(value: Any) -> list[list[Json]]:
    if isinstance(value, dict):
        own = [value["steps"]] if "steps" in value and isinstance(value["steps"], list) else []
        return [*own, *(steps for each in value.values() for steps in _thresholds(each))]
    if isinstance(value, list):
        return [steps for each in value for steps in _thresholds(each)]
    return []
