"""Prometheus, asked whether something is so."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    """Instant queries.

    Args:
        http: the client.
        endpoint: of Prometheus, or of what answers in its place (Thanos, Mimir).
    """

    def __init__(self, http: EndpointClient, endpoint: Endpoint) -> None:
        self._http = http
        self._endpoint = endpoint

    def query(self, expression: str) -> list[Sample]:
        """The vector that an expression gives now.

        Raises:
            PrometheusError: it is not reached in time, refuses the expression, or answers with something else.
        """
        try:
            reply = self._http.request(
                "GET", self._endpoint, "/api/v1/query", params={"query": expression}, seconds=SECONDS, attempts=2
            )
            content = reply.json()
            samples = [
                Sample(dict(series["metric"]), float(series["value"][1])) for series in content["data"]["result"]
            ]
        except EndpointError as error:
            raise PrometheusError(f"Prometheus: {error}", answered=error.answered) from None
        except (KeyError, TypeError, IndexError, ValueError):
            raise PrometheusError("Prometheus: the answer is no vector") from None
        return samples

    def number(self, expression: str) -> float | None:
        """The one value of an expression; None when it has none, several, or NaN.

        Raises:
            PrometheusError: see `query`.
        """
        samples = self.query(expression)
        if len(samples) != 1 or math.isnan(samples[0].value):
            return None
        return samples[0].value
