"""The exporter of this repository, as its users run it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from benchmarks.exporter.contender import Contender
from benchmarks.exporter.data import REPOSITORY

LIVE = ("kpis", "fraud", "traffic", "health", "security")
"""The sections that Prometheus scrapes every five seconds or more often."""


def path_of(sections: Sequence[str]) -> str:
    """What Prometheus asks for when it wants these sections."""
    return "/metrics?" + "&".join(f"collect%5B%5D={section}" for section in sections)


class Ours(Contender):
    """`python -m exporter` without a configuration file."""

    name = "ticketing-exporter"
    role = "bench_ours"
    package = "this repository"
    path = path_of(LIVE)
    proof = r'ticketing_fraud_predictions{.*window="24h"'

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [sys.executable, "-m", "exporter", f"--web.listen-address=127.0.0.1:{self.port}"]

    def environment(self) -> Mapping[str, str]:
        """See `Server.environment`."""
        return {
            "PYTHONPATH": str(REPOSITORY),
            "POSTGRES_DSN": self.platform.postgres_dsn("bench_ours"),
            "REDIS_URL": self.platform.redis_url,
            "POSTGRES_DSN_FILE": "",
            "REDIS_URL_FILE": "",
        }

    @property
    def ready_path(self) -> str:
        """It lives before it has read anything."""
        return "/-/healthy"
