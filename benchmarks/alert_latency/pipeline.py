"""The demo's programs with the shipped rules, and services that can be shut."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import yaml

from demo.configs import prometheus_config, write_configs
from demo.directory import run_directory
from demo.parts import Parts, plan, running
from demo.rules import SHIPPED_RULES

#: Between two probes of a service, as the exporter does unless told otherwise.
PROBE_SECONDS = 5


class Service:
    """A TCP service that accepts connections until it is shut."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=16)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def drain(self) -> None:
        """Take what waits to be accepted, so that the backlog never fills."""
        self._socket.settimeout(0)
        while True:
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return

    def shut(self) -> None:
        """Refuse connections from now on."""
        self._socket.close()


@contextmanager
def pipeline(services: Sequence[Service]) -> Iterator[Parts]:
    """Everything from PostgreSQL to the inbox at the shipped settings, with a probe of each service besides."""
    with run_directory() as directory, ExitStack() as closing:
        parts = plan(directory, preset=None, hours=0)
        write_configs(parts)
        exporter = yaml.safe_load(parts.exporter_config.read_text())
        for service in services:
            exporter["probes"][service.name] = {"kind": "tcp", "address": service.address}
            closing.callback(service.shut)
        parts.exporter_config.write_text(yaml.safe_dump(exporter))
        prometheus = prometheus_config(parts) | {"rule_files": [str(SHIPPED_RULES / "*.yml")]}
        parts.prometheus.config.write_text(yaml.safe_dump(prometheus))
        with running(parts):
            yield parts


def arrivals(parts: Parts, channel: str, names: str) -> dict[str, float]:
    """When the first notification of each name arrived, in unix seconds; names are found by a pattern."""
    found = {}
    for one in parts.inbox.notifications(channel):  # newest first
        if (name := re.search(names, f"{one['title']} {one['text']}")) and one["status"] == "firing":
            found[name[0]] = float(one["received_at"])
    return found
