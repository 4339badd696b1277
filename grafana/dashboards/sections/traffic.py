"""Section traffic: requests, who makes them, and how near everybody is to the limits."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, link, thresholds
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import investigate, runbook
from grafana.dashboards.looks import (
    BAR_CELL,
    BLUE,
    COLOUR_TEXT,
    FROM_GREEN_TO_RED,
    GREEN,
    GREY,
    NOBODY_KNOWS,
    RED,
    YELLOW,
    column,
    fixed,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, stat, table, time_series
from grafana.dashboards.promql import limit, named, or_unknown, series
from grafana.dashboards.queries import Promql
from grafana.dashboards.transformations import columns

OK, NEAR, BLOCKED = 0, 1, 2
FIRST = 3  # added to the state of all clients together, so that sorting by state puts it first

REQUESTS = f"max({series('ticketing:api_requests_per_minute:max')})"
USED = f"max({series('ticketing:api_requests_per_minute:limit_ratio')})"
OF_CLIENTS = f"max by (client) ({series('ticketing:client_requests_per_minute:max')})"
USED_BY_CLIENTS = f"max by (client) ({series('ticketing:client_requests_per_minute:limit_ratio')})"
BLOCKS = f"max by (client) ({series('ticketing_rate_limit_blocked_until_timestamp_seconds')})"
# The five busiest, and all that are blocked, busy or not.
SHOWN = f"(topk(5, {USED_BY_CLIENTS}) or {BLOCKS})"


def _requests() -> Panel:
    return time_series(
        301,
        f"API requests per minute{reasons.of('requests')}",
        "Requests of all clients in the last whole minute.",
        [Promql(f"max({series('ticketing_api_requests_per_minute')})", "requests", over_time=True)],
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
    requests = f"max by (client, window) ({series('ticketing_client_requests')})"
    return bars(
        302,
        f"Top 5 IPs (last 5 min){reasons.of('clients')}",
        "The clients with the most requests in the last five whole minutes. Where only a rate limiter tells them, it"
        " is the last minute, and says so.",
        [Promql(f'topk(5, label_replace({requests}, "since", " in 1 min", "window", "1m"))', "{{client}}{{since}}")],
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
        reasons.instead(
            ["ratelimit:blocked"],
            [Promql(or_unknown(f"max({series('ticketing_rate_limited_clients')})"), "Rate limited IPs")],
        ),
        unit="locale",
        decimals=0,
        steps=thresholds(GREEN, (1, RED)),
        overrides=[reasons.INSTEAD],
        shown="value_and_name",
        fill=True,
        direction="horizontal",
        sizes=(16, 24),
    )


def _allowed(scope: str) -> str:
    """The limit that the platform has set, of all clients together or of each."""
    matcher = f'scope="{scope}"'
    return f"max({series('ticketing:rate_limit_requests_per_minute:max', matcher)})"


def _with_all(together: str, of_clients: str) -> str:
    """A line for all clients together, and one for each that is shown."""
    return f"{named(together, 'client', 'Global')} or {of_clients} and on (client) {SHOWN}"


def _status() -> Panel:
    near = f">= bool on () group_left () {limit('rate_limit_near_ratio')}"
    known = _with_all(f"({USED} {near}) + {FIRST}", f"({USED_BY_CLIENTS} {near})")
    unknown = _with_all(f"0 * {USED} + {NOBODY_KNOWS}", f"0 * {USED_BY_CLIENTS} + {NOBODY_KNOWS}")
    queries = (
        _with_all(REQUESTS, OF_CLIENTS),
        _with_all(_allowed("global"), f"0 * {SHOWN} + on () group_left () {_allowed('client')}"),
        _with_all(USED, USED_BY_CLIENTS),
        f"0 * {BLOCKS} + {BLOCKED} or {known} or {unknown}",
        f"1000 * {BLOCKS}",
    )
    return table(
        304,
 f"Rate limit status{reasons.of('rate_limits')}",
        "Requests of the last whole minute against the limit: of all clients together, of the five busiest, and of"
        " those that are blocked (at most ten). Near is where the alerts begin.",
        [Promql(expr, shape="table") for expr in queries],
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
            column("Used", unit="percentunit", decimals=0, min=0, max=1, color=FROM_GREEN_TO_RED,
                   custom__cellOptions=BAR_CELL),
            column("State", custom__width=150, custom__cellOptions=COLOUR_TEXT, mappings=[words({
                OK: ("✅ OK", GREEN), NEAR: ("⚠️ NEAR LIMIT", YELLOW), BLOCKED: ("🔴 BLOCKED", RED),
                OK + FIRST: ("✅ OK", GREEN), NEAR + FIRST: ("⚠️ NEAR LIMIT", YELLOW), NOBODY_KNOWS: ("—", GREY),
            })]),
            time_column("Blocked until", 120),
        ],
        sort=[("State", True), ("Used", True)],
    )  # fmt: skip


SECTION = Section(
    300,
    f"🌐 API Rate Limiting & Traffic{reasons.of('traffic')}",
    [
        [Column(15, [(9, _requests())]), Column(9, [(7, _top()), (2, _limited())])],
        line(10, (24, _status())),
    ],
    main=304,
)
