"""The dashboard of own metrics has a chart for each, without knowing any."""

from __future__ import annotations

import re

import pytest

from testbed.viewer.board import dashboard, panel


def test_one_chart_for_each_metric() -> None:
    chart = panel("ticketing-own", 101)
    assert chart["repeat"] == "metric"
    assert '__name__="$metric"' in chart["targets"][0]["expr"]
    (variable,) = (each for each in dashboard("ticketing-own")["templating"]["list"] if each["name"] == "metric")
    assert variable["includeAll"]
    assert variable["current"]["value"] == ["$__all"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ticketing_own_refunds", True),
        ("ticketing_own_refunds_usd", True),
        ("ticketing_own_payment_seconds_quantile", True),
        ("ticketing_own_summary", True),
        ("ticketing_own_refunds_total", False),
        ("ticketing_own_payment_seconds_bucket", False),
        ("ticketing_own_payment_seconds_sum", False),
        ("ticketing_own_payment_seconds_count", False),
    ],
)
def test_what_is_made_since_the_start_has_none(name: str, *, shown: bool) -> None:
    (variable,) = (each for each in dashboard("ticketing-own")["templating"]["list"] if each["name"] == "metric")
    assert bool(re.match(variable["regex"].strip("/"), name)) is shown
