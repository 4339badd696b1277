"""Rate limits as different platforms keep them in Redis: one adapter each, chosen in the configuration.

To add an adapter: a file here, and a line in `ADAPTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exporter.collectors.rate_limits.adapter import Adapter, State
from exporter.collectors.rate_limits.contract_keys import ContractKeys
from exporter.collectors.rate_limits.flask_limiter import FlaskLimiter
from exporter.collectors.rate_limits.no_limits import NoLimits
from exporter.collectors.rate_limits.sliding_window import SlidingWindow
from exporter.config import RateLimits

__all__ = ["ADAPTERS", "Adapter", "ContractKeys", "State"]

ADAPTERS: Mapping[str, Callable[[RateLimits], Adapter]] = {
    "contract": ContractKeys,
    "flask-limiter": FlaskLimiter,
    "sliding-window": SlidingWindow,
    "view": NoLimits,  # of which Redis knows: see `collectors.traffic_views`
    "none": NoLimits,
}
