"""The parts of the demo: what there is, where it listens, in which order it is started."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

from demo.programs import DATABASE, Exporter, Responder, Simulator
from deploy.scale import DEDUPLICATION, SEARCH
from testbed.inbox.server import Inbox
from testbed.servers.alertmanager import Alertmanager, cluster_flags
from testbed.servers.contract import ContractDatabase
from testbed.servers.grafana import Grafana
from testbed.servers.node_exporter import NodeExporter
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.prometheus import Prometheus
from testbed.servers.redis import Redis
from testbed.servers.server import Server
from testbed.servers.victoriametrics import VictoriaMetrics

COMPOSE = Path(__file__).parents[1] / "docker-compose.yml"
#: How alerts are sent and remembered, as in production.
PROMETHEUS_FLAGS = tuple(
    flag
    for flag in yaml.safe_load(COMPOSE.read_text())["services"]["prometheus"]["command"]
    if flag.startswith("--rules.")
)


@dataclass(frozen=True)
class Parts:
    """All programs of one demo, each with its port and its directory under `directory`.

    Of exporters, Prometheus servers, Alertmanagers and responders there is one each, or, highly available, a pair,
    and then a store that both Prometheus servers write to. Properties in the singular give the first.
    """

    directory: Path
    postgres: Postgres
    redis: Redis
    node_exporter: NodeExporter
    simulator: Simulator
    exporters: tuple[Exporter, ...]
    prometheuses: tuple[Prometheus, ...]
    alertmanagers: tuple[Alertmanager, ...]
    inbox: Inbox
    responders: tuple[Responder, ...]
    store: VictoriaMetrics | None
    grafana: Grafana | None

    @property
    def exporter(self) -> Exporter:
        """The first exporter."""
        return self.exporters[0]

    @property
    def prometheus(self) -> Prometheus:
        """The first Prometheus."""
        return self.prometheuses[0]

    @property
    def alertmanager(self) -> Alertmanager:
        """The first Alertmanager."""
        return self.alertmanagers[0]

    @property
    def responder(self) -> Responder:
        """The first responder."""
        return self.responders[0]

    @property
    def all(self) -> Sequence[Server]:
        """In the order in which they are started."""
        return (
            self.postgres,
            self.redis,
            self.node_exporter,
            self.simulator,
            *self.exporters,
            self.inbox,
            *self.responders,
            *self.alertmanagers,
            *([self.store] if self.store else []),
            *self.prometheuses,
            *([self.grafana] if self.grafana else []),
        )

    @property
    def database(self) -> ContractDatabase:
        """The platform's database."""
        return ContractDatabase(self.postgres, DATABASE)

    @property
    def exporter_config(self) -> Path:
        """The configuration file of the exporters."""
        return self.directory / "exporter.yml"

    @property
    def rules(self) -> Path:
        """Directory of the demo's alert rules."""
        return self.directory / "rules"


@contextmanager
def running(parts: Parts) -> Iterator[None]:
    """Run all parts without a supervisor and without a past, for tests and benchmarks; write the configuration before.

    Raises:
        ProgramError: One ended or is not ready in time.
    """
    with ExitStack() as started:
        for server in parts.all:
            started.enter_context(server)
            if server is parts.postgres:
                parts.postgres.create_database(DATABASE)
            elif server in parts.exporters:
                # The first answer takes longest; Prometheus is to meet an exporter that is ready.
                requests.get(f"{server.url}/metrics", timeout=30).raise_for_status()
        yield


def plan(directory: Path, preset: str | None, hours: float, *, ha: bool = False) -> Parts:
    """Give every program a free port and a directory; starts nothing.

    Args:
        directory: Of this run.
        preset: The simulator's.
        hours: How far back Prometheus's history goes.
        ha: Whether it is highly available; see `Parts`.
    """
    postgres = Postgres(directory / "postgresql", settings={"shared_buffers": "128MB"})
    redis = Redis(directory / "redis")
    exporter_config = directory / "exporter.yml"
    token = directory / "alerting" / "secrets" / "responder_token"
    # The second of a pair is called as in docker-compose.yml.
    endings = ("", "-1") if ha else ("",)
    prometheuses = tuple(
        Prometheus(directory / f"prometheus{ending}.yml", directory / f"prometheus{ending}", flags=PROMETHEUS_FLAGS)
        for ending in endings
    )
    store = VictoriaMetrics(directory / "victoriametrics", flags=(DEDUPLICATION, *SEARCH)) if ha else None
    # The platform's history is an hour longer, so that the windows of an hour are full from the beginning.
    parts = Parts(
        directory=directory,
        postgres=postgres,
        redis=redis,
        node_exporter=NodeExporter(directory / "node-exporter"),
        simulator=Simulator(directory / "simulator", postgres, redis, preset, hours + 1),
        exporters=tuple(
            Exporter(directory / f"exporter{ending}", postgres, redis, exporter_config) for ending in endings
        ),
        prometheuses=prometheuses,
        alertmanagers=_alertmanagers(directory, endings),
        inbox=Inbox(directory / "inbox", board=prometheuses[0].board),
        responders=tuple(Responder(directory / f"responder{ending}", postgres, redis, token) for ending in endings),
        store=store,
        grafana=Grafana.found(directory / "grafana", store or prometheuses[0], ContractDatabase(postgres, DATABASE)),
    )
    for server in parts.all:
        server.name = server.directory.name
    return parts


def _alertmanagers(directory: Path, endings: Sequence[str]) -> tuple[Alertmanager, ...]:
    """One alone, or a cluster."""
    ports = [free_port() for _ in endings]
    flags = [cluster_flags(port, [other for other in ports if other != port]) for port in ports] if ports[1:] else [()]
    return tuple(
        Alertmanager(directory / "alerting" / "alertmanager.yml", directory / f"alertmanager{ending}", flags=own)
        for ending, own in zip(endings, flags, strict=True)
    )
