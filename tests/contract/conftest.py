"""The example platforms, each with its draft applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from exporter.config import Config, load
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.drafting import Platform, apply, create_example, drafted
from tests.contract.example_platforms import PLATFORMS

NO_REDIS = "redis://127.0.0.1:1"


@dataclass(frozen=True)
class Connected:
    """An example with its draft applied."""

    platform: Platform
    database: ContractDatabase
    files: dict[str, str]
    config: Config


@pytest.fixture(scope="module", params=PLATFORMS, ids=lambda platform: platform.name)
def connected(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connected]:
    platform: Platform = request.param
    database = create_example(postgres, platform)
    directory = tmp_path_factory.mktemp(platform.name) / "draft"
    files = drafted(database, directory)
    apply(database, files, platform.edits)
    postgres.execute("VACUUM (ANALYZE)", database.name)
    config = msgspec.structs.replace(load(directory / "exporter.yml", directory / "platform.yml"), probes={})
    yield Connected(platform, database, files, config)
    postgres.drop_database(database.name)
