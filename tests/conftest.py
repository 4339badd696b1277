"""Real servers for all tests; each pytest-xdist worker has its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
import redis
import yaml

import common.yaml_files  # noqa: F401
from testbed.servers.contract import ContractDatabase, create_contract_database
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis

# The same in C, for the tests read the rules hundreds of times. The loader of the product's files exists by now, and is
# the one of production.
yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[misc,assignment]

TEMPLATE = "contract_template"

_database_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server shared by the session: do not stop it, see `own_postgres`."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def contract_template(postgres: Postgres) -> str:
    """Name of a database with the contract and no rows."""
    return create_contract_database(postgres, TEMPLATE).name


@pytest.fixture
def database(postgres: Postgres, contract_template: str) -> Iterator[ContractDatabase]:
    """A fresh database with the contract and empty partitions of a few days: see `ContractDatabase.add_partitions`."""
    name = f"test_{next(_database_numbers)}"
    postgres.create_database(name, contract_template)
    yield ContractDatabase(postgres, name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis server shared by the session: do not stop it, see `own_redis`."""
    with Redis() as server:
        yield server


@pytest.fixture
def redis_client(redis_server: Redis) -> Iterator[redis.Redis]:
    """A client of an empty Redis, which answers with `str`."""
    with redis_server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def own_postgres() -> Iterator[Callable[[], Postgres]]:
    """Starts PostgreSQL servers (about a second each) that the test may stop, kill and suspend."""
    with ExitStack() as servers:
        yield lambda: servers.enter_context(Postgres())


@pytest.fixture
def own_redis() -> Iterator[Callable[[], Redis]]:
    """Starts Redis servers that the test may stop, kill and suspend."""
    with ExitStack() as servers:
        yield lambda: servers.enter_context(Redis())
