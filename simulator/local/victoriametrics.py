"""A disposable VictoriaMetrics: one server with all that its cluster does."""

from collections.abc import Sequence
from pathlib import Path

import requests

from simulator.local.prometheus import query
from simulator.local.server import Server


class VictoriaMetrics(Server):
    """VictoriaMetrics on 127.0.0.1 that keeps its data in its directory.

    Args:
        directory: See `Server`.
        port: See `Server`.
        flags: More command-line flags.
    """

    name = "victoriametrics"

    def __init__(self, directory: Path | None = None, port: int | None = None, flags: Sequence[str] = ()) -> None:
        super().__init__(directory, port)
        self._flags = list(flags)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end; under it is Prometheus's API."""
        return f"http://127.0.0.1:{self.port}"

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

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return requests.get(f"{self.url}/health", timeout=2).ok
        except requests.RequestException:
            return False

    def query(self, promql: str, time: float | None = None) -> list[tuple[dict[str, str], float]]:
        """See `Prometheus.query`."""
        return query(self.url, promql, time)
