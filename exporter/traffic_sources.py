"""Where traffic comes from, by the configuration: the contract's keys, a view, or what a rate limiter keeps."""

from __future__ import annotations

from typing import Literal

from common.yaml_files import ConfigError, Strict
from contract.definition import BLOCKED_CLIENTS, BLOCKS_VIEW, LIMITS_VIEW, RATE_LIMITS, REQUESTS_VIEW
from exporter.absence import CLIENTS, REQUESTS, Absence

REDIS, VIEW, RATE_LIMITER = "redis", "view", "rate-limiter"
SLIDING_WINDOW, NO_LIMITS, CONTRACT = "sliding-window", "none", "contract"
"""Adapters of rate limits of which more than their class has to know."""


class Traffic(Strict, frozen=True, kw_only=True):
    """Where each figure comes from; by default the contract's Redis keys.

    Attributes:
        requests: requests of the last whole minute; `view` reads `monitoring.requests`.
        clients: busiest clients of the last five whole minutes. `rate-limiter` reads those of the last 60 seconds; it
            needs the adapter `sliding-window`.
    """

    requests: Literal["redis", "view"] = "redis"
    clients: Literal["redis", "view", "rate-limiter"] = "redis"


def keys_elsewhere(traffic: Traffic, adapter: str) -> set[str]:
    """Keys of the contract, families of keys without the minute, that are not needed for what they would tell."""
    keys = {REQUESTS} if traffic.requests != REDIS else set()
    keys |= {CLIENTS} if traffic.clients != REDIS else set()
    return keys if adapter in (CONTRACT, NO_LIMITS) else keys | {RATE_LIMITS, BLOCKED_CLIENTS}


def views_read(traffic: Traffic, adapter: str, absence: Absence, *, limits_told: bool) -> list[str]:
    """Views of the contract's that are read for it.

    Args:
        traffic: as configured.
        adapter: of rate limits.
        absence: what the platform does not have.
        limits_told: the configuration has the limits.
    """
    views = [REQUESTS_VIEW] if VIEW in (traffic.requests, traffic.clients) else []
    if adapter == VIEW and not absence.feature("rate_limits"):
        views += [] if limits_told else [LIMITS_VIEW]
        views += [] if absence.feature("blocked_clients") else [BLOCKS_VIEW]
    return views if not absence.section("traffic") else []


def check_traffic(traffic: Traffic, adapter: str, absence: Absence, place: str) -> None:
    """Whether the configuration makes sense together with what is absent.

    Raises:
        ConfigError: it does not.
    """
    if traffic.clients == RATE_LIMITER and adapter != SLIDING_WINDOW:
        raise ConfigError(f"{place}.clients: rate-limiter needs rate_limits.adapter {SLIDING_WINDOW}, not {adapter}")
    gone = {"requests": absence.section("traffic"), "clients": absence.feature("clients")}
    for field, none in gone.items():
        if getattr(traffic, field) != REDIS and none:
            raise ConfigError(f"{place}.{field}: platform.absent declares that there is none; remove one of the two")
