"""Runs the check, and reads what it says."""

from __future__ import annotations

import itertools
import time
from io import StringIO

import redis

from exporter.config import Config
from exporter.contract_check import check
from tests.exporter.web.serving import secret


def write_keys(client: redis.Redis) -> None:
    """The keys of a platform that is well."""
    client.mset(
        {
            "kpi:txn_per_hour": "1247",
            "kpi:fraud_rate": "1.8",
            "kpi:latency_p95": "45",
            "kpi:revenue_per_hour": "12450",
            "kpi:updated_at": str(int(time.time())),
            "config:fraud_threshold": "0.60",
            "config:fraud_model": "xgboost",
        }
    )
    minute = int(time.time() // 60)
    for back in range(3):  # whatever minute it is when the check gets there
        client.set(f"traffic:requests:{minute + 1 - back}", "4523")
        client.zadd(f"traffic:clients:{minute + 1 - back}", {"203.0.113.42": 98})
    client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
    client.zadd("ratelimit:blocked", {"198.51.100.7": 1764357753})


def report(dsn: str, redis_url: str, config: Config | None = None) -> tuple[int, list[str]]:
    """The exit status and the lines, each with single spaces."""
    output = StringIO()
    status = check(secret("POSTGRES_DSN", dsn), secret("REDIS_URL", redis_url), config or Config(), output)
    return status, [" ".join(line.split()) for line in output.getvalue().splitlines()]


def faults(lines: list[str]) -> list[str]:
    """Whatever is not ok, without how to mend it."""
    return [line for line in lines if not line.startswith(("ok ", "mend: ")) and line not in ("PostgreSQL", "Redis")]


def mends(lines: list[str]) -> dict[str, str]:
    """How to mend each fault."""
    return {
        fault: mend.removeprefix("mend: ") for fault, mend in itertools.pairwise(lines) if mend.startswith("mend: ")
    }
