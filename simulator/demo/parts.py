"""The programs of the demo: what each is, where it listens, how it is started."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from simulator.demo.past import SEED
from simulator.inbox.server import Inbox
from simulator.local.alertmanager import Alertmanager
from simulator.local.contract import ContractDatabase
from simulator.local.grafana import Grafana
from simulator.local.node_exporter import NodeExporter
from simulator.local.postgres import Postgres
from simulator.local.prometheus import Prometheus
from simulator.local.redis import Redis
from simulator.local.server import Server

DATABASE = "ticketing"

#: As in production: an Alertmanager that comes back is told soon, and a restart forgets little of a `for`.
PROMETHEUS_FLAGS = ("--rules.alert.resend-delay=5s", "--rules.alert.for-grace-period=1m")


class Simulator(Server):
    """The platform: fills its database with the past, goes on from there, and answers the probes over HTTP.

    Args:
        directory: See `Server`.
        postgres: Where it is the owner.
        redis: Its Redis.
        preset: What it shows, if not ordinary days.
        hours: How far back its history goes.
    """

    name = "simulator"

    def __init__(self, directory: Path, postgres: Postgres, redis: Redis, preset: str | None, hours: float) -> None:
        super().__init__(directory)
        self._sources = {"POSTGRES_DSN": postgres.dsn(dbname=DATABASE), "REDIS_URL": redis.url()}
        self._options = [f"--seed={SEED}", f"--history.hours={hours:g}"]
        if preset is not None:
            self._options.append(f"--preset={preset}")

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return [sys.executable, "-m", "simulator", address, *self._options]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return self._sources

    def ready(self) -> bool:
        """Whether its history is written."""
        try:
            status = requests.get(f"http://127.0.0.1:{self.port}/", timeout=2)
            return status.ok and status.json()["predictions_written"] > 0
        except requests.RequestException:
            return False


class Exporter(Server):
    """The exporter itself, with the rights that it has in production."""

    name = "exporter"

    def __init__(self, directory: Path, postgres: Postgres, redis: Redis, config: Path) -> None:
        super().__init__(directory)
        self._sources = {
            "POSTGRES_DSN": postgres.dsn("monitoring_reader", DATABASE),
            "REDIS_URL": redis.url(),
        }
        self._config = config

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return [sys.executable, "-m", "exporter", f"--config.file={self._config}", address]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return self._sources

    def ready(self) -> bool:
        """Whether it serves."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/-/healthy", timeout=2).ok
        except requests.RequestException:
            return False


class Responder(Server):
    """The responder itself, with the rights that it has in production.

    Args:
        directory: See `Server`; with the profiles that it takes.
        postgres: With the ledger.
        redis: The platform's.
        config: Its configuration file.
        token_file: The token that Alertmanager has.
    """

    name = "responder"

    def __init__(self, directory: Path, postgres: Postgres, redis: Redis, config: Path, token_file: Path) -> None:
        super().__init__(directory)
        self._environment = {
            "POSTGRES_DSN": postgres.dsn("monitoring_responder", DATABASE),
            "REDIS_URL": redis.url(),
            "RESPONDER_TOKEN_FILE": str(token_file),
        }
        self._config = config
        self._token_file = token_file

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def token(self) -> str:
        """What Alertmanager shows to it, and what shows its incidents."""
        return self._token_file.read_text().strip()

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return [sys.executable, "-m", "responder", f"--config.file={self._config}", address]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return self._environment

    def ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=2).ok
        except requests.RequestException:
            return False


@dataclass(frozen=True)
class Parts:
    """All programs of one demo, each with its port and its directory under `directory`."""

    directory: Path
    postgres: Postgres
    redis: Redis
    node_exporter: NodeExporter
    simulator: Simulator
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    inbox: Inbox
    responder: Responder
    grafana: Grafana | None

    @property
    def all(self) -> Sequence[Server]:
        """In the order in which they are started."""
        return (
            self.postgres,
            self.redis,
            self.node_exporter,
            self.simulator,
            self.exporter,
            self.inbox,
            self.responder,
            self.alertmanager,
            self.prometheus,
            *([self.grafana] if self.grafana else []),
        )

    @property
    def database(self) -> ContractDatabase:
        """The platform's database."""
        return ContractDatabase(self.postgres, DATABASE)

    @property
    def exporter_config(self) -> Path:
        """The exporter's configuration file."""
        return self.directory / "exporter.yml"

    @property
    def responder_config(self) -> Path:
        """The responder's configuration file."""
        return self.directory / "responder.yml"

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
            elif server is parts.exporter:
                # The first answer takes longest; Prometheus is to meet an exporter that is ready.
                requests.get(f"http://127.0.0.1:{parts.exporter.port}/metrics", timeout=30).raise_for_status()
        yield


def plan(directory: Path, preset: str | None, hours: float) -> Parts:
    """Give every program a free port and a directory; starts nothing.

    Args:
        directory: Of this run.
        preset: The simulator's.
        hours: How far back Prometheus's history goes.
    """
    postgres = Postgres(directory / "postgresql", settings={"shared_buffers": "128MB"})
    redis = Redis(directory / "redis")
    prometheus = Prometheus(directory / "prometheus.yml", directory / "prometheus", flags=PROMETHEUS_FLAGS)
    alerting = directory / "alerting"
    # The platform's history is an hour longer, so that the windows of an hour are full from the beginning.
    return Parts(
        directory=directory,
        postgres=postgres,
        redis=redis,
        node_exporter=NodeExporter(directory / "node-exporter"),
        simulator=Simulator(directory / "simulator", postgres, redis, preset, hours + 1),
        exporter=Exporter(directory / "exporter", postgres, redis, directory / "exporter.yml"),
        prometheus=prometheus,
        alertmanager=Alertmanager(alerting / "alertmanager.yml", directory / "alertmanager"),
        inbox=Inbox(directory / "inbox"),
        responder=Responder(
            directory / "responder",
            postgres,
            redis,
            directory / "responder.yml",
            alerting / "secrets" / "responder_token",
        ),
        grafana=Grafana.found(directory / "grafana", prometheus, ContractDatabase(postgres, DATABASE)),
    )
