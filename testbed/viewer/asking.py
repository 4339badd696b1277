"""A query of a dashboard, put to a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests

from testbed.servers.prometheus import query
from testbed.viewer.board import Asked
from testbed.viewer.macros import Chosen, filled, time_range


def answer(
    url: str, asked: Asked, chosen: Chosen | None = None, now: datetime | None = None
) -> list[tuple[dict[str, str], float]]:
    """Labels and last value of each series, from whatever has Prometheus's API at the address.

    Raises:
        requests.HTTPError: it refuses the query.
    """
    now = now or datetime.now(UTC)
    expr = filled(asked, now, chosen)
    if not asked.over_time:
        return query(url, expr, now.timestamp())
    start, end = time_range(asked, now)
    step = max((end - start).total_seconds() / 1000, 5)
    parameters: dict[str, Any] = {"query": expr, "start": start.timestamp(), "end": end.timestamp(), "step": step}
    reply = requests.get(f"{url}/api/v1/query_range", params=parameters, timeout=10)
    reply.raise_for_status()
    return [(each["metric"], float(each["values"][-1][1])) for each in reply.json()["data"]["result"]]
