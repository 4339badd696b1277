"""A platform that holds the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import small_database
from tests.exporter.contract_check.reporting import write_keys

FILL = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)
    VALUES (now(), 'a', 0.9, 'BLOCKED', '{"flag": true}'), (now(), 'b', 0.7, 'REVIEW', '{"flag": false}'),
           (now(), 'c', 0.1, 'APPROVED', '{"flag": false}');
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
    write_keys(redis_client)
    return redis_client
