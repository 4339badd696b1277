"""Section traffic: requests per minute, the busiest clients, and who is rate limited.

    ticketing_api_requests_per_minute 4523
    ticketing_rate_limit_requests_per_minute{scope="global"} 10000
    ticketing_client_requests{client="203.0.113.42",window="5m"} 487
    ticketing_client_requests_per_minute{client="203.0.113.42"} 98
    ticketing_rate_limited_clients 3
    ticketing_rate_limit_blocked_until_timestamp_seconds{client="198.51.100.7"} 1764357753

Minutes are whole minutes of Redis's clock: the last one that has ended, and the last five.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from contract.definition import BLOCKED_CLIENTS, RATE_LIMITS, REQUESTS_BY_CLIENT
from contract.definition import REQUESTS as REQUESTS_KEY
from exporter.absence import NOTHING, Absence
from exporter.collectors import clients, rate_limits
from exporter.collectors.base import Collector, Moment, Part
from exporter.collectors.values import number
from exporter.exposition import Family, Metric
from exporter.sources.byte_text import shown
from exporter.sources.redis import RedisSource

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
    "Requests in the last five whole minutes, of the 10 busiest clients.",
    ("client", "window"),
)
CLIENT_PER_MINUTE = Metric(
    "ticketing_client_requests_per_minute",
    "gauge",
    "Requests in the last whole minute, of the 10 clients busiest in the last five.",
    ("client",),
)
LIMITED = Metric("ticketing_rate_limited_clients", "gauge", "Clients that are blocked now.")
BLOCKED_UNTIL = Metric(
    "ticketing_rate_limit_blocked_until_timestamp_seconds",
    "gauge",
    "Unix time at which the block of a client ends, of the 10 that end last.",
    ("client",),
)

METRICS = (REQUESTS, LIMIT, CLIENT_REQUESTS, CLIENT_PER_MINUTE, LIMITED, BLOCKED_UNTIL)

MINUTES = 5
MOST_CLIENTS = 10


def collector(
    redis: RedisSource,
    limits: RedisSource,
    adapter: Callable[[], rate_limits.Adapter],
    absence: Absence = NOTHING,
) -> Collector:
    """The section, reading traffic and limits from Redis on a connection each; a reload changes the adapter."""
    parts: list[Part] = []
    if not (absence.key(REQUESTS_KEY) and absence.key(REQUESTS_BY_CLIENT)):
        parts.append(_Traffic(redis, absence))
    if not absence.feature("rate_limits"):
        parts.append(_Limits(limits, adapter, absence))
    return Collector("traffic", parts)


class _Traffic:
    def __init__(self, redis: RedisSource, absence: Absence) -> None:
        self._redis = redis
        self._requests = not absence.key(REQUESTS_KEY)
        self._clients = not absence.key(REQUESTS_BY_CLIENT)

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
        total, last_minute = Family(CLIENT_REQUESTS), Family(CLIENT_PER_MINUTE)
        for client, counts in busiest:
            total.add(sum(counts), shown(client), "5m")
        # Redis has no empty sets: that nobody called in the last minute is known only from its requests.
        if requests == 0 or clients.last_minute_is_known(tops):
            for client, counts in busiest:
                last_minute.add(counts[0], shown(client))
        return [*families, total, last_minute]


class _Limits:
    def __init__(self, redis: RedisSource, adapter: Callable[[], rate_limits.Adapter], absence: Absence) -> None:
        self._redis = redis
        self._adapter = adapter
        self._absence = absence

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        moment.follow(await self._redis.now(moment.deadline))
        adapter = self._adapter()
        state = await adapter.read(moment, self._redis)
        # The contract's two keys are read together; another limiter has keys of its own.
        of_the_contract = isinstance(adapter, rate_limits.ContractKeys)
        limit = Family(LIMIT)
        for scope, value in state.limits.items():
            absent = self._absence.feature(f"{scope}_limit") or (of_the_contract and self._absence.key(RATE_LIMITS))
            if not absent:
                limit.add(value, scope)
        families = [limit]
        if of_the_contract and self._absence.key(BLOCKED_CLIENTS):
            return families
        if state.blocked is not None:
            families.append(Family(LIMITED).add(state.blocked))
        blocked_until = Family(BLOCKED_UNTIL)
        for client, until in state.blocked_until:
            blocked_until.add(until, shown(client))
        return [*families, blocked_until]
