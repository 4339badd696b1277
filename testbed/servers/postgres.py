"""A disposable PostgreSQL server."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from testbed.servers.process import ProgramError, as_user
from testbed.servers.server import Server

#: PostgreSQL refuses to run as root; root runs it as this user, which Debian's package makes.
UNPRIVILEGED_USER = "postgres"

# Fast and small instead of durable: the data live as long as the run.
SETTINGS = {
    "autovacuum_naptime": "10s",
    "dynamic_shared_memory_type": "mmap",  # in the data directory: nothing is left in /dev/shm after a kill
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "synchronous_commit": "off",
    "unix_socket_directories": "",  # a socket's path is limited to 107 bytes, TCP is enough
    "wal_level": "minimal",
}

#: What else a server needs that has standbys.
REPLICATED = {"wal_level": "replica", "max_wal_senders": "4"}

STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres(Server):
    """PostgreSQL on 127.0.0.1 with the superuser `postgres`, open to everyone on this machine by default.

    Args:
        directory: See `Server`; when root starts it, its parents must be open to the user `postgres`.
        port: See `Server`.
        settings: Settings of postgresql.conf that differ from `SETTINGS`.
    """

    name = "postgresql"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # the fast shutdown: it ends its clients
    # The immediate shutdown: it takes its children along and leaves no shared memory.
    death_signal: ClassVar[signal.Signals] = signal.SIGQUIT

    def __init__(
        self,
        directory: Path | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory, port)
        self.data = self.directory / "data"
        self.user = UNPRIVILEGED_USER if os.geteuid() == 0 else None
        self._programs = newest_programs()
        self._settings = {**SETTINGS, **(settings or {})}

    def prepare(self) -> None:
        """Make the data directory (initdb).

        Raises:
            ProgramError: initdb failed.
        """
        if (self.data / "PG_VERSION").exists():
            # Left by a crash: the number in it may belong to another process by now.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            return
        self.data.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            os.chown(self.data, account.pw_uid, account.pw_gid)
        initdb = [str(self._programs / "initdb"), "-D", str(self.data), "-U", "postgres"]
        initdb += ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        if self.user is not None:
            initdb = as_user(self.user, initdb)
        # In / because the current directory may be closed to that user.
        result = subprocess.run(initdb, cwd="/", capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ProgramError(f"initdb failed:\n{result.stdout}{result.stderr}")

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        settings = {"port": str(self.port), **self._settings}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.data), *options]

    def ready(self) -> bool:
        """Whether a client can log in."""
        try:
            psycopg2.connect(self.dsn(), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Shut it down: `smart` waits for its clients, `fast` ends them, `immediate` is like a crash."""
        if self.process is not None:
            self.process.stop(STOP_SIGNALS[mode])

    def dsn(self, user: str = "postgres", dbname: str = "postgres", password: str | None = None) -> str:
        """A connection URI."""
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
        return f"postgresql://{login}@127.0.0.1:{self.port}/{quote(dbname, safe='')}"

    def execute(self, statement: str | sql.Composable, dbname: str = "postgres") -> None:
        """Run SQL without parameters as superuser, outside a transaction if it is a single statement."""
        connection = psycopg2.connect(self.dsn(dbname=dbname))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of `template` if one is given (nobody may be connected to that)."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            # Copying files beats writing every page to the log as long as nothing is flushed to disk.
            options = sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template))
            statement = sql.Composed([statement, options])
        self.execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop a database and end the connections to it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def require_password(self, user: str, password: str) -> None:
        """From now on the user, created when missing, can log in with this password only (SCRAM)."""
        connection = psycopg2.connect(self.dsn())
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user])
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(user), sql.Literal(password)))
        connection.close()
        rules = self.data / "pg_hba.conf"
        # The first line that matches decides.
        rules.write_text(f'host all "{user}" 127.0.0.1/32 scram-sha-256\n' + rules.read_text())
        self.execute("SELECT pg_reload_conf()")


class Standby(Postgres):
    """A hot standby of another server, which has the settings `REPLICATED`, and is running when it first starts.

    Args:
        primary: What it follows.
        settings: See `Postgres`.
    """

    def __init__(self, primary: Postgres, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(settings={**REPLICATED, "hot_standby": "on", **(settings or {})})
        self._primary = primary

    def prepare(self) -> None:
        """Copy the primary.

        Raises:
            ProgramError: pg_basebackup failed.
        """
        if (self.data / "PG_VERSION").exists():
            super().prepare()
            return
        self.data.mkdir(mode=0o700)
        copy = [str(self._programs / "pg_basebackup"), "--pgdata", str(self.data), "--dbname", self._primary.dsn()]
        copy += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        if self.user is not None:
            shutil.chown(self.data, self.user)
            copy = as_user(self.user, copy)
        result = subprocess.run(copy, cwd="/", capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise ProgramError(f"pg_basebackup failed:\n{result.stdout}{result.stderr}")


def newest_programs() -> Path:
    """Directory of the newest PostgreSQL installed: Debian's packages first, then the search path.

    Raises:
        FileNotFoundError: There is none.
    """
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if installed:
        return max(installed, key=lambda programs: float(programs.parent.name))
    initdb = shutil.which("initdb")
    if initdb is None:
        raise FileNotFoundError("PostgreSQL is not installed: no initdb under /usr/lib/postgresql or on PATH")
    return Path(initdb).resolve().parent
