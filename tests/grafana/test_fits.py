"""What Grafana draws of the cards, of fraud and of the model has room: an estimate from the files, in pixels."""

from __future__ import annotations

import re

import pytest

from simulator.features import FEATURE_NAMES
from testbed.viewer.board import Json, panel, panels

# Grafana's grid, frames and tables, from 10.4 on.
UNIT, GAP, COLUMNS, MARGIN = 38, 8, 24, 16
BORDERS, SPACE, TITLE, HEADER = 2, 16, 32, 36
#: A table that is as high as its place has a scroll bar in some versions.
SPARE = 10
ROWS = {"sm": 36, "md": 42, "lg": 48}
LINE_HEIGHT = 1.2
#: Below the digits, of their size.
UNDER_DIGITS = 0.24
#: Around the value of a card.
PADDING = 12
#: Of a character of 14 px, on average, and of what stands left and right of a cell's text.
CHARACTER, CELL = 7.8, 13

WINDOWS = (1920, 1366)
CARDS = (110, 120, 130, 140)
OURS = [each for each in panels("ticketing") if each["id"] // 100 in (1, 2, 4)]


def inside(found: Json, window: int) -> tuple[float, float]:
    """Width and height of what a panel shows, below its title."""
    grid = found["gridPos"]
    # Values fill their panel, all others have space around them.
    frame = BORDERS if found["type"] == "stat" else BORDERS + SPACE
    width = (window - 2 * MARGIN + GAP) / COLUMNS * grid["w"] - GAP - frame
    return width, grid["h"] * UNIT - GAP - frame - (TITLE if found["title"] else 0)


def overrides(found: Json, name: str) -> Json:
    """What is set for the series or column of that name, by name or by a regular expression."""
    return {
        each["id"]: each["value"]
        for override in found["fieldConfig"]["overrides"]
        if (override["matcher"]["id"] == "byName" and override["matcher"]["options"] == name)
        or (override["matcher"]["id"] == "byRegexp" and re.fullmatch(override["matcher"]["options"], name))
        for each in override["properties"]
    }


@pytest.mark.parametrize(
    "found", [each for each in panels("ticketing") if each["type"] != "text"], ids=lambda found: str(found["id"])
)
def test_every_panel_has_a_title(found: Json) -> None:
    """On a phone the line below a card does not stand below that card."""
    assert found["title"].strip()


@pytest.mark.parametrize(("number", "rows"), [(401, 2), (404, len(FEATURE_NAMES)), (405, 3)])
def test_no_row_is_cut(number: int, rows: int) -> None:
    found = panel("ticketing", number)
    options = found["options"]
    needed = rows * ROWS[options["cellHeight"]] + (HEADER if options["showHeader"] else 0)
    assert needed + SPARE <= inside(found, 1366)[1]


# The widest text of each column.
TEXTS = {
    205: {
        "Time": "13:49:36",
        "Txn ID": "txn_b8073ea4054c5134",
        "Decision": "APPROVED",
        "Top feature": "payment_method_diversity=5",
        "Wallet": "0x742d35Cc…",
        "Client": "203.0.113.240",
    },
    404: {
        "Feature": max(FEATURE_NAMES, key=len),
        "Drift": "0.089",
        "Noise floor": "0.0013",
        "Samples": "112,507",
        "State": "🔴 DRIFTED",
    },
    405: {"Level": "⚠️ WARNING", "Message": ""},
}
BARS = {205: ("Score",), 404: ("Of limit",), 405: ()}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("number", TEXTS)
def test_no_column_is_cut(number: int, window: int) -> None:
    found = panel("ticketing", number)
    width, _ = inside(found, window)
    left, growing = width, {}
    for name in (*TEXTS[number], *BARS[number]):
        properties = overrides(found, name)
        if "custom.width" in properties:
            left -= properties["custom.width"]
            if name in TEXTS[number]:
                assert CHARACTER * len(TEXTS[number][name]) + CELL <= properties["custom.width"], name
        else:
            growing[name] = max(
                properties.get("custom.minWidth", 0), CHARACTER * len(TEXTS[number].get(name, "")) + CELL
            )
    # Else the table is wider than its panel, or the text than its column.
    assert sum(growing.values()) <= left


def test_the_matrix_is_whole_on_a_phone() -> None:
    """Grafana makes each panel as wide as a narrow window."""
    found = panel("ticketing", 401)
    alone = {**found, "gridPos": {**found["gridPos"], "w": COLUMNS}}
    names = [overrides(found, name) for name in ("Predicted fraud", "Predicted legit")]
    columns = overrides(found, " ")["custom.width"] + sum(each["custom.minWidth"] for each in names)
    assert columns + SPARE / 2 <= inside(alone, 390)[0]


@pytest.mark.parametrize("number", CARDS)
def test_a_sparkline_does_not_cross_the_digits(number: int) -> None:
    """Grafana draws it in the height that name and value leave, and the two from the padding on."""
    options = panel("ticketing", number)["options"]
    assert (options["graphMode"], options["justifyMode"], options["textMode"]) == ("area", "auto", "value_and_name")
    assert not options["wideLayout"]
    name, value = options["text"]["titleSize"], options["text"]["valueSize"]
    _, height = inside(panel("ticketing", number), 1366)
    top_of_line = LINE_HEIGHT * (name + value)
    assert PADDING + LINE_HEIGHT * (name + value) - UNDER_DIGITS * value <= top_of_line
    assert height > 100, "else there is none"
    assert height - top_of_line > 20, "else it is flat"


@pytest.mark.parametrize("number", CARDS)
def test_a_card_has_room_for_its_value_on_a_laptop(number: int) -> None:
    found = panel("ticketing", number)
    width, _ = inside(found, 1366)
    assert 0.62 * found["options"]["text"]["valueSize"] * len("$12.45K") + PADDING <= width


def test_units_are_those_of_every_version() -> None:
    """`currency:financial:` is a symbol named so before Grafana 12.1."""
    units = {each["fieldConfig"]["defaults"].get("unit") for each in panels("ticketing")}
    units |= {
        setting["value"]
        for each in panels("ticketing")
        for override in each["fieldConfig"]["overrides"]
        for setting in override["properties"]
        if setting["id"] == "unit"
    }
    assert not [unit for unit in units if unit and unit.startswith("currency:")]


@pytest.mark.parametrize("decision", ["Blocked", "Review", "Approved above 0.65", "Approved"])
def test_words_of_one_class_are_told_apart_by_shades_of_its_colour(decision: str) -> None:
    scatter = panel("ticketing", 201)
    alone, word = overrides(scatter, decision), overrides(scatter, f"{decision}: challenge")
    assert (alone["color"]["mode"], word["color"]["mode"]) == ("fixed", "shades")
    assert alone["color"]["fixedColor"] == word["color"]["fixedColor"]
    assert alone["custom.pointSize"] == word["custom.pointSize"]


def test_the_zones_have_names_in_the_plot() -> None:
    (label,) = (
        setting["value"]
        for override in panel("ticketing", 201)["fieldConfig"]["overrides"]
        if override["matcher"] == {"id": "byType", "options": "number"}
        for setting in override["properties"]
    )
    assert re.findall(r"(\w+) zone", label) == ["approve", "review", "block"]
    _, height = inside(panel("ticketing", 201), 1366)
    # Less the axis of time and the legend.
    assert CHARACTER * 12 / 14 * len(label) < height - 70
