"""The exporter behind its web server, in this process or in one of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families as parse_text

from common.secret_text import SecretText
from common.web_server import WebServer
from exporter.app import Exporter
from exporter.config import Config, load
from exporter.web.config import WebConfig
from exporter.web.routes import THREADS, Application
from testbed.servers.ports import free_port
from testbed.servers.process import Process, guarded


def secret(name: str, text: str) -> SecretText:
    """A connection string as if from the environment."""
    return SecretText(name, {name: text})


def exporter_of(
    postgres_dsn: str,
    redis_url: str,
    config: Config | None = None,
    clock: Callable[[], float] = time.time,
    *,
    everywhere: bool = True,
) -> Exporter:
    """An exporter that is not started: it does not probe.

    Args:
        postgres_dsn: see `Exporter`.
        redis_url: see `Exporter`.
        config: without any probe by default.
        clock: see `Exporter`.
        everywhere: the sources have this clock, too.
    """
    return Exporter(
        config or Config(probes={}),
        postgres_dsn=secret("POSTGRES_DSN", postgres_dsn),
        redis_url=secret("REDIS_URL", redis_url),
        clock=clock,
        at_another_time=clock is not time.time and everywhere,
    )


@dataclass
class Served:
    """An exporter that answers HTTP in this process.

    Attributes:
        url: without a slash at the end.
    """

    exporter: Exporter
    application: Application
    url: str
    port: int

    def get(self, path: str, **options: object) -> requests.Response:
        return requests.get(self.url + path, timeout=20, **options)  # type: ignore[arg-type]


@contextmanager
def served(
    exporter: Exporter, config_file: Path | None = None, web: WebConfig | None = None, *, lifecycle: bool = False
) -> Iterator[Served]:
    """Serve it on a port of the loopback."""
    application = Application(
        exporter, lambda: exporter.apply(load(config_file)), web or WebConfig(), lifecycle=lifecycle
    )
    server = WebServer("ticketing-exporter", "127.0.0.1:0", application, threads=THREADS)
    port = server.start()
    try:
        yield Served(exporter, application, f"http://127.0.0.1:{port}", port)
    finally:
        server.stop()
        exporter.close()


@dataclass
class Running:
    """The command `ticketing-exporter` as a process."""

    process: Process
    port: int
    log: Path

    def lines(self, text: str) -> list[str]:
        """The lines of its log that contain a text."""
        return [line for line in self.log.read_text().splitlines() if text in line]


@contextmanager
def running(
    folder: Path, *flags: str, environment: Mapping[str, str] | None = None, host: str = "127.0.0.1"
) -> Iterator[Running]:
    """Start the command and wait until it listens."""
    port = free_port()
    command = [sys.executable, "-m", "exporter", f"--web.listen-address={host}:{port}", *flags]
    process = Process("exporter", guarded(command), folder / f"exporter-{port}.log", environment)
    running = Running(process, port, process.log)
    process.start()
    try:
        process.wait_until(lambda: bool(running.lines("listens on port")))
        yield running
    finally:
        process.stop()


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 20) -> None:
    """Wait until the condition holds; errors of a server that restarts count as no."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        with suppress(requests.RequestException, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def clean_environment() -> dict[str, str]:
    """The environment without connections."""
    names = ("POSTGRES_DSN", "REDIS_URL", "POSTGRES_DSN_FILE", "REDIS_URL_FILE")
    return {name: value for name, value in os.environ.items() if name not in names}


def names(text: str) -> set[str]:
    """Those of all samples in an exposition."""
    return {sample.name for family in parse_text(text) for sample in family.samples}
