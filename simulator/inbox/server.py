"""The inbox as one of the demo's and the tests' servers."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from simulator.local.ports import free_port
from simulator.local.server import Server


class Inbox(Server):
    """The inbox on 127.0.0.1: HTTP on `port`, SMTP on `smtp_port`."""

    name = "inbox"

    def __init__(self, directory: Path | None = None, port: int | None = None, smtp_port: int | None = None) -> None:
        super().__init__(directory, port)
        self.smtp_port = smtp_port or free_port()

    @property
    def url(self) -> str:
        """Address of the page, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [
            sys.executable,
            "-m",
            "simulator.inbox",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--smtp.listen-address=127.0.0.1:{self.smtp_port}",
        ]

    def ready(self) -> bool:
        """Whether it answers; it takes mail by then."""
        try:
            return requests.get(f"{self.url}/-/healthy", timeout=2).ok
        except requests.RequestException:
            return False

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
