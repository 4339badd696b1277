"""The panels of this project's dashboards: one function a type, with its look and what grafanalib has no word for.

Each takes the panel's ID, its title (may be empty), a description, and its queries. Then come the settings of its type,
and those that all types share: `Settings` or, for panels that show values, `ValueSettings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

from grafana.dashboards.dashboard_json import Panel, thresholds, without
from grafana.dashboards.looks import BY_THRESHOLD, UNKNOWN
from grafana.dashboards.queries import Json, Query

LAST = {"calcs": ["last"], "fields": "", "values": False}
"""The last value; null, shown as unknown, where the series ended earlier: see `transformations.at_every_moment`."""


class Settings(TypedDict, total=False):
    """What every panel may be told.

    Attributes:
        overrides: settings of single fields: see `looks`.
        transformations: of the answers, in order: see `grafana.dashboards.transformations`.
        time_from: its own range, for example 24h.
        interval: shortest step of its queries.
        repeat: see `Panel`.
    """

    overrides: Sequence[Json]
    transformations: Sequence[Json]
    time_from: str
    interval: str
    repeat: str


class ValueSettings(Settings, total=False):
    """What a panel that shows values may be told.

    Attributes:
        unit: Grafana's name of it.
        decimals: after the point.
        steps: colours by value.
        colour: another way of colouring.
        mappings: values shown as texts.
        links: of the values.
    """

    unit: Required[str]
    decimals: int
    steps: Json
    colour: Json
    mappings: Sequence[Json]
    links: Sequence[Json]


def stat(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    shown: str = "auto",
    fill: bool = False,
    sparkline: bool = False,
    direction: str = "auto",
    left: bool = False,
    sizes: tuple[int, int] | None = None,
    texts: bool = False,
    **settings: Unpack[ValueSettings],
) -> Panel:
    """Large single values, one a series.

    Settings of its own:
        shown: auto, value, name, value_and_name.
        fill: whether the background has the colour, instead of the text.
        sparkline: whether the past is drawn below.
        direction: vertical stands for side by side with names above.
        left: whether name and value stand at the top left instead of in the middle, where a sparkline would cross them.
        sizes: of name and value, in pixels.
        texts: whether labels of the answers are values too.
    """
    options: Json = {
        "colorMode": "background_solid" if fill else "value",
        "graphMode": "area" if sparkline else "none",
        "justifyMode": "auto" if left else "center",
        "orientation": direction,
        "textMode": shown,
        "wideLayout": False,
        "reduceOptions": {**LAST, "fields": "/.*/"} if texts else LAST,
        "showPercentChange": False,
    }
    if sizes is not None:
        options["text"] = {"titleSize": sizes[0], "valueSize": sizes[1]}
    return _of_values("stat", number, title, description, queries, options, settings)


def table(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    sort: Sequence[tuple[str, bool]] = (),
    header: bool = True,
    cell_height: str = "sm",
    **settings: Unpack[Settings],
) -> Panel:
    """Rows.

    Settings of its own:
        sort: columns it is sorted by, each with whether downwards.
        header: whether the columns' names are shown.
        cell_height: sm, md, lg.
    """
    options: Json = {"showHeader": header, "cellHeight": cell_height, "footer": {"show": False}}
    if sort:
        options["sortBy"] = [{"displayName": name, "desc": down} for name, down in sort]
    custom = {"align": "left", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": False}
    defaults = {"custom": custom, "noValue": "—"}
    return Panel(number, "table", title, description, queries, options, defaults, **settings)


def time_series(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    threshold_style: str = "off",
    custom: Mapping[str, Any] | None = None,
    highest: float | None = None,
    legend: bool = True,
    **settings: Unpack[ValueSettings],
) -> Panel:
    """Lines, areas or points over time, from 0 on; by default each series has a colour of its own.

    Settings of its own:
        threshold_style: how steps are drawn: off, dashed, area.
        custom: how a series is drawn, where it differs from the lines of this project.
        highest: end of the axis; by default the largest value.
        legend: whether the names of the series are shown below.
    """
    drawn = {
        "drawStyle": "line",
        "lineInterpolation": "linear",
        "lineWidth": 2,
        "fillOpacity": 12,
        "gradientMode": "opacity",
        "showPoints": "never",
        "pointSize": 5,
        "spanNulls": False,
        "axisPlacement": "auto",
        "axisLabel": "",
        "scaleDistribution": {"type": "linear"},
        "stacking": {"mode": "none", "group": "A"},
        "thresholdsStyle": {"mode": threshold_style},
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
        **(custom or {}),
    }
    options = {
        "legend": {
            "showLegend": legend,
            "placement": "bottom",
            "displayMode": "list",
            "calcs": [],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    settings.setdefault("colour", {"mode": "palette-classic"})
    return _of_values(
        "timeseries", number, title, description, queries, options, settings, min=0, max=highest, custom=drawn
    )


def bars(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    style: str = "gradient",
    highest: float | None = None,
    **settings: Unpack[ValueSettings],
) -> Panel:
    """Horizontal bars, one a series.

    Settings of its own:
        style: gradient, lcd, basic.
        highest: end of the bars; by default the largest value.
    """
    options = {
        "displayMode": style,
        "orientation": "horizontal",
        "showUnfilled": True,
        "valueMode": "color",
        "namePlacement": "left",
        "sizing": "auto",
        "minVizHeight": 16,
        "minVizWidth": 8,
        "maxVizHeight": 300,
        "reduceOptions": LAST,
        "text": {"titleSize": 14, "valueSize": 20},
    }
    return _of_values("bargauge", number, title, description, queries, options, settings, min=0, max=highest)


def heatmap(number: int, title: str, description: str, query: Query, **settings: Unpack[Settings]) -> Panel:
    """A histogram over time, from a query of that shape with a series a bucket: the stronger the colour, the more."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "scale": "exponential"},
        "yAxis": {"axisPlacement": "left", "unit": "none", "decimals": 1},
        "rowsFrame": {"layout": "le"},
        "legend": {"show": False},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "filterValues": {"le": 1e-9},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "showValue": "never",
    }
    custom = {"scaleDistribution": {"type": "linear"}, "hideFrom": {"legend": False, "tooltip": False, "viz": False}}
    defaults = {"unit": "none", "custom": custom}
    return Panel(number, "heatmap", title, description, [query], options, defaults, **settings)


def text(number: int, description: str, html: str) -> Panel:
    """A piece of HTML, without a frame; Grafana strips it of scripts, styles of animation and such."""
    options = {"mode": "html", "content": html, "code": {"language": "html", "showLineNumbers": False}}
    return Panel(number, "text", "", description, options=options, transparent=True)


def _of_values(
    kind: str,
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    options: Json,
    settings: ValueSettings,
    **more: Any,
) -> Panel:
    """A panel of this type; `more` are defaults of its fields beside those of the settings."""
    defaults = {
        "unit": settings["unit"],
        "decimals": settings.get("decimals"),
        "noValue": "—",
        "color": settings.get("colour", BY_THRESHOLD),
        "mappings": [*settings.get("mappings", ()), UNKNOWN],
        "links": settings.get("links"),
        "thresholds": settings.get("steps", thresholds(None)),
        **more,
    }
    shared: Any = {name: value for name, value in settings.items() if name in Settings.__annotations__}
    return Panel(number, kind, title, description, queries, options, without(defaults, ()), **shared)
