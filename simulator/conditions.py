"""How the platform's services answer at an instant: how slowly, and whether at all."""

from dataclasses import dataclass, field
from math import exp, log

import numpy as np
from numpy.typing import NDArray

# 95th percentiles, in milliseconds. The RPC's is the one of a usual answer (median) of 200 ms.
NORMAL_P95_MS = {"backend": 45.0, "prediction": 45.0, "ml": 30.0, "rpc": 243.6, "siem": 15.0}
# Standard deviations of the logarithm: the distance to a third-party RPC costs more than its load.
NORMAL_SPREAD = {"backend": 0.35, "prediction": 0.35, "ml": 0.35, "rpc": 0.12, "siem": 0.35}
_Z95 = 1.6448536269514722
API_SAMPLES_PER_MINUTE = 600
# What fails with another service.
_PART_OF = {"prediction": "backend"}

# at: microseconds since the epoch; ms: milliseconds.
LATENCY_DTYPE = np.dtype([("at", "i8"), ("ms", "f8")])
Latencies = NDArray[np.void]


@dataclass
class Conditions:
    """What episodes change about the services.

    Attributes:
        p95_ms: 95th percentile of each service's latency, milliseconds.
        spread: standard deviation of the logarithm of each service's latency.
        down: services that answer 503.
    """

    p95_ms: dict[str, float] = field(default_factory=lambda: dict(NORMAL_P95_MS))
    spread: dict[str, float] = field(default_factory=lambda: dict(NORMAL_SPREAD))
    down: set[str] = field(default_factory=set)

    def is_down(self, service: str) -> bool:
        """Tell whether a service answers 503."""
        return service in self.down or _PART_OF.get(service) in self.down

    def latency_seconds(self, service: str, rng: np.random.Generator) -> float:
        """Draw the latency of one answer of a service, in seconds."""
        sigma = self.spread[service]
        median_ms = self.p95_ms[service] / exp(_Z95 * sigma)
        return float(rng.lognormal(log(median_ms), sigma)) / 1000


def api_latencies(rng: np.random.Generator, start: int, length: int) -> Latencies:
    """Draw latencies of ``POST /api/v1/ml/predict/fraud`` in [start, start + length), sorted by time."""
    samples = np.zeros(API_SAMPLES_PER_MINUTE, LATENCY_DTYPE)
    samples["at"] = start + np.sort(rng.integers(0, length, len(samples)))
    sigma = NORMAL_SPREAD["prediction"]
    samples["ms"] = rng.lognormal(log(NORMAL_P95_MS["prediction"]) - _Z95 * sigma, sigma, len(samples))
    return samples
