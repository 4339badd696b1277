"""A disposable Prometheus server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from testbed.servers.http_server import HttpServer

SHIPPED_DIRECTORY = Path(__file__).parents[2] / "prometheus"


class Prometheus(HttpServer):
    """Prometheus on 127.0.0.1 that keeps its data in its directory and serves the shipped board.

    Args:
        config: Its prometheus.yml.
        directory: See `Server`.
        port: See `Server`.
        flags: More command-line flags.
    """

    name = "prometheus"
    ready_path = "/-/ready"

    def __init__(
        self, config: Path, directory: Path | None = None, port: int | None = None, flags: Sequence[str] = ()
    ) -> None:
        super().__init__(directory, port)
        self.config = config
        self.data = self.directory / "data"
        self._flags = list(flags)

    @property
    def board(self) -> str:
        """Address of the fallback board."""
        return f"{self.url}/consoles/monitoring.html"

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [
            "prometheus",
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--web.console.templates={SHIPPED_DIRECTORY / 'consoles'}",
            f"--web.console.libraries={SHIPPED_DIRECTORY / 'console_libraries'}",
            *self._flags,
        ]

    def query(self, promql: str, time: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression that gives a vector, at the given unix seconds or now.

        Returns:
            Labels and value of each series.

        Raises:
            requests.RequestException: It does not answer, or refuses the expression.
        """
        return query(self.url, promql, time)


def query(url: str, promql: str, time: float | None = None) -> list[tuple[dict[str, str], float]]:
    """Ask whatever has Prometheus's API at the address; see `Prometheus.query`."""
    parameters: dict[str, Any] = {"query": promql}
    if time is not None:
        parameters["time"] = time
    answer = requests.get(f"{url}/api/v1/query", params=parameters, timeout=10)
    if not answer.ok:
        raise requests.HTTPError(f"{url} refuses {promql!r}: {answer.text}", response=answer)
    return [(series["metric"], float(series["value"][1])) for series in answer.json()["data"]["result"]]
