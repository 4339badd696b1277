"""What section traffic costs as more clients call, at the exporter and in Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.exporter.client import Job, scrape
from benchmarks.exporter.contender import Sources
from benchmarks.exporter.costs import Meter
from benchmarks.exporter.measure import Latency, summary
from benchmarks.exporter.ours import Ours, path_of
from testbed.servers.redis import Redis

SCRAPES = 100
PACE = 0.1
#: Minutes that are kept: as many as the contract's expiry of 15 minutes leaves.
MINUTES = 15
BATCH = 50_000


@dataclass(frozen=True)
class Clients:
    """Section traffic with so many clients in every minute.

    Attributes:
        clients: members of each minute's sorted set.
        latency: of a scrape of the section.
        cpu_ms: of the exporter, a scrape.
        redis_ms: of Redis, a scrape.
        redis_mb: memory that all the minutes' sets take, in 10⁶ bytes.
    """

    clients: int
    latency: Latency
    cpu_ms: float
    redis_ms: float
    redis_mb: float


def measure(counts: Sequence[int]) -> Iterator[Clients]:
    """Measure with each of these numbers of clients."""
    for count in counts:
        with Redis() as redis, redis.client() as client:
            empty = client.info("memory")["used_memory"]
            _write(client, count)
            redis_mb = (client.info("memory")["used_memory"] - empty) / 1e6
            with Ours(Sources(lambda _: "host=127.0.0.1 port=1", redis.url())) as exporter:
                job = Job(exporter.port, path_of(["traffic"]), SCRAPES, every=PACE)
                scrape(job)
                meter = Meter(exporter.pid, None, lambda *_: [])
                before, redis_before = meter.read(), _redis_seconds(client)
                result = scrape(job)
                used, redis_used = meter.read().since(before), _redis_seconds(client) - redis_before
            yield Clients(
                count,
                summary(result, PACE),
                used.cpu_seconds * 1000 / SCRAPES,
                redis_used * 1000 / SCRAPES,
                redis_mb,
            )


def _write(client: Any, count: int) -> None:
    """Every minute has the same clients, whose requests fall off as those of a real platform do: by rank."""
    now = int(time.time()) // 60
    first = f"traffic:clients:{now + 1}"
    for begin in range(0, count, BATCH):
        ranks = range(begin, min(begin + BATCH, count))
        client.zadd(first, {_address(rank): 1 + int(500 / (rank + 1) ** 0.7) for rank in ranks})
    for minute in range(now - MINUTES + 2, now + 1):
        client.copy(first, f"traffic:clients:{minute}")
        client.set(f"traffic:requests:{minute}", 5 * count)


def _address(rank: int) -> str:
    return f"{10 + rank // 65_536 // 256}.{rank // 65_536 % 256}.{rank // 256 % 256}.{rank % 256}"


def _redis_seconds(client: Any) -> float:
    """Processor time of Redis so far."""
    used = client.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])
