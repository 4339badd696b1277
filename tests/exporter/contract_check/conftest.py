"""A platform that holds the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import small_database

FILL = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)
    VALUES (now(), 'a', 0.9, 'BLOCKED'), (now(), 'b', 0.7, 'REVIEW'), (now(), 'c', 0.1, 'APPROVED');
    INSERT INTO platform.fraud_labels VALUES ('a', now(), 'BLOCKED', true, now());
    INSERT INTO platform.transactions VALUES (now(), 'a', 'purchase', 100, 5), (now(), 'b', 'transfer', 0, 1);
    INSERT INTO platform.security_events (occurred_at, severity, event_type, message)
    VALUES (now(), 'HIGH', 'login_failed', 'm');
    INSERT INTO platform.model_versions (model_version, trained_at, is_active) VALUES ('v1', now(), true);
    INSERT INTO platform.feature_reference VALUES ('v1', 'flag', 'boolean', NULL, NULL, '{1,2,0}');
"""


@pytest.fixture(scope="session")
def pristine(postgres: Postgres) -> str:
    """A database with the contract, one day of partitions and a few rows; small, so that copies are cheap."""
    database = small_database(postgres, "check_template")
    postgres.execute(FILL, database.name)
    return database.name


@pytest.fixture
def platform(postgres: Postgres, pristine: str) -> Iterator[ContractDatabase]:
    postgres.create_database("check", pristine)
    yield ContractDatabase(postgres, "check")
    postgres.drop_database("check")


@pytest.fixture
def keys(redis_client: redis.Redis) -> redis.Redis:
    redis_client.mset(
        {
            "kpi:txn_per_hour": "1247",
            "kpi:fraud_rate": "1.8",
            "kpi:latency_p95": "45",
            "kpi:revenue_per_hour": "12450",
            "kpi:updated_at": "1764354153",
            "config:fraud_threshold": "0.60",
            "config:fraud_model": "xgboost",
        }
    )
    minute = int(time.time() // 60)
    for back in range(3):  # whatever minute it is when the check gets there
        redis_client.set(f"traffic:requests:{minute + 1 - back}", "4523")
        redis_client.zadd(f"traffic:clients:{minute + 1 - back}", {"203.0.113.42": 98})
    redis_client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
    redis_client.zadd("ratelimit:blocked", {"198.51.100.7": 1764357753})
    return redis_client
