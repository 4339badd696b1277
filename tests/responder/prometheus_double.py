"""Prometheus as far as the responder asks it: what it says is set by the test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from testbed.counterparts.server import Reply, Request


@dataclass
class PrometheusDouble:
    """Answers instant queries.

    Attributes:
        firing: label sets of the alerts that are firing.
        sources_up: whether `up` and all other conditions hold.
        values: by expression; others have one series when the sources are up.
        series: answers to whatever has a metric in it.
        queries: all that were asked.
    """

    firing: list[dict[str, str]] = field(default_factory=list)
    sources_up: bool = True
    values: dict[str, float | None] = field(default_factory=dict)
    series: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)

    def __call__(self, query: str) -> list[dict[str, object]]:
        self.queries.append(query)
        if query.startswith("ALERTS{"):
            return [
                {"metric": {"__name__": "ALERTS", "alertstate": "firing", **labels}, "value": [0, "1"]}
                for labels in self.firing
                if f'alertname="{labels["alertname"]}"' in query
            ]
        for metric, series in self.series.items():
            if metric in query:
                return series
        value = self.values.get(query, 1.0 if self.sources_up else None)
        return [] if value is None else [{"metric": {}, "value": [0, str(value)]}]

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/api/v1/query":
            return None
        (query,) = parse_qs(request.query)["query"]
        return Reply(200, json.dumps({"status": "success", "data": {"result": self(query)}}).encode())
