"""A Prometheus that has read one page of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.counterparts.server import CounterpartServer, Reply, Request
from testbed.servers.prometheus import Prometheus
from tests.responder.process import wait_until


@dataclass(frozen=True)
class Page:
    """An exporter that always says the same."""

    text: str

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/metrics":
            return None
        return Reply(200, self.text.encode(), "text/plain; version=0.0.4")


@contextmanager
def having_read(page: str, directory: Path) -> Iterator[str]:
    """Its address; every series keeps the labels that the page gives it."""
    with CounterpartServer([Page(page)]) as source:
        prometheus = Prometheus(directory / "prometheus.yml")
        targets = [{"targets": [source.url.removeprefix("http://")]}]
        job = {"job_name": "page", "honor_labels": True, "static_configs": targets}
        prometheus.config.write_text(
            yaml.safe_dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]})
        )
        with prometheus:
            wait_until(lambda: bool(prometheus.query('up{job="page"} == 1')), 30)
            yield prometheus.url
