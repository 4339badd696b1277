"""What the tests of sections share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.secret_text import SecretText
from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis


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
