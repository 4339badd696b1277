"""The inbox as one of the demo's and the tests' servers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from testbed.servers.http_server import HttpServer
from testbed.servers.ports import free_port


class Inbox(HttpServer):
    """The inbox on 127.0.0.1: HTTP on `port`, SMTP on `smtp_port`.

    Args:
        directory: See `Server`.
        port: See `Server`.
        smtp_port: By default a free one.
        board: Where links to the dashboard go on to, when there is no Grafana.
    """

    name = "inbox"
    ready_path = "/-/healthy"

    def __init__(
        self,
        directory: Path | None = None,
        port: int | None = None,
        smtp_port: int | None = None,
        board: str | None = None,
    ) -> None:
        super().__init__(directory, port)
        self._board = board
        self.smtp_port = smtp_port or free_port()

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [
            sys.executable,
            "-m",
            "testbed.inbox",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--smtp.listen-address=127.0.0.1:{self.smtp_port}",
            *([] if self._board is None else [f"--board={self._board}"]),
        ]

    def notifications(self, channel: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """Return what arrived, newest first; see `store.Notification`, and `id` and `received_at` besides."""
        parameters = {"since": str(since)} | ({"channel": channel} if channel else {})
        answer = requests.get(f"{self.url}/api/notifications", params=parameters, timeout=10)
        answer.raise_for_status()
        kept: list[dict[str, Any]] = answer.json()["notifications"]
        return kept

    def clear(self) -> None:
        """Forget what arrived."""
        requests.delete(f"{self.url}/api/notifications", timeout=10).raise_for_status()
