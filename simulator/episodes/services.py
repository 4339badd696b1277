"""Episodes that change how the services answer."""

import numpy as np

from simulator.conditions import NORMAL_P95_MS, Conditions, Latencies
from simulator.episodes.kind import Episode, Kind


def _slow_api_latencies(samples: Latencies, episode: Episode) -> Latencies:
    factor = episode.number("p95_ms") / NORMAL_P95_MS["prediction"]
    changed = samples.copy()
    changed["ms"] *= np.where(episode.covers(samples["at"]), factor, 1.0)
    return changed


def _slow_api(conditions: Conditions, episode: Episode) -> None:
    conditions.p95_ms["prediction"] = episode.number("p95_ms")


def _slow_rpc(conditions: Conditions, episode: Episode) -> None:
    conditions.p95_ms["rpc"] = NORMAL_P95_MS["rpc"] * episode.number("factor")


def _service_down(conditions: Conditions, episode: Episode) -> None:
    service = episode.text("service")
    if service not in NORMAL_P95_MS:
        raise ValueError(f"no service {service}; there are {', '.join(NORMAL_P95_MS)}")
    conditions.down.add(service)


SLOW_API = Kind(
    "The prediction API is slow: p95 above 100 ms; the backend's health check is not",
    minutes=20,
    parameters={"p95_ms": 160.0},
    latencies=_slow_api_latencies,
    conditions=_slow_api,
)
SLOW_RPC = Kind(
    "The smart-contract RPC provider is slow: 850 ms instead of 200 ms",
    minutes=20,
    parameters={"factor": 850 / 200},
    conditions=_slow_rpc,
)
SERVICE_DOWN = Kind(
    "One service (backend, ml, rpc, siem) answers 503",
    minutes=10,
    parameters={"service": "ml"},
    conditions=_service_down,
)
