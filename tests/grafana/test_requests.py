"""How many requests a refresh makes: Grafana sends one for each panel on screen and each of its data sources.

A browser has six of them under way at once over HTTP/1. If each takes half a second, 40 take 3.4 s: the refresh has
ended before the next one, five seconds later, would end it.
"""

from __future__ import annotations

import pytest

from testbed.viewer.board import UIDS, Json, dashboard, panels

MOST = 40
#: Of the grid, 38 px each: the tallest screen in use, and half of it again, which Grafana loads ahead.
ON_SCREEN = 42
EVERY_REFRESH = 2
"""Of a variable: it is asked for again whenever the time range is, and not only when the page is loaded."""


def requests(panel: Json) -> int:
    return len({target["datasource"]["uid"] for target in panel.get("targets", ())})


@pytest.mark.parametrize("uid", UIDS)
def test_a_refresh_ends_before_the_next(uid: str) -> None:
    found = dashboard(uid)
    always = sum(each["enable"] and not each.get("builtIn") for each in found["annotations"]["list"])
    always += sum(variable.get("refresh") == EVERY_REFRESH for variable in found["templating"]["list"])
    for top in {panel["gridPos"]["y"] for panel in panels(uid)}:
        on_screen = [
            panel
            for panel in panels(uid)
            if panel["gridPos"]["y"] < top + ON_SCREEN and panel["gridPos"]["y"] + panel["gridPos"]["h"] > top
        ]
        assert always + sum(map(requests, on_screen)) <= MOST, top
