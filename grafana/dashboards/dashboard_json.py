"""Dashboards, panels and annotations as Grafana's JSON, written by grafanalib with its gaps closed.

This is the only module that imports grafanalib. Its types for single panels stop at Grafana 7, so all panels here are
its base panel with today's options; and where it writes what no Grafana of today reads, or reads wrongly, that is
left out or put right.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafanalib import core

from grafana.dashboards.queries import Json, Query, Sql
from grafana.dashboards.variables import PLATFORM, SOURCES, Variable

MIXED = {"type": "datasource", "uid": "-- Mixed --"}
GRAFANA = {"type": "grafana", "uid": "-- Grafana --"}

# Written by Grafana 10.1, so that nothing older is migrated; newer servers bring it up to date themselves.
SCHEMA_VERSION = 38
PLUGIN_VERSION = "10.1.0"

COLUMNS = 24

# What grafanalib writes and no panel of today has.
_PANEL_RELICS = ("cacheTimeout", "editable", "error", "height", "maxDataPoints", "minSpan", "span")
_DASHBOARD_RELICS = ("__inputs", "gnetId", "hideControls", "rows", "sharedCrosshair", "style")


@dataclass(frozen=True)
class Panel:
    """A panel, without its place.

    Attributes:
        id: of this panel for ever: links name it. The first digit is the section's.
        kind: Grafana's name of the type.
        title: at its top; may be empty.
        description: what it says and where that comes from.
        queries: their names are A, B, C in this order.
        options: of the type.
        defaults: of all fields: unit, thresholds, mappings, custom.
        overrides: of single fields.
        transformations: of the answers, in order.
        time_from: its own range, for example 24h, wherever the dashboard's is relative.
        interval: shortest step of its queries.
        transparent: without a frame.
        repeat: a variable: one such panel for each of its values, three a line.
    """

    id: int
    kind: str
    title: str
    description: str
    queries: Sequence[Query] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()
    time_from: str | None = None
    interval: str | None = None
    transparent: bool = False
    repeat: str | None = None

    def json(self, x: int, y: int, width: int, height: int) -> Json:
        """The panel at its place on the grid."""
        names = string.ascii_uppercase[: len(self.queries)]
        panel = core.Panel(
            id=self.id,
            title=self.title,
            description=self.description,
            dataSource=self._datasource(),
            targets=[query.json(name) for name, query in zip(names, self.queries, strict=True)],
            gridPos=core.GridPos(h=height, w=width, x=x, y=y),
            interval=self.interval,
            timeFrom=self.time_from,
            hideTimeOverride=True,
            transformations=list(self.transformations),
            transparent=self.transparent,
        )
        defaults = {"mappings": [], "thresholds": thresholds(None), **self.defaults}
        json = panel.panel_json({"type": self.kind, "pluginVersion": PLUGIN_VERSION, "options": dict(self.options)})
        json["fieldConfig"] = {"defaults": defaults, "overrides": list(self.overrides)}
        if self.repeat is not None:
            json |= {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": 3}
        kept: Json = plain(without(json, _PANEL_RELICS))
        return kept

    def _datasource(self) -> Json | None:
        sources = {query.datasource["uid"]: query.datasource for query in self.queries}
        if len(sources) > 1:
            return MIXED
        return next(iter(sources.values()), None)


@dataclass(frozen=True)
class Annotation:
    """Marks on every chart over time.

    Attributes:
        name: the viewer can switch it off by.
        query: a series of Prometheus is marked while it is there; SQL has columns time, text, perhaps timeend, tags.
        colour: of the marks.
        title: for Prometheus, with `{{label}}`.
        text: for Prometheus, with `{{label}}`.
    """

    name: str
    query: Query
    colour: str
    title: str = ""
    text: str = ""

    def json(self) -> Json:
        """As `annotations.list` has it."""
        expr = {}
        if isinstance(self.query, Sql):
            target = {"refId": "Anno", "rawQuery": True, "rawSql": self.query.text.strip(), "format": "table"}
        else:
            expr = {"expr": " ".join(self.query.expr.split())}
            target = {"refId": "Anno", **expr, "interval": "15s"}
        return {
            # Where Grafana before 12.1 reads it.
            **expr,
            "name": self.name,
            "enable": True,
            "hide": False,
            "iconColor": self.colour,
            "datasource": self.query.datasource,
            "target": target,
            **({"titleFormat": self.title, "textFormat": self.text} if self.title else {}),
        }


@dataclass(frozen=True)
class Dashboard:
    """A dashboard.

    Attributes:
        uid: its address.
        title: its name.
        description: what it is for.
        panels: with their places, rows among them: see `grafana.dashboards.layout`.
        variables: that the viewer sets, beside those of all dashboards: platform and data sources.
        hidden_variables: that queries set.
        annotations: beside Grafana's own.
        links: at its top: title and address.
        time_from: beginning of its range.
        refresh: how often it asks again.
    """

    uid: str
    title: str
    description: str
    panels: Sequence[Json]
    variables: Sequence[Variable] = ()
    hidden_variables: Sequence[Variable] = ()
    annotations: Sequence[Annotation] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    time_from: str = "now-1h"
    refresh: str = "5s"

    def json(self) -> Json:
        """The file that Grafana provisions."""
        links = [
            core.DashboardLink(type="link", title=title, uri=uri, keepTime=True) for title, uri in self.links.items()
        ]
        dashboard = core.Dashboard(
            title=self.title,
            uid=self.uid,
            description=self.description,
            tags=["ticketing"],
            timezone="utc",
            refresh=self.refresh,
            schemaVersion=SCHEMA_VERSION,
            version=1,
            editable=False,
            graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
            time=core.Time(self.time_from, "now"),
            timePicker=core.TimePicker(refreshIntervals=["5s", "10s", "30s", "1m", "5m"], timeOptions=[]),
            templating=core.Templating(
                # Those that ask have to come after the data source that they ask.
                list=[each.json() for each in (PLATFORM, *self.variables, *SOURCES, *self.hidden_variables)]
            ),
            annotations=core.Annotations(list=[_built_in(), *(each.json() for each in self.annotations)]),
            links=links,
            panels=list(self.panels),
        )
        kept = plain(without(dashboard.to_json_data(), _DASHBOARD_RELICS))
        kept["timepicker"] = without(kept["timepicker"], ("time_options", "hidden", "nowDelay"))
        return {**kept, "liveNow": False, "weekStart": "", "fiscalYearStartMonth": 0}


def row(number: int, title: str, y: int) -> Json:
    """The heading of a section: not collapsed, so its panels follow it."""
    place = core.GridPos(h=1, w=COLUMNS, x=0, y=y)
    return {"type": "row", "id": number, "title": title, "collapsed": False, "gridPos": plain(place), "panels": []}


def thresholds(base: str | None, *steps: tuple[float, str]) -> Json:
    """Colours by value: `base` below the first step. grafanalib writes "null" as text, and Grafana sees none."""
    first = {"color": base or "text", "value": None}
    return {"mode": "absolute", "steps": [first, *({"color": colour, "value": value} for value, colour in steps)]}


def link(title: str, url: str, *, new_tab: bool = False) -> Json:
    """A link of a field: `${__value.raw}`, `${__data.fields["Column"]}` and variables are filled in."""
    json: Json = plain(core.DataLink(title=title, linkUrl=url, isNewTab=new_tab))
    return json


def without(json: Mapping[str, Any], names: Sequence[str]) -> Json:
    """The object less the given names and what is None."""
    return {name: value for name, value in json.items() if name not in names and value is not None}


def plain(value: Any) -> Any:
    """A tree of grafanalib's objects as JSON's types."""
    if hasattr(value, "to_json_data"):
        return plain(value.to_json_data())
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _built_in() -> Json:
    return {
        "builtIn": 1,
        "datasource": GRAFANA,
        "enable": True,
        "hide": True,
        "type": "dashboard",
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
    }
