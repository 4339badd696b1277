"""What the tests of sections share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from common.secret_text import SecretText
from exporter.app import Exporter
from exporter.config import Config
from exporter.sources.redis import RedisSource
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.web.serving import secret


@pytest.fixture
def exporter(database: ContractDatabase, redis_server: Redis) -> Iterator[Exporter]:
    """One without probes, on a fresh database."""
    exporter = Exporter(
        Config(probes={}),
        postgres_dsn=SecretText("DSN", {"DSN": database.reader_dsn}),
        redis_url=SecretText("URL", {"URL": redis_server.url()}),
    )
    yield exporter
    exporter.close()


@pytest.fixture
def source(redis_server: Redis, redis_client: redis.Redis) -> Iterator[RedisSource]:
    """A connection to an empty Redis."""
    assert redis_client.dbsize() == 0
    source = RedisSource(secret("REDIS_URL", redis_server.url()), "test")
    yield source
    source.close()
