"""A disposable PgBouncer."""

import os
from collections.abc import Sequence
from pathlib import Path

import psycopg2

from testbed.servers.postgres import UNPRIVILEGED_USER, Postgres
from testbed.servers.server import Server

USERS = ("postgres", "monitoring_reader", "monitoring_responder")


class PgBouncer(Server):
    """PgBouncer on 127.0.0.1 in front of a PostgreSQL: transaction pooling, and otherwise its default configuration.

    Args:
        postgres: What it passes everything on to.
        directory: See `Server`.
        port: See `Server`.
    """

    name = "pgbouncer"

    def __init__(self, postgres: Postgres, directory: Path | None = None, port: int | None = None) -> None:
        super().__init__(directory, port)
        self._postgres = postgres
        # Like PostgreSQL it refuses to run as root.
        self.user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._configuration = self.directory / "pgbouncer.ini"

    def prepare(self) -> None:
        """Write the configuration."""
        users = self.directory / "users.txt"
        users.write_text("".join(f'"{user}" ""\n' for user in USERS), encoding="utf-8")
        self._configuration.write_text(
            f"[databases]\n* = host=127.0.0.1 port={self._postgres.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\n",
            encoding="utf-8",
        )

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return ["/usr/sbin/pgbouncer", str(self._configuration)]

    def ready(self) -> bool:
        """Whether a client can log in."""
        try:
            psycopg2.connect(self.dsn("postgres", "postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def dsn(self, user: str, dbname: str) -> str:
        """A connection URI."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{dbname}"
