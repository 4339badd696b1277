"""Colours, thresholds, value mappings and overrides that panels share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.dashboards.queries import Json

# Legible on Grafana's dark and on its light background.
GREEN, YELLOW, ORANGE, RED = "#2BB673", "#E5A50A", "#FF8C42", "#E5484D"
BLUE, PURPLE, GREY = "#4C8DFF", "#9B6DFF", "#8E9AAF"

SEVERITIES: Mapping[str, tuple[str, str]] = {
    "CRITICAL": ("🟣 CRITICAL", PURPLE),
    "HIGH": ("🔴 HIGH", RED),
    "MEDIUM": ("🟡 MED", YELLOW),
    "LOW": ("🟢 LOW", GREEN),
}
DECISIONS = {"BLOCKED": ("BLOCKED", RED), "REVIEW": ("REVIEW", YELLOW), "APPROVED": ("APPROVED", GREEN)}

GOOD, WATCH, BAD, NOBODY_KNOWS = 2, 1, 0, -1
"""Good, worth a look, bad, unknown: the values of queries that judge: see `promql.judged`."""
VERDICT_COLOURS = {GOOD: GREEN, WATCH: YELLOW, BAD: RED, NOBODY_KNOWS: GREY}


def fixed(colour: str) -> Json:
    """One colour, whatever the value."""
    return {"mode": "fixed", "fixedColor": colour}


def shades(colour: str) -> Json:
    """Lighter and darker ones of a colour, another for each series."""
    return {"mode": "shades", "fixedColor": colour}


BY_THRESHOLD = {"mode": "thresholds"}
# From the least to the largest value of the axis.
FROM_GREEN_TO_RED = {"mode": "continuous-GrYlRd"}


def words(texts: Mapping[Any, tuple[str, str] | str]) -> Json:
    """Values shown as other texts, perhaps in a colour."""
    options = {}
    for index, (value, shown) in enumerate(texts.items()):
        text, colour = (shown, None) if isinstance(shown, str) else shown
        options[str(value)] = {"text": text, "index": index} | ({"color": colour} if colour else {})
    return {"type": "value", "options": options}


def pattern(regex: str, text: str, colour: str | None = None, index: int = 0) -> Json:
    """Texts that match shown as another, with $1 for the first group."""
    result = {"text": text, "index": index} | ({"color": colour} if colour else {})
    return {"type": "regex", "options": {"pattern": regex, "result": result}}


UNKNOWN = {"type": "special", "options": {"match": "null+nan", "result": {"text": "—", "color": GREY, "index": 99}}}
"""No value: see `promql.or_unknown` and `transformations.at_every_moment`."""


NO_VALUE = -(10**9)
"""In place of a value that a row does not have: see `promql.in_rows`. Shares and seconds may be -1."""

UNKNOWN_IN_ROW = words({NO_VALUE: ("—", GREY)})
"""No value in a row that others have values for: see `promql.in_rows`."""


def column(name: str, **properties: Any) -> Json:
    """An override of the column or series of that name; `custom__width` stands for `custom.width`."""
    return _override("byName", name, properties)


def of_query(ref: str, **properties: Any) -> Json:
    """An override of what the query of that name answers."""
    return _override("byFrameRefID", ref, properties)


def columns_like(regex: str, **properties: Any) -> Json:
    """An override of all columns or series whose name matches."""
    return _override("byRegexp", regex, properties)


def numbers(**properties: Any) -> Json:
    """An override of all that are numbers, and not the time."""
    return _override("byType", "number", properties)


NAME_AND_VERDICT = "{{name}} {{verdict}}"
"""The legend of a query whose answers have both as labels: see `promql.with_verdict`."""


def names_with_verdicts(name: str) -> list[str]:
    """What the series of that name is called by `NAME_AND_VERDICT`."""
    return [f"{name} {verdict}" for verdict in VERDICT_COLOURS]


def _override(matcher: str, options: str, properties: Mapping[str, Any]) -> Json:
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": options}, "properties": listed}


BY_VERDICT = [
    columns_like(f".* {verdict}", color=fixed(colour), displayName="${__field.labels.name}")
    for verdict, colour in VERDICT_COLOURS.items()
]
"""Overrides of series that are called by `NAME_AND_VERDICT`: the colour of the verdict, and the name alone.

Steps of a panel are numbers in its file; this way the colour follows a limit that Prometheus knows.
"""

LIMIT_LINE = column(
    "limit", color=fixed(RED), custom__lineStyle={"fill": "dash", "dash": [6, 6]}, custom__fillOpacity=0,
    custom__lineWidth=1,
)  # fmt: skip
"""An override of a chart's series of that name."""

COLOUR_TEXT = {"type": "color-text"}
COLOUR_CELL = {"type": "color-background", "mode": "basic"}
WRAPPED = {"type": "auto", "wrapText": True}
SCORE_CELL = {"type": "gauge", "mode": "gradient", "valueDisplayMode": "color"}
BAR_CELL = {"type": "gauge", "mode": "lcd", "valueDisplayMode": "color"}


def severity_column(name: str = "Severity", width: int = 125) -> Json:
    """A column of severities, of events or, in lower case, of alerts."""
    both = {**SEVERITIES, **{name.lower(): shown for name, shown in SEVERITIES.items()}}
    return column(name, mappings=[words(both)], custom__width=width, custom__cellOptions=COLOUR_TEXT)


def time_column(
    name: str = "Time", width: int = 90, unit: str = "time:HH:mm:ss", mappings: Sequence[Json] = ()
) -> Json:
    """A column of moments, in UTC."""
    return column(name, unit=unit, custom__width=width, **({"mappings": list(mappings)} if mappings else {}))


def hidden(*names: str) -> list[Json]:
    """Columns that are there for links alone."""
    # The second is how Grafana 12 and later have it.
    nowhere = {"viz": True, "legend": True, "tooltip": True}
    return [column(name, custom__hidden=True, custom__hideFrom=nowhere) for name in names]
