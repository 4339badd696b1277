"""Section traffic: requests, who makes them, and how near everybody is to the limits."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, link, thresholds
from grafana.dashboards.layout import Column, Section, line
from grafana.dashboards.links import investigate, runbook
from grafana.dashboards.looks import (
    BAD,
    BAR_CELL,
    BLUE,
    BY_VERDICT,
    COLOUR_TEXT,
    FROM_GREEN_TO_RED,
    GREEN,
    GREY,
    LIMIT_LINE,
    NAME_AND_VERDICT,
    NOBODY_KNOWS,
    RED,
    UNKNOWN_IN_ROW,
    WATCH,
    YELLOW,
    column,
    fixed,
    time_column,
    words,
)
from grafana.dashboards.panels import bars, stat, table, time_series
from grafana.dashboards.promql import as_label, in_rows, limit, named, or_unknown, series
from grafana.dashboards.queries import Promql
from grafana.dashboards.transformations import columns

OK, NEAR, BLOCKED = 0, 1, 2
NOT_BLOCKED = -1  # in place of the end of a block
FIRST = 3  # added to the state of all clients together, so that sorting by state puts it first

REQUESTS = f"max({series('ticketing:api_requests_per_minute:max')})"
USED = f"max({series('ticketing:api_requests_per_minute:limit_ratio')})"
OF_CLIENTS = f"max by (client) ({series('ticketing:client_requests_per_minute:max')})"
USED_BY_CLIENTS = f"max by (client) ({series('ticketing:client_requests_per_minute:limit_ratio')})"
BLOCKS = f"max by (client) ({series('ticketing_rate_limit_blocked_until_timestamp_seconds')})"
LIMITED = f"max({series('ticketing_rate_limited_clients')})"
# The five busiest, and all that are blocked, busy or not.
SHOWN = f"(topk(5, {USED_BY_CLIENTS}) or {BLOCKS})"


def _requests() -> Panel:
    return time_series(
        301,
        f"API requests per minute{reasons.of('requests')}",
        "Requests of all clients in the last whole minute, and the limit that the platform has set for them.",
        [
            Promql(f"max({series('ticketing_api_requests_per_minute')})", "requests", over_time=True),
            Promql(_allowed("global"), "limit", over_time=True),
        ],
        unit="locale",
        decimals=0,
        colour=fixed(BLUE),
        custom={"fillOpacity": 25, "lineInterpolation": "smooth"},
        overrides=[LIMIT_LINE],
        links=[runbook("RateLimitNearGlobal")],
        legend=False,
        interval="15s",
    )


def _top() -> Panel:
    client = "${__field.labels.client}"
    requests = f"topk(5, max by (client, window) ({series('ticketing_client_requests')}))"
    since = f'label_replace({requests}, "since", " in 1 min", "window", "1m")'
    with_name = f'label_join({since}, "name", "", "client", "since")'
    near, full = f"< bool on () group_left () {limit('rate_limit_near_ratio')}", ">= bool 1"
    verdict = (
        f"clamp_min({WATCH} + ({USED_BY_CLIENTS} {near}) - 2 * ({USED_BY_CLIENTS} {full}), {BAD})"
        f" or on (client) 0 * {requests} + {NOBODY_KNOWS}"
    )
    judged = as_label(verdict, "verdict", by="client")
    return bars(
        302,
        f"Top 5 IPs (last 5 min){reasons.of('clients')}",
        "The clients with the most requests in the last five whole minutes. Where only a rate limiter tells them, it"
        " is the last minute, and says so. Yellow is near the client's limit in the last minute, red at it.",
        [Promql(f"{with_name} * on (client) group_left (verdict) {judged}", NAME_AND_VERDICT)],
        unit="locale",
        decimals=0,
        overrides=BY_VERDICT,
        links=[link(f"Investigate {client}", investigate("client", client))],
    )


def _limited() -> Panel:
    return stat(
        303,
        "Blocked now",
        "Clients that are blocked now because they exceeded their limit.",
        reasons.instead(
            ["ratelimit:blocked"],
            [Promql(or_unknown(LIMITED), "Rate limited IPs")],
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
    rows = " or ".join((_with_all(REQUESTS, OF_CLIENTS), _with_all(USED, USED_BY_CLIENTS), BLOCKS))
    near = f">= bool on () group_left () {limit('rate_limit_near_ratio')}"
    known = _with_all(f"({USED} {near}) + {FIRST}", f"({USED_BY_CLIENTS} {near})")
    unknown = _with_all(f"0 * {USED} + {NOBODY_KNOWS}", f"0 * {USED_BY_CLIENTS} + {NOBODY_KNOWS}")
    queries = (
        _with_all(REQUESTS, OF_CLIENTS),
        _with_all(_allowed("global"), f"0 * {SHOWN} + on () group_left () {_allowed('client')}"),
        _with_all(USED, USED_BY_CLIENTS),
        f"0 * {BLOCKS} + {BLOCKED} or {known} or {unknown}",
        f"1000 * {BLOCKS} or on (client) 0 * ({rows}) + {NOT_BLOCKED} and on () {LIMITED}",
    )
    return table(
        304,
 f"Rate limit status{reasons.of('rate_limits')}",
        "Requests of the last whole minute against the limit: of all clients together, of the five busiest, and of"
        " those that are blocked (at most ten). Near is where the alerts begin.",
        [Promql(expr, shape="table") for expr in in_rows(rows, "client", *queries)],
        transformations=columns(
            {
                "client": "Client", "Value #A": "Requests / min", "Value #B": "Limit",
                "Value #C": "Used", "Value #D": "State", "Value #E": "Blocked until",
            },
            join_on="client",
        ),
        overrides=[
            column("Client", links=[link("Investigate the client", investigate("client", "${__value.raw}"))]),
            column("Requests / min", unit="locale", custom__width=140, mappings=[UNKNOWN_IN_ROW]),
            column("Limit", unit="locale", custom__width=110, mappings=[UNKNOWN_IN_ROW]),
            column("Used", unit="percentunit", decimals=0, min=0, max=1, color=FROM_GREEN_TO_RED,
                   custom__cellOptions=BAR_CELL, mappings=[UNKNOWN_IN_ROW]),
            column("State", custom__width=150, custom__cellOptions=COLOUR_TEXT, mappings=[words({
                OK: ("✅ OK", GREEN), NEAR: ("⚠️ NEAR LIMIT", YELLOW), BLOCKED: ("🔴 BLOCKED", RED),
                OK + FIRST: ("✅ OK", GREEN), NEAR + FIRST: ("⚠️ NEAR LIMIT", YELLOW), NOBODY_KNOWS: ("—", GREY),
            }), UNKNOWN_IN_ROW]),
            time_column("Blocked until", 120, mappings=[words({NOT_BLOCKED: ("no", GREY)}), UNKNOWN_IN_ROW]),
        ],
        sort=[("State", True), ("Used", True)],
    )  # fmt: skip


SECTION = Section(
    300,
    f"🌐 API Rate Limiting & Traffic{reasons.of('traffic')}",
    [
        [Column(15, [(9, _requests())]), Column(9, [(6, _top()), (3, _limited())])],
        line(10, (24, _status())),
    ],
    main=304,
)
