"""Addresses: of the dashboards among themselves, and of the runbooks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from grafana.dashboards.dashboard_json import link
from grafana.dashboards.queries import Json
from grafana.dashboards.variables import PLATFORM, SOURCES

BASE = "/admin/monitoring"
"""Where the gateway serves Grafana."""

REPORTS = "/admin/incidents"
"""Where the gateway serves the responder's record of an incident, by its correlation ID."""

TICKETING, INVESTIGATE, STACK, OWN = "ticketing", "ticketing-investigate", "ticketing-stack", "ticketing-own"

RULES = Path(__file__).parents[2] / "prometheus" / "rules"

SAME_TIME = "${__url_time_range}"
"""The time range of the page that the link is on."""

SAME_DATA = "&".join(f"${{{variable.name}:queryparam}}" for variable in (PLATFORM, *SOURCES))
"""The platform and the data sources of the page that the link is on."""


def dashboard(uid: str, *queries: str) -> str:
    """The address of a dashboard of the same platform and data sources, with more that follows the question mark."""
    return f"{BASE}/d/{uid}/{uid}?" + "&".join((SAME_DATA, *queries))


def investigate(variable: str, value: str) -> str:
    """The address of what is known of a transaction, a wallet or a client."""
    return dashboard(INVESTIGATE, f"var-{variable}={value}", SAME_TIME)


@cache
def runbooks() -> Mapping[str, str]:
    """The runbook of each alert, as the rules have it."""
    found: dict[str, str] = {}
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found[rule["alert"]] = rule["annotations"]["runbook_url"]
    return dict(sorted(found.items()))


def runbook(alert: str) -> Json:
    """A link to the runbook of one alert."""
    return link(f"Runbook of {alert}", runbooks()[alert], new_tab=True)
