"""Puts the exporter together: sources, collectors and probes, and what a reload replaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exporter.collectors import fraud, health, kpis, model, security, traffic
from exporter.collectors.rate_limits import ADAPTERS
from exporter.config import Config
from exporter.deadline import Deadline, DeadlineExceededError, LimitedCalls
from exporter.probes.kinds import Sources
from exporter.probes.schedule import Schedule
from exporter.scrape import Scraper
from exporter.secrets import SecretError, SecretText
from exporter.sources.postgres import PostgresError, PostgresSource
from exporter.sources.redis import RedisError, RedisSource

NAME = "ticketing-exporter"
READY_SECONDS = 1.0
CALLS = 4
"""Requests to the JSON API and for readiness that may wait for a source at once."""


class Exporter:
    """Everything that lives as long as the process. It starts, and answers, while every source is down.

    Args:
        config: validated configuration.
        postgres_dsn: read again with each new connection.
        redis_url: read again at each use.
        clock: unix time in seconds.
    """

    def __init__(
        self,
        config: Config,
        *,
        postgres_dsn: SecretText,
        redis_url: SecretText,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.clock = clock
        self.redis = RedisSource(redis_url, NAME)
        self.calls = LimitedCalls(CALLS)
        self.feed = PostgresSource(postgres_dsn, f"{NAME}/feed")
        self._postgres_dsn = postgres_dsn
        self._sources = Sources(postgres_dsn, redis_url)
        self._reloading = threading.Lock()
        self._schedule = Schedule(config.probes, self._sources)
        self._connections: list[PostgresSource] = []
        self.scraper = self._build_scraper(config)

    def start(self) -> None:
        """Begin probing."""
        self._schedule.start()

    def close(self) -> None:
        """Stop probing and close all connections."""
        self._schedule.stop()
        self.scraper.close()
        for connection in [*self._connections, self.feed]:
            connection.close()
        self.redis.close()

    def apply(self, config: Config) -> None:
        """Put another configuration in force; what it does not change goes on as it was."""
        with self._reloading:
            if config.probes != self.config.probes:
                old_schedule, self._schedule = self._schedule, Schedule(config.probes, self._sources)
                self._schedule.start()
                old_schedule.stop()
            if (config.settle, config.rate_limits) != (self.config.settle, self.config.rate_limits):
                old_scraper, old_connections, self._connections = self.scraper, self._connections, []
                self.scraper = self._build_scraper(config)
                old_scraper.close()
                for connection in old_connections:
                    connection.close()
            self.config = config

    def unready(self) -> list[str]:
        """Why this exporter cannot do its work now; empty when every source answers."""
        deadline = Deadline(READY_SECONDS)
        reasons = []
        try:
            self.calls.run(lambda: self.redis.read([("PING",)], deadline), READY_SECONDS, "Redis")
        except (RedisError, DeadlineExceededError) as error:
            reasons.append(str(error))
        try:
            self.calls.run(lambda: self.feed.query("SELECT 1", (), deadline), READY_SECONDS, "no connection")
        except (PostgresError, DeadlineExceededError, SecretError) as error:
            reasons.append(f"PostgreSQL: {error}")
        return reasons

    def _build_scraper(self, config: Config) -> Scraper:
        settle = float(config.settle)
        limits = config.rate_limits
        return Scraper(
            [
                kpis.collector(self._connection("kpis"), self.redis, settle),
                fraud.collector(self._connection("fraud"), self.redis, settle),
                traffic.collector(self.redis, ADAPTERS[limits.adapter](limits)),
                model.collector(self._connection("labels"), self._connection("drift"), settle),
                health.collector(lambda: self._schedule),
                security.collector(self._connection("security"), settle),
            ],
            self.clock,
        )

    def _connection(self, name: str) -> PostgresSource:
        connection = PostgresSource(self._postgres_dsn, f"{NAME}/{name}")
        self._connections.append(connection)
        return connection
