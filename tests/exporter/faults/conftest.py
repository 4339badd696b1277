"""One platform for all the faults of a worker: the exporter that survives one must survive the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.servers.contract import create_contract_database
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.faults.platform_double import DATABASE, Platform, StartExporter, reader_dsn, wait_for_all
from tests.exporter.faults.series import expect
from tests.exporter.process import ExporterProcess


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Postgres, Redis]]:
    """PostgreSQL with a seeded platform and Redis, which tests may break as long as they repair them."""
    with Postgres(settings={"max_connections": "24"}) as postgres, Redis() as redis:
        create_contract_database(postgres, DATABASE)
        yield postgres, redis


@pytest.fixture(scope="session")
def start_exporter(tmp_path_factory: pytest.TempPathFactory) -> StartExporter:
    """Makes an exporter (not started yet) for a DSN and a URL, with quick probes of itself and both sources."""

    def make(dsn: str, url: str, *flags: str) -> ExporterProcess:
        port = free_port()
        config = tmp_path_factory.mktemp("exporter") / "exporter.yml"
        _write_config(config, port)
        return ExporterProcess({"POSTGRES_DSN": dsn, "REDIS_URL": url}, [f"--config.file={config}", *flags], port)

    return make


@pytest.fixture(scope="session")
def seeded(servers: tuple[Postgres, Redis], start_exporter: StartExporter) -> Iterator[Platform]:
    postgres, redis = servers
    exporter = start_exporter(reader_dsn(postgres, DATABASE), redis.url())
    platform = Platform(postgres, DATABASE, redis, exporter)
    platform.seed()
    with exporter:
        yield platform


@pytest.fixture
def platform(seeded: Platform) -> Iterator[Platform]:
    """A platform in good order, and an exporter that sees all of it."""
    seeded.write()
    wait_for_all(seeded.exporter)
    expect(seeded.scrape())
    yield seeded
    for server in (seeded.postgres, seeded.redis):
        if not server.running:
            server.start()
        server.resume()


def _write_config(path: Path, port: int) -> None:
    path.write_text(
        "probes:\n"
        f"  self: {{kind: http, url: 'http://127.0.0.1:{port}/-/healthy', interval: 1s, timeout: 1s, baseline: 1s}}\n"
        "  postgresql: {kind: postgres, interval: 1s, timeout: 500ms}\n"
        "  redis_cache: {kind: redis, interval: 1s, timeout: 500ms}\n"
    )
