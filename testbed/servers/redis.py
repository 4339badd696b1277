"""Disposable Redis servers, and Sentinels that watch them."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import redis

from testbed.servers.server import Server


class Redis(Server):
    """Redis on 127.0.0.1, in memory only by default.

    Args:
        directory: See `Server`.
        port: See `Server`.
        password: What clients must give, if anything.
        save: Snapshot rule ("60 1"); by default nothing is written. `restart` keeps data only with a rule.
        options: More of the command line, such as `--cluster-enabled yes`; in force with the next start.
        program: Path of another version's.
    """

    name = "redis"

    def __init__(
        self,
        directory: Path | None = None,
        port: int | None = None,
        *,
        password: str | None = None,
        save: str = "",
        options: Sequence[str] = (),
        program: str = "redis-server",
    ) -> None:
        super().__init__(directory, port)
        self.options = options
        self._program = program
        self._password = password
        self._save = save

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        command = [
            self._program,
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self.directory),
        ]
        command += ["--save", self._save, "--appendonly", "no", "--daemonize", "no"]
        if self._password is not None:
            command += ["--requirepass", self._password, "--masterauth", self._password]
        return [*command, *self.options]

    def ready(self) -> bool:
        """Whether it answers PING."""
        # Without the client's own retries, which wait for seconds.
        with redis.Redis.from_url(self.url(), retry=None, socket_timeout=2, protocol=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def url(self, db: int = 0) -> str:
        """A connection URL."""
        login = f":{quote(self._password, safe='')}@" if self._password is not None else ""
        return f"redis://{login}127.0.0.1:{self.port}/{db}"

    def client(self, db: int = 0) -> redis.Redis:
        """A new client that answers with `str`."""
        return redis.Redis.from_url(self.url(db), decode_responses=True)


class Sentinel(Server):
    """A Sentinel on 127.0.0.1 that watches the master `main`, and alone decides that another one is needed.

    Args:
        master: What it watches; its replicas it finds by itself.
        master_password: What the master asks for, if anything.
        password: What clients must give, if anything.
        directory: See `Server`.
        port: See `Server`.
    """

    name = "sentinel"

    def __init__(
        self,
        master: Redis,
        directory: Path | None = None,
        port: int | None = None,
        *,
        master_password: str | None = None,
        password: str | None = None,
    ) -> None:
        super().__init__(directory, port)
        self._master = master
        self._master_password = master_password
        self._password = password
        self._configuration = self.directory / "sentinel.conf"

    def prepare(self) -> None:
        """Write the configuration; it writes what it finds out into it."""
        if self._configuration.exists():
            return
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"dir {self.directory}",
            f"sentinel monitor main 127.0.0.1 {self._master.port} 1",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 2000",
        ]
        if self._master_password is not None:
            lines.append(f"sentinel auth-pass main {self._master_password}")
        if self._password is not None:
            lines += [f"requirepass {self._password}"]
        self._configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return ["redis-server", str(self._configuration), "--sentinel"]

    def ready(self) -> bool:
        """Whether it knows a replica that it could make the master."""
        with self.client() as client:
            try:
                return any(replica["master-link-status"] == "ok" for replica in client.sentinel_slaves("main"))
            except redis.RedisError:
                return False

    def client(self) -> redis.Redis:
        """A new client that answers with `str`."""
        login = f":{quote(self._password, safe='')}@" if self._password is not None else ""
        url = f"redis://{login}127.0.0.1:{self.port}"
        return redis.Redis.from_url(url, decode_responses=True, retry=None, socket_timeout=2)
