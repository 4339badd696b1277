"""A disposable VictoriaMetrics: one server with all that its cluster does."""

from collections.abc import Sequence
from pathlib import Path

from testbed.servers.http_server import HttpServer
from testbed.servers.prometheus import query


class VictoriaMetrics(HttpServer):
    """VictoriaMetrics on 127.0.0.1 that keeps its data in its directory.

    Args:
        directory: See `Server`.
        port: See `Server`.
        flags: More command-line flags.
    """

    name = "victoriametrics"
    ready_path = "/health"

    def __init__(self, directory: Path | None = None, port: int | None = None, flags: Sequence[str] = ()) -> None:
        super().__init__(directory, port)
        self._flags = list(flags)

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [
            "victoria-metrics",
            f"-storageDataPath={self.directory / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            # By default it takes more than half of the machine's memory.
            "-memory.allowedBytes=256MB",
            *self._flags,
        ]

    def query(self, promql: str, time: float | None = None) -> list[tuple[dict[str, str], float]]:
        """See `Prometheus.query`."""
        return query(self.url, promql, time)
