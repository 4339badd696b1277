"""Section traffic: requests, who makes them, and how near everybody is to the limits."""

from __future__ import annotations

from grafana.dashboards.dashboard_json import Panel, link, thresholds
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import investigate, runbook
from grafana.dashboards.looks import (
    BAR_CELL,
    BLUE,
    BY_THRESHOLD,
    COLOUR_TEXT,
    GREEN,
    RED,
    YELLOW,
    column,
    fixed,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, columns, stat, table, time_series
from grafana.dashboards.promql import named, or_unknown
from grafana.dashboards.queries import Promql

OK, NEAR, BLOCKED = 0, 1, 2
FIRST = 3  # added to the state of all clients together, so that sorting by state puts it first

GLOBAL = "Global"
CLIENTS = "ticketing:client_requests_per_minute"
BLOCKS = "max by (client) (ticketing_rate_limit_blocked_until_timestamp_seconds)"
LIMIT = 'max(ticketing:rate_limit_requests_per_minute:max{{scope="{}"}})'
# All clients together, the five busiest, and all that are blocked, busy or not.
SCOPES = f"(topk(5, {CLIENTS}:limit_ratio) or {BLOCKS})"


def _requests() -> Panel:
    return time_series(
        301,
        "API requests per minute",
        "Requests of all clients in the last whole minute.",
        [Promql("max(ticketing_api_requests_per_minute)", "requests", over_time=True)],
        unit="locale",
        decimals=0,
        colour=fixed(BLUE),
        custom={"fillOpacity": 25, "lineInterpolation": "smooth"},
        links=[runbook("RateLimitNearGlobal")],
        legend=False,
        interval="15s",
    )


def _top() -> Panel:
    client = "${__field.labels.client}"
    return bars(
        302,
        "Top 5 IPs (last 5 min)",
        "The clients with the most requests in the last five whole minutes.",
        [Promql('topk(5, max by (client) (ticketing_client_requests{window="5m"}))', "{{client}}")],
        unit="locale",
        decimals=0,
        colour={"mode": "continuous-BlYlRd"},
        links=[link(f"Investigate {client}", investigate("client", client))],
    )


def _limited() -> Panel:
    return stat(
        303,
        "",
        "Clients that are blocked now because they exceeded their limit.",
        [Promql(or_unknown("max(ticketing_rate_limited_clients)"), "Rate limited IPs")],
        unit="locale",
        decimals=0,
        steps=thresholds(GREEN, (1, RED)),
        shown="value_and_name",
        fill=True,
        direction="horizontal",
        sizes=(16, 24),
    )


def _status() -> Panel:
    everybody = f"{named('ticketing:api_requests_per_minute:{}', 'client', GLOBAL)}"
    requests = f"{everybody.format('max')} or {CLIENTS}:max and on (client) {SCOPES}"
    limit = (
        f"{named(LIMIT.format('global'), 'client', GLOBAL)}"
        f" or 0 * {SCOPES} + on () group_left () {LIMIT.format('client')}"
    )
    used = f"{everybody.format('limit_ratio')} or {CLIENTS}:limit_ratio and on (client) {SCOPES}"
    state = (
        f"0 * {BLOCKS} + {BLOCKED} or ({everybody.format('limit_ratio')} >= bool 0.9) + {FIRST}"
        f" or ({CLIENTS}:limit_ratio and on (client) {SCOPES}) >= bool 0.9"
    )
    return table(
        304,
        "Rate limit status",
        "Requests of the last whole minute against the limit: of all clients together, of the five busiest, and of"
        " those that are blocked (at most ten). Near is 90 % of the limit.",
        [Promql(expr, shape="table") for expr in (requests, limit, used, state, f"1000 * {BLOCKS}")],
        transformations=columns(
            {
                "client": "Client", "Value #A": "Requests / min", "Value #B": "Limit",
                "Value #C": "Used", "Value #D": "State", "Value #E": "Blocked until",
            },
            join_on="client",
        ),
        overrides=[
            column("Client", links=[link("Investigate the client", investigate("client", "${__value.raw}"))]),
            column("Requests / min", unit="locale", custom__width=140),
            column("Limit", unit="locale", custom__width=110),
            column("Used", unit="percentunit", decimals=0, min=0, max=1, color=BY_THRESHOLD,
                   custom__cellOptions=BAR_CELL, thresholds=thresholds(GREEN, (0.75, YELLOW), (0.9, RED))),
            column("State", custom__width=150, custom__cellOptions=COLOUR_TEXT, mappings=[words({
                OK: ("✅ OK", GREEN), NEAR: ("⚠️ NEAR LIMIT", YELLOW), BLOCKED: ("🔴 BLOCKED", RED),
                OK + FIRST: ("✅ OK", GREEN), NEAR + FIRST: ("⚠️ NEAR LIMIT", YELLOW),
            })]),
            time_column("Blocked until", 120),
        ],
        sort=[("State", True), ("Used", True)],
    )  # fmt: skip


SECTION = Section(
    300,
    "🌐 API Rate Limiting & Traffic",
    [
        [Column(15, [(9, _requests())]), Column(9, [(7, _top()), (2, _limited())])],
        line(10, (24, _status())),
    ],
    main=304,
)
