"""The metrics of section traffic, wherever their values are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.absence import Absence
from exporter.exposition import Family, Metric
from exporter.sources.byte_text import shown

REQUESTS = Metric("ticketing_api_requests_per_minute", "gauge", "API requests in the last whole minute.")
LIMIT = Metric(
    "ticketing_rate_limit_requests_per_minute",
    "gauge",
    "Requests per minute that are allowed, for all clients together and for one.",
    ("scope",),
)
CLIENT_REQUESTS = Metric(
    "ticketing_client_requests",
    "gauge",
    "Requests in the last five whole minutes, or (1m) in the last 60 seconds, of the 10 busiest clients.",
    ("client", "window"),
)
CLIENT_PER_MINUTE = Metric(
    "ticketing_client_requests_per_minute",
    "gauge",
    "Requests in the last whole minute, or in the last 60 seconds, of the clients of ticketing_client_requests.",
    ("client",),
)
LIMITED = Metric("ticketing_rate_limited_clients", "gauge", "Clients that are blocked now.")
BLOCKED_UNTIL = Metric(
    "ticketing_rate_limit_blocked_until_timestamp_seconds",
    "gauge",
    "Unix time at which the block of a client ends, for the 10 that end last.",
    ("client",),
)

METRICS = (REQUESTS, LIMIT, CLIENT_REQUESTS, CLIENT_PER_MINUTE, LIMITED, BLOCKED_UNTIL)

MINUTES = 5
MOST_CLIENTS = 10


def client_families(
    busiest: Sequence[tuple[str, Sequence[float]]], window: str, *, last_known: bool = True
) -> list[Family]:
    """What the busiest clients asked for.

    Args:
        busiest: each client with its requests in each minute of the window, the last minute first.
        window: its label.
        last_known: the last minute is known of all of them.
    """
    total, last_minute = Family(CLIENT_REQUESTS), Family(CLIENT_PER_MINUTE)
    for client, counts in busiest:
        total.add(sum(counts), shown(client), window)
        if last_known:
            last_minute.add(counts[0], shown(client))
    return [total, last_minute]


def limit_families(
    limits: Mapping[str, float], blocked: int | None, until: Sequence[tuple[str, float]], absence: Absence
) -> list[Family]:
    """What is allowed, and who is blocked; see `rate_limits.State`."""
    limit, blocked_until = Family(LIMIT), Family(BLOCKED_UNTIL)
    for scope, value in limits.items():
        if not absence.feature(f"{scope}_limit"):
            limit.add(value, scope)
    if absence.feature("blocked_clients"):
        return [limit]
    for client, end in until:
        blocked_until.add(end, shown(client))
    return [limit, *([] if blocked is None else [Family(LIMITED).add(blocked)]), blocked_until]
