"""Everything the platform keeps in Redis, written as it was at any instant."""

from datetime import datetime

import numpy as np
from redis import Redis

from contract import definition
from simulator import clients
from simulator.instants import MINUTE, SECOND, micros
from simulator.transactions import REVIEW_THRESHOLD
from simulator.world import World

KPI_TTL_SECONDS = 300
TRAFFIC_TTL_SECONDS = 900
_KEPT_MINUTES = TRAFFIC_TTL_SECONDS // 60


def write_redis_at(client: Redis, instant: datetime, world: World) -> None:
    """Write the state at an instant, now or past: KPIs, traffic, limits, blocks, settings.

    Minutes of traffic that Redis has complete are not sent again, so a call in sequence is quick. Settings
    that are there are left alone: the responder may have changed them.

    Args:
        client: with ``decode_responses=True`` and timeouts.
        instant: aware.
        world: the platform.

    Raises:
        redis.RedisError: the state may be half written; call again.
    """
    write_state(client, micros(instant), world)


def write_state(client: Redis, instant: int, world: World) -> None:
    """Do the same for an instant in microseconds since the epoch."""
    current = instant // MINUTE
    minutes = range(current - _KEPT_MINUTES + 1, current + 1)
    present = client.mget([definition.REQUESTS.format(minute=minute) for minute in minutes])
    pipeline = client.pipeline(transaction=True)
    for minute, count in zip(minutes, present, strict=True):
        requests = world.requests(minute, instant)
        total = int(requests.sum())
        if count is None or int(count) != total or minute > current - world.unsettled_minutes:
            pipeline.set(definition.REQUESTS.format(minute=minute), total, ex=TRAFFIC_TTL_SECONDS)
            callers = np.flatnonzero(requests)
            # Anew: an incident that was stopped leaves clients that do not call without it.
            pipeline.unlink(definition.REQUESTS_BY_CLIENT.format(minute=minute))
            if len(callers):
                scores = dict(zip(clients.CLIENTS[callers].tolist(), requests[callers].tolist(), strict=True))
                pipeline.zadd(definition.REQUESTS_BY_CLIENT.format(minute=minute), scores)
                pipeline.expire(definition.REQUESTS_BY_CLIENT.format(minute=minute), TRAFFIC_TTL_SECONDS)
    # A replay is faster than the TTL.
    for minute in range(current - _KEPT_MINUTES - 4, current - _KEPT_MINUTES + 1):
        pipeline.unlink(definition.REQUESTS.format(minute=minute), definition.REQUESTS_BY_CLIENT.format(minute=minute))
    _kpis(pipeline, instant, world)
    pipeline.hset(
        definition.RATE_LIMITS,
        mapping={
            definition.RATE_LIMIT_FIELDS["global"]: str(clients.GLOBAL_LIMIT),
            definition.RATE_LIMIT_FIELDS["client"]: str(clients.CLIENT_LIMIT),
        },
    )
    pipeline.delete(definition.BLOCKED_CLIENTS)
    blocked = {client: until // SECOND for client, until in world.blocked(instant).items()}
    if blocked:
        pipeline.zadd(definition.BLOCKED_CLIENTS, blocked)
    pipeline.set(definition.FRAUD_THRESHOLD, f"{REVIEW_THRESHOLD:.2f}", nx=True)
    pipeline.set(definition.FRAUD_MODEL, "xgboost", nx=True)
    pipeline.execute()


def _kpis(pipeline: Redis, instant: int, world: World) -> None:
    kpis = world.kpis(instant)
    values = {
        definition.KPI_TRANSACTIONS_PER_HOUR: str(kpis.txn_per_hour),
        definition.KPI_FRAUD_RATE: None if kpis.fraud_rate is None else f"{kpis.fraud_rate:.2f}",
        definition.KPI_LATENCY_P95: None if kpis.latency_p95 is None else f"{kpis.latency_p95:.1f}",
        definition.KPI_REVENUE_PER_HOUR: f"{kpis.revenue_per_hour:.2f}",
        definition.KPI_UPDATED_AT: f"{instant / SECOND:.3f}",
    }
    for key, value in values.items():
        if value is None:
            pipeline.delete(key)
        else:
            pipeline.set(key, value, ex=KPI_TTL_SECONDS)


def review_threshold(client: Redis) -> float | None:
    """Return the review threshold in force, None when unknown or not a number from 0 to 1."""
    try:
        threshold = float(client.get(definition.FRAUD_THRESHOLD) or "nan")
    except ValueError:
        return None
    return threshold if 0.0 <= threshold <= 1.0 else None
