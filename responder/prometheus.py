"""Prometheus, asked whether something is so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from responder.config import Endpoint
from responder.endpoints import EndpointClient, EndpointError

SECONDS = 4.0


class PrometheusError(Exception):
    """Prometheus does not say; one line.

    Attributes:
        answered: whether it said anything at all.
    """

    def __init__(self, message: str, *, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True)
class Sample:
    """One series of an answer."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """Queries.

    Args:
        http: the client.
        endpoint: of Prometheus, or of what answers in its place (Thanos, Mimir).
    """

    def __init__(self, http: EndpointClient, endpoint: Endpoint) -> None:
        self._http = http
        self._endpoint = endpoint

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """The vector that an expression gives.

        Args:
            expression: PromQL.
            at: seconds since the epoch; now without it.

        Raises:
            PrometheusError: it is not reached in time, refuses the expression, or answers with something else.
        """
        when = {} if at is None else {"time": f"{at:.3f}"}
        try:
            return [
                Sample(dict(series["metric"]), float(series["value"][1]))
                for series in self._result("/api/v1/query", {"query": expression, **when})
            ]
        except (KeyError, TypeError, IndexError, ValueError):
            raise PrometheusError("Prometheus: the answer is not a vector") from None

    def number(self, expression: str, at: float | None = None) -> float | None:
        """The one value of an expression; None when it has none, several, or NaN.

        Raises:
            PrometheusError: see `query`.
        """
        samples = self.query(expression, at)
        if len(samples) != 1 or math.isnan(samples[0].value):
            return None
        return samples[0].value

    def curve(self, expression: str, first: float, last: float, step: float) -> list[tuple[float, float]]:
        """The one series of an expression over a time: instants and values; empty when it has none, or several.

        Args:
            expression: PromQL.
            first: seconds since the epoch.
            last: likewise.
            step: seconds between two points.

        Raises:
            PrometheusError: see `query`.
        """
        params = {"query": expression, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": f"{step:.3f}"}
        try:
            found = [
                [(float(at), float(value)) for at, value in series["values"]]
                for series in self._result("/api/v1/query_range", params)
            ]
        except (KeyError, TypeError, ValueError):
            raise PrometheusError("Prometheus: the answer is not a matrix") from None
        return [point for point in found[0] if math.isfinite(point[1])] if len(found) == 1 else []

    def _result(self, path: str, params: dict[str, str]) -> list[Any]:
        try:
            reply = self._http.request("GET", self._endpoint, path, params=params, seconds=SECONDS, attempts=2)
            result: list[Any] = reply.json()["data"]["result"]
        except EndpointError as error:
            raise PrometheusError(f"Prometheus: {error}", answered=error.answered) from None
        return result
