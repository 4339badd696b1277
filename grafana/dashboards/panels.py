"""The panels of this project's dashboards: one function a type, with its look and what grafanalib has no word for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.dashboards.looks import BY_THRESHOLD, UNKNOWN
from grafana.dashboards.model import Json, Panel, Query, thresholds

#: The last value; of a series that ended earlier, where its query goes on with NaN, that it is unknown.
LAST = {"calcs": ["last"], "fields": "", "values": False}


def stat(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    decimals: int | None = None,
    steps: Json | None = None,
    colour: Json | None = None,
    mappings: Sequence[Json] = (),
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
    shown: str = "auto",
    fill: bool = False,
    sparkline: bool = False,
    direction: str = "auto",
    sizes: tuple[int, int] | None = None,
    time_from: str | None = None,
    interval: str | None = None,
) -> Panel:
    """Large single values.

    Args:
        number: the panel's ID.
        title: at its top.
        description: what it says.
        queries: one value a series.
        unit: Grafana's name of it.
        decimals: after the point.
        steps: colours by value.
        colour: another way of colouring.
        mappings: values shown as texts.
        overrides: of single series.
        links: of the values.
        shown: auto, value, name, value_and_name.
        fill: whether the background has the colour, instead of the text.
        sparkline: whether the past is drawn below.
        direction: vertical stands for side by side with names above.
        sizes: of name and value, in pixels.
        time_from: its own range.
        interval: shortest step.
    """
    options: Json = {
        "colorMode": "background_solid" if fill else "value",
        "graphMode": "area" if sparkline else "none",
        "justifyMode": "center",
        "orientation": direction,
        "textMode": shown,
        "wideLayout": False,
        "reduceOptions": LAST,
        "showPercentChange": False,
    }
    if sizes is not None:
        options["text"] = {"titleSize": sizes[0], "valueSize": sizes[1]}
    defaults = _defaults(unit, decimals, steps, colour, mappings, links)
    return Panel(
        number, "stat", title, description, queries, options, defaults, overrides,
        time_from=time_from, interval=interval,
    )  # fmt: skip


def table(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    sort: Sequence[tuple[str, bool]] = (),
    header: bool = True,
    cell_height: str = "sm",
    time_from: str | None = None,
) -> Panel:
    """Rows.

    Args:
        number: the panel's ID.
        title: at its top.
        description: what it says.
        queries: what a row is made of.
        overrides: of single columns.
        transformations: of the answers.
        sort: columns it is sorted by, each with whether downwards.
        header: whether the columns' names are shown.
        cell_height: sm, md, lg.
        time_from: its own range.
    """
    options: Json = {"showHeader": header, "cellHeight": cell_height, "footer": {"show": False}}
    if sort:
        options["sortBy"] = [{"displayName": name, "desc": down} for name, down in sort]
    custom = {"align": "left", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": False}
    defaults = {"custom": custom, "noValue": "—"}
    return Panel(
        number, "table", title, description, queries, options, defaults, overrides, transformations,
        time_from=time_from,
    )  # fmt: skip


def columns(names: Mapping[str, str], *, join_on: str | None = None) -> list[Json]:
    """Transformations that leave these columns in this order, under these names.

    Args:
        names: column as queried: as shown. An empty name keeps it as it is.
        join_on: of several queries, the column whose equal values make one row.
    """
    # A table has a column of each label; only listed ones are wanted, whatever labels there are.
    keep = {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}}
    order = {"id": "organize", "options": {
        "excludeByName": {}, "includeByName": {},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": {name: shown for name, shown in names.items() if shown},
    }}  # fmt: skip
    if join_on is None:
        return [keep, order]
    return [{"id": "joinByField", "options": {"byField": join_on, "mode": "outer"}}, keep, order]


def time_series(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    decimals: int | None = None,
    steps: Json | None = None,
    threshold_style: str = "off",
    colour: Json | None = None,
    custom: Mapping[str, Any] | None = None,
    lowest: float | None = 0,
    highest: float | None = None,
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
    legend: str = "bottom",
    legend_values: Sequence[str] = (),
    time_from: str | None = None,
    interval: str | None = None,
) -> Panel:
    """Lines, areas or points over time.

    Args:
        number: the panel's ID.
        title: at its top.
        description: what it says.
        queries: its series.
        unit: Grafana's name of it.
        decimals: after the point.
        steps: colours by value.
        threshold_style: how steps are drawn: off, dashed, area.
        colour: of the series; by default one a series.
        custom: other settings of how a series is drawn.
        lowest: end of the axis.
        highest: end of the axis.
        overrides: of single series.
        links: of the points.
        legend: bottom, right, or none.
        legend_values: what stands beside a name there; makes it a table.
        time_from: its own range.
        interval: shortest step.
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
            "showLegend": legend != "none",
            "placement": "bottom" if legend == "none" else legend,
            "displayMode": "table" if legend_values else "list",
            "calcs": list(legend_values),
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    defaults = _defaults(unit, decimals, steps, colour or {"mode": "palette-classic"}, (), links)
    ends = {name: value for name, value in (("min", lowest), ("max", highest)) if value is not None}
    return Panel(
        number, "timeseries", title, description, queries, options,
        {**defaults, **ends, "custom": drawn}, overrides, time_from=time_from, interval=interval,
    )  # fmt: skip


def bars(
    number: int,
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    decimals: int | None = None,
    steps: Json | None = None,
    colour: Json | None = None,
    style: str = "gradient",
    highest: float | None = None,
    links: Sequence[Json] = (),
) -> Panel:
    """Horizontal bars, one a series.

    Args:
        number: the panel's ID.
        title: at its top.
        description: what it says.
        queries: its series.
        unit: Grafana's name of it.
        decimals: after the point.
        steps: colours by value.
        colour: another way of colouring.
        style: gradient, lcd, basic.
        highest: end of the bars; by default the largest value.
        links: of the bars.
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
    ends = {"min": 0} | ({"max": highest} if highest is not None else {})
    defaults = {**_defaults(unit, decimals, steps, colour, (), links), **ends}
    return Panel(number, "bargauge", title, description, queries, options, defaults)


def heatmap(number: int, title: str, description: str, query: Query, *, interval: str) -> Panel:
    """A histogram over time: the darker, the more.

    Args:
        number: the panel's ID.
        title: at its top.
        description: what it says.
        query: of shape heatmap, a series a bucket.
        interval: width of a column.
    """
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
    return Panel(number, "heatmap", title, description, [query], options, defaults, interval=interval)


def text(number: int, description: str, html: str) -> Panel:
    """A piece of HTML, without a frame; Grafana strips it of scripts, styles of animation and such."""
    options = {"mode": "html", "content": html, "code": {"language": "html", "showLineNumbers": False}}
    return Panel(number, "text", "", description, options=options, transparent=True)


def _defaults(
    unit: str,
    decimals: int | None,
    steps: Json | None,
    colour: Json | None,
    mappings: Sequence[Json],
    links: Sequence[Json],
) -> Json:
    return {
        "unit": unit,
        "noValue": "—",
        "color": colour or BY_THRESHOLD,
        "mappings": [*mappings, UNKNOWN],
        **({"decimals": decimals} if decimals is not None else {}),
        **({"links": list(links)} if links else {}),
        "thresholds": steps or thresholds(None),
    }
