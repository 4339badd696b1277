"""Our own programs as servers of the demo: how each is started, and with which rights."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from demo.past import SEED
from testbed.servers.http_server import HttpServer
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis

DATABASE = "ticketing"


class Simulator(HttpServer):
    """The platform: fills its database with the past, goes on from there, and answers the probes over HTTP.

    Args:
        directory: See `Server`.
        postgres: Where it is the owner.
        redis: Its Redis.
        preset: What it shows, if not ordinary days.
        hours: How far back its history goes.
    """

    name = "simulator"
    ready_path = "/"

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
            status = requests.get(f"{self.url}{self.ready_path}", timeout=2)
            return status.ok and status.json()["predictions_written"] > 0
        except requests.RequestException:
            return False


class Exporter(HttpServer):
    """The exporter itself, with the rights that it has in production."""

    name = "exporter"
    ready_path = "/-/healthy"

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


class Responder(HttpServer):
    """The responder itself, with the rights that it has in production.

    Args:
        directory: See `Server`; with its configuration file and the profiles that it takes.
        postgres: With the ledger.
        redis: The platform's.
        token_file: The token that Alertmanager has.
    """

    name = "responder"
    ready_path = "/-/ready"

    def __init__(self, directory: Path, postgres: Postgres, redis: Redis, token_file: Path) -> None:
        super().__init__(directory)
        self.config = directory / "responder.yml"
        self._environment = {
            "POSTGRES_DSN": postgres.dsn("monitoring_responder", DATABASE),
            "REDIS_URL": redis.url(),
            "RESPONDER_TOKEN_FILE": str(token_file),
        }
        self._token_file = token_file

    def token(self) -> str:
        """What Alertmanager shows to it, and what shows its incidents."""
        return self._token_file.read_text().strip()

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return [sys.executable, "-m", "responder", f"--config.file={self.config}", address]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return self._environment
