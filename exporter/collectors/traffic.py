"""Section traffic: requests per minute, the busiest clients, and who is rate limited.

    ticketing_api_requests_per_minute 4523
    ticketing_rate_limit_requests_per_minute{scope="global"} 10000
    ticketing_client_requests{client="203.0.113.42",window="5m"} 487
    ticketing_client_requests_per_minute{client="203.0.113.42"} 98
    ticketing_rate_limited_clients 3
    ticketing_rate_limit_blocked_until_timestamp_seconds{client="198.51.100.7"} 1764357753

Minutes are whole minutes of the clock of whoever is asked: the last one that has ended, and the last five. Where only a
rate limiter tells who called, they are the last 60 seconds, and the window is `1m`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from contract.definition import RATE_LIMITS, REQUESTS_BY_CLIENT
from contract.definition import REQUESTS as REQUESTS_KEY
from exporter.absence import Absence
from exporter.collectors import clients, rate_limits
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.traffic_metrics import (
    METRICS,
    MINUTES,
    MOST_CLIENTS,
    REQUESTS,
    client_families,
    limit_families,
)
from exporter.collectors.traffic_views import LimitsViews, RequestsView
from exporter.collectors.values import number
from exporter.config import Config
from exporter.exposition import Family
from exporter.sources.postgres import PostgresSource
from exporter.sources.redis import RedisSource
from exporter.traffic_sources import RATE_LIMITER, REDIS, VIEW

__all__ = ["METRICS", "Views", "collector"]


@dataclass(frozen=True)
class Views:
    """Connections for what is read in views.

    Attributes:
        requests: for monitoring.requests.
        limits: for monitoring.rate_limits and monitoring.blocked_clients.
    """

    requests: PostgresSource
    limits: PostgresSource


def collector(
    redis: RedisSource,
    limits: RedisSource,
    views: Views,
    adapter: Callable[[], rate_limits.Adapter],
    config: Config,
) -> Collector:
    """The section, reading traffic and limits on a connection each.

    Args:
        redis: for traffic.
        limits: for limits.
        views: for both, where the configuration says so.
        adapter: of the limits in Redis; a reload changes it.
        config: says where each is, and what is absent.
    """
    absence, traffic = config.absence, config.traffic
    parts: list[Part] = []
    requests, of_clients = (not absence.key(key) for key in (REQUESTS_KEY, REQUESTS_BY_CLIENT))
    in_redis = (requests and traffic.requests == REDIS, of_clients and traffic.clients == REDIS)
    in_view = (requests and traffic.requests == VIEW, of_clients and traffic.clients == VIEW)
    if any(in_redis):
        parts.append(_Traffic(redis, requests=in_redis[0], of_clients=in_redis[1]))
    if any(in_view):
        settle = float(config.settle)
        parts.append(RequestsView(views.requests, settle, requests=in_view[0], of_clients=in_view[1]))
    if not absence.feature("rate_limits"):
        if config.rate_limits.adapter == VIEW:
            parts.append(LimitsViews(views.limits, config.rate_limits.told, absence))
        else:
            parts.append(_Limits(limits, adapter, absence, of_clients=traffic.clients == RATE_LIMITER))
    return Collector("traffic", parts)


class _Traffic:
    def __init__(self, redis: RedisSource, *, requests: bool, of_clients: bool) -> None:
        self._redis = redis
        self._requests = requests
        self._clients = of_clients

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        moment.follow(await self._redis.now(moment.deadline))
        last = moment.now // 60_000_000 - 1
        minutes = [last - back for back in range(MINUTES)]
        requests_key = REQUESTS_KEY.format(minute=last)
        first = [("GET", requests_key)] if self._requests else []
        then = clients.commands(minutes) if self._clients else []
        answers = await self._redis.read([*first, *then], moment.deadline)
        families = []
        requests = number(moment, requests_key, answers[0]) if self._requests else None
        if requests is not None:
            families.append(Family(REQUESTS).add(requests))
        if not self._clients:
            return families
        tops = answers[len(first) :]
        busiest = await clients.busiest(moment, self._redis, minutes, tops, MOST_CLIENTS) or []
        # Redis has no empty sets: that nobody called in the last minute is known only from its requests.
        known = requests == 0 or clients.last_minute_is_known(tops)
        return [*families, *client_families(busiest, "5m", last_known=known)]


class _Limits:
    def __init__(
        self, redis: RedisSource, adapter: Callable[[], rate_limits.Adapter], absence: Absence, *, of_clients: bool
    ) -> None:
        self._redis = redis
        self._adapter = adapter
        self._absence = absence
        self._clients = of_clients

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        moment.follow(await self._redis.now(moment.deadline))
        adapter = self._adapter()
        state = await adapter.read(moment, self._redis)
        # The contract's limits are in a key; those of another limiter are told.
        of_the_contract = isinstance(adapter, rate_limits.ContractKeys)
        limits = {} if of_the_contract and self._absence.key(RATE_LIMITS) else state.limits
        families = limit_families(limits, state.blocked, state.blocked_until, self._absence)
        if self._clients and state.busiest is not None:
            families += client_families([(client, [count]) for client, count in state.busiest], "1m")
        return families
