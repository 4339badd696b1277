"""An exporter behind a web server, with and without sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.web.serving import Served, exporter_of, served

NOWHERE = "postgresql://monitoring_reader@127.0.0.1:1/none"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "exporter.yml"
    file.write_text("probes: {}\n")
    return file


@pytest.fixture(scope="session")
def platform(postgres: Postgres, contract_template: str) -> ContractDatabase:
    postgres.create_database("web", contract_template)
    return ContractDatabase(postgres, "web")


@pytest.fixture
def database(platform: ContractDatabase) -> ContractDatabase:
    """One database for all tests here: they write to one table of it only."""
    platform.server.execute("TRUNCATE platform.fraud_predictions", platform.name)
    return platform


@pytest.fixture
def web(
    database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, config_file: Path
) -> Iterator[Served]:
    redis_client.set("kpi:txn_per_hour", "1247")
    redis_client.set("config:fraud_model", "xgboost")
    redis_client.set("config:fraud_threshold", "0.6")
    with served(exporter_of(database.reader_dsn, redis_server.url()), config_file, lifecycle=True) as running:
        yield running


@pytest.fixture
def sourceless() -> Iterator[Served]:
    url = f"redis://:hush-hush@127.0.0.1:{free_port()}/0"
    with served(exporter_of(NOWHERE.replace("@", ":s3cr3t-dsn@"), url)) as running:
        yield running
