"""A disposable Redis server."""

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
    """

    name = "redis"

    def __init__(
        self,
        directory: Path | None = None,
        port: int | None = None,
        *,
        password: str | None = None,
        save: str = "",
    ) -> None:
        super().__init__(directory, port)
        self._password = password
        self._save = save

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        command = [
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self.directory),
        ]
        command += ["--save", self._save, "--appendonly", "no", "--daemonize", "no"]
        if self._password is not None:
            command += ["--requirepass", self._password]
        return command

    def ready(self) -> bool:
        """Whether it answers PING."""
        # Without the client's own retries, which wait for seconds.
        with redis.Redis.from_url(self.url(), retry=None, socket_timeout=2) as client:
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
