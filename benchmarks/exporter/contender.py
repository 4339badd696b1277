"""What all that is measured shares: a process with a port, a login of its own, and a path to scrape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import requests
import yaml

from testbed.servers.server import Server


@dataclass(frozen=True)
class Sources:
    """Where a contender reads.

    Attributes:
        postgres_dsn: gives the connection URI of a role.
        redis_url: as redis-py takes it.
    """

    postgres_dsn: Callable[[str], str]
    redis_url: str


class Contender(Server):
    """An exporter on 127.0.0.1 with a directory of its own.

    Args:
        platform: what it reads.
    """

    #: The role that it logs in to PostgreSQL with; None when it does not.
    role: ClassVar[str | None]
    #: The package that brings it.
    package: ClassVar[str]
    #: Begin of the lines (a regular expression) without which an answer is not what is to be measured: the
    #: predictions of 24 h by decision, or what comes nearest to a proof.
    proof: ClassVar[str]
    #: What a scrape asks for.
    path: ClassVar[str] = "/metrics"
    #: How old the values of a scrape are.
    age: ClassVar[str] = "0"
    #: Whether a scrape waits for the sources; otherwise it gets what was read before.
    runs_per_scrape: ClassVar[bool] = True

    def __init__(self, platform: Sources) -> None:
        super().__init__()
        self.platform = platform

    def ready(self) -> bool:
        """Whether it answers, which for most includes reading the sources."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{self.ready_path}", timeout=30).ok
        except requests.RequestException:
            return False

    @property
    def ready_path(self) -> str:
        """What `ready` asks for."""
        return self.path

    def write(self, name: str, content: Any) -> None:
        """Write a YAML file into the directory."""
        (self.directory / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
