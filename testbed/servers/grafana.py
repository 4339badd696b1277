"""A disposable Grafana with this project's dashboards, where one is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psycopg2.extensions

from testbed.servers.contract import ContractDatabase
from testbed.servers.http_server import HttpServer
from testbed.servers.prometheus import Prometheus
from testbed.servers.victoriametrics import VictoriaMetrics

SHIPPED = Path(__file__).parents[2] / "grafana"

#: Where the gateway serves it, and alerts link to.
SUB_PATH = "/admin/monitoring"

#: Where Debian's and Red Hat's packages of Grafana put what it needs beside its program.
PACKAGED_HOME = Path("/usr/share/grafana")


Metrics = Prometheus | VictoriaMetrics


class Grafana(HttpServer):
    """Grafana on 127.0.0.1 as shipped, except that everybody who reaches it is a viewer.

    Args:
        program: The command that starts its server, without options.
        home: Its directory with `conf` and `public`.
        directory: See `Server`.
        metrics: Where it reads metrics.
        database: Where it reads rows, as monitoring_reader.
    """

    name = "grafana"
    ready_path = f"{SUB_PATH}/api/health"

    def __init__(
        self, program: Sequence[str], home: Path, directory: Path, metrics: Metrics, database: ContractDatabase
    ) -> None:
        super().__init__(directory)
        self._program = list(program)
        self._home = home
        self._metrics = metrics
        self._database = database

    @classmethod
    def found(cls, directory: Path, metrics: Metrics, database: ContractDatabase) -> Self | None:
        """The Grafana under $GRAFANA_HOME, or on the search path; None without one."""
        program = installed_program()
        return None if program is None else cls(program, home_of(program), directory, metrics, database)

    @property
    def home_page(self) -> str:
        """Where the main dashboard is."""
        return f"{self.url}{SUB_PATH}/"

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [*self._program, f"--homepath={self._home}", f"--config={SHIPPED / 'grafana.ini'}"]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        address = psycopg2.extensions.parse_dsn(self._database.reader_dsn)
        return {
            "PROMETHEUS_URL": self._metrics.url,
            "POSTGRES_ADDRESS": f"{address['host']}:{address['port']}",
            "POSTGRES_DATABASE": address["dbname"],
            "POSTGRES_USER": address["user"],
            "POSTGRES_SSLMODE": "disable",
            "GF_TICKETING_POSTGRES_PASSWORD": "",
            "DASHBOARDS_PATH": str(SHIPPED / "dashboards"),
            "GRAFANA_DOMAIN": "127.0.0.1",
            "GRAFANA_ROOT_URL": self.home_page,
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(self.port),
            "GF_PATHS_DATA": str(self.directory / "data"),
            "GF_PATHS_LOGS": str(self.directory / "logs"),
            "GF_PATHS_PLUGINS": str(self.directory / "plugins"),
            "GF_PATHS_PROVISIONING": str(SHIPPED / "provisioning"),
            # Of the demo alone: it looks, and there is nobody to sign in.
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
            "GF_AUTH_DISABLE_LOGIN_FORM": "true",
            "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        }


def installed_program() -> list[str] | None:
    """The command of an installed Grafana: `grafana server`, or that of older ones, `grafana-server`."""
    home = os.environ.get("GRAFANA_HOME")
    # An empty search path is not the default one: nothing is found there.
    search = None if home is None else str(Path(home) / "bin")
    for name, options in (("grafana", ["server"]), ("grafana-server", [])):
        if path := shutil.which(name, path=search):
            return [path, *options]
    return None


def home_of(program: Sequence[str]) -> Path:
    """The directory of an installed Grafana: above its program's, or where packages put it."""
    above = Path(program[0]).resolve().parent.parent
    return above if (above / "conf" / "defaults.ini").exists() else PACKAGED_HOME
