"""A responder on real PostgreSQL and Redis, with everything else that it talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import redis

from testbed.counterparts.kubernetes import Kubernetes
from testbed.counterparts.profiler import Profiler
from testbed.counterparts.server import CounterpartServer
from testbed.counterparts.siem import Siem
from testbed.counterparts.taxii import COLLECTION, Taxii
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.responder.ledger_session import Session
from tests.responder.process import ResponderProcess
from tests.responder.prometheus_double import PrometheusDouble
from tests.responder.sql import rows


@dataclass
class World:
    """The platform, and what else is there, as the responder finds it."""

    database: ContractDatabase
    redis_url: str
    redis: redis.Redis
    prometheus: PrometheusDouble = field(default_factory=PrometheusDouble)
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    siem: Siem = field(default_factory=Siem)
    taxii: Taxii = field(default_factory=Taxii)

    def __post_init__(self) -> None:
        self.monitoring = CounterpartServer([self.prometheus])
        self.outside = CounterpartServer([self.kubernetes, self.siem, self.taxii, Profiler()])
        self.directory: Any = None

    def config(self, **more: Any) -> dict[str, Any]:
        """Everything is configured; `more` replaces whole fields, None removes them."""
        outside = self.outside.url
        config: dict[str, Any] = {
            "prometheus": {"url": self.monitoring.url},
            "backend": {"kind": "kubernetes", "url": outside, "namespace": "ticketing", "deployment": "backend"},
            "siem": {"events": {"url": f"{outside}/siem/events"}, "incidents": {"url": f"{outside}/siem/incidents"}},
            "threat_feed": {"url": f"{outside}/taxii2/threats/collections/{COLLECTION}"},
            "profiles": {
                "source": {"url": f"{outside}/debug/pprof/profile"},
                "directory": str(self.directory),
                "timeout": "900ms",
            },
            **more,
        }
        return {name: value for name, value in config.items() if value is not None}

    def sql(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """As the platform."""
        return rows(self.database.dsn, sql, *parameters)

    def fail_sign_ins(self, account: str, *addresses: str) -> None:
        for address in addresses:
            self.sql(
                "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)"
                " VALUES (now(), 'HIGH', 'mfa_failed', 'm', %s, %s)",
                account,
                address,
            )

    def locked(self, account: str = "alice.ops") -> bool:
        return bool(self.sql("SELECT locked_at FROM platform.admin_accounts WHERE account = %s", account)[0][0])


_database_numbers = count(1)


@pytest.fixture(scope="session")
def responder_template(postgres: Postgres) -> str:
    """A database with the contract and few partitions, which is quick to copy."""
    return small_database(postgres, "responder_template").name


@pytest.fixture
def ledger(postgres: Postgres, responder_template: str) -> Iterator[ContractDatabase]:
    name = f"responder_{next(_database_numbers)}"
    postgres.create_database(name, responder_template)
    yield ContractDatabase(postgres, name)
    postgres.drop_database(name)


@pytest.fixture
def world(ledger: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, tmp_path: Any) -> Iterator[World]:
    """With two accounts, an ordinary threshold and model, two replicas, and a Prometheus that knows of no alert."""
    world = World(ledger, redis_server.url(), redis_client)
    world.directory = tmp_path / "profiles"
    world.sql("INSERT INTO platform.admin_accounts (account) VALUES ('alice.ops'), ('bob.ops')")
    redis_client.set("config:fraud_threshold", "0.60")
    redis_client.set("config:fraud_model", "xgboost")
    with world.monitoring, world.outside:
        yield world


@pytest.fixture
def sessions(ledger: ContractDatabase) -> Iterator[tuple[Session, Session]]:
    """Two responders' connections to one ledger."""
    both = Session(ledger), Session(ledger)
    yield both
    for session in both:
        session.close()


Start = Callable[..., ResponderProcess]


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Starts responders on the world; keyword arguments as `ResponderProcess`, and `config` as `World.config`."""
    with ExitStack() as stack:

        def start(config: dict[str, Any] | None = None, **options: Any) -> ResponderProcess:
            responder = ResponderProcess(
                world.database.responder_dsn, world.redis_url, world.config(**(config or {})), **options
            )
            return stack.enter_context(responder)

        yield start
