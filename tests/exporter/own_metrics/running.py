"""An exporter with metrics of the operator's own, on a real PostgreSQL and Redis, at a time that the test sets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from exporter.app import Exporter
from exporter.config import load
from exporter.scrape import Status
from testbed.servers.contract import ContractDatabase
from tests.exporter.platform_truth import Samples, instant, parse
from tests.exporter.web.serving import exporter_of

SECOND = 1_000_000


@dataclass
class Running:
    """The platform, and an exporter of it.

    Attributes:
        now: unix time in microseconds, of exporter and sources.
    """

    database: ContractDatabase
    redis_url: str
    directory: Path
    now: int = field(default_factory=lambda: time.time_ns() // 1000)
    exporters: list[Exporter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = psycopg2.connect(self.database.dsn)
        self.connection.autocommit = True

    def start(self, configuration: str) -> None:
        """Another exporter in place of the one before, with this exporter.yml."""
        self.stop()
        file = self.directory / "exporter.yml"
        file.write_text(f"probes: {{}}\n{configuration}")
        clock = lambda: self.now / SECOND  # noqa: E731
        self.exporters = [exporter_of(self.database.reader_dsn, self.redis_url, load(file), clock)]

    @property
    def exporter(self) -> Exporter:
        return self.exporters[-1]

    def stop(self) -> None:
        for exporter in self.exporters:
            exporter.close()

    def close(self) -> None:
        self.connection.close()
        self.stop()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """As the platform; `%(now)s` is not: times are `self.at`."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def at(self, age: float) -> str:
        """A constant: so many seconds ago."""
        return f"TIMESTAMPTZ '{instant(self.now - round(age * SECOND)).isoformat()}'"

    def text(self, *sections: str) -> str:
        """A scrape; of all sections by default."""
        scraper = self.exporter.scraper
        return scraper.scrape(sections or scraper.sections, 30).text.decode()

    def own(self, *sections: str) -> dict[str, float]:
        """The own metrics of a scrape, as `name{label="value"}` without the prefix."""
        return {_series(*series): value for series, value in self.samples(*sections).items()}

    def samples(self, *sections: str) -> Samples:
        """The own metrics of a scrape, without the prefix."""
        found: Samples = parse(self.text(*sections).encode())
        prefix = "ticketing_own_"
        return {(name.removeprefix(prefix), labels): v for (name, labels), v in found.items() if prefix in name}

    def status(self, collector: str) -> Status:
        return self.exporter.scraper.statuses()[collector]


def _series(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    return name + (f"{{{','.join(f'{label}={value}' for label, value in labels)}}}" if labels else "")
