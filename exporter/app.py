"""Puts the exporter together: sources, collectors and probes, and what a reload replaces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from common.deadline import Deadline, DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretError, SecretText
from exporter.collectors import fraud, health, kpis, model, security, traffic
from exporter.collectors.rate_limits import ADAPTERS
from exporter.config import Config
from exporter.exposition import render
from exporter.own_metrics.collectors import collectors as own_collectors
from exporter.probes.kinds import Sources
from exporter.probes.schedule import Schedule
from exporter.scrape import Scraper
from exporter.sources.postgres import PostgresLateError, PostgresSource
from exporter.sources.redis import RedisError, RedisSource
from exporter.sources.status import SourceStatus
from exporter.traffic_sources import VIEW
from exporter.waiting import run

NAME = "ticketing-exporter"
READY_SECONDS = 1.0


class Exporter:
    """Everything that lives as long as the process. It starts, and answers, while every source is down.

    Args:
        config: validated configuration.
        postgres_dsn: read again with each new connection.
        redis_url: read again with each new connection.
        clock: unix time in seconds.
        at_another_time: the sources are asked as if this clock were theirs, too, to know what was told at a time in
            the past.
    """

    def __init__(
        self,
        config: Config,
        *,
        postgres_dsn: SecretText,
        redis_url: SecretText,
        clock: Callable[[], float] = time.time,
        at_another_time: bool = False,
    ) -> None:
        self.config = config
        self.clock = clock
        self._clock_of_sources = clock if at_another_time else None
        self.redis = RedisSource(redis_url, f"{NAME}/api", self._status("redis"))
        self.postgres = PostgresSource(postgres_dsn, f"{NAME}/api", self._status("postgresql"))
        self._sources = Sources(postgres_dsn, redis_url)
        self._reloading = threading.Lock()
        self._schedule = Schedule(config.probes, self._sources)
        self._rate_limits = ADAPTERS[config.rate_limits.adapter](config.rate_limits)
        self._connections: list[PostgresSource | RedisSource] = []
        self.absence = config.absence
        self.scraper = self._build_scraper(config)

    def start(self) -> None:
        """Begin probing."""
        self._schedule.start()

    def close(self) -> None:
        """Stop probing and close all connections."""
        self._schedule.stop()
        for connection in [*self._connections, self.postgres, self.redis]:
            connection.close()

    def apply(self, config: Config) -> None:
        """Put another configuration in force; what it does not change goes on as it was.

        One that changes nothing at all is for what has changed in the platform, a view or labels of long ago: all is
        read anew.
        """
        with self._reloading:
            if config.probes != self.config.probes:
                self._schedule = self._schedule.changed_to(config.probes)
            self._rate_limits = ADAPTERS[config.rate_limits.adapter](config.rate_limits)
            if _collected(config) != _collected(self.config) or config == self.config:
                self.absence = config.absence
                old_connections, self._connections = self._connections, []
                self.scraper = self._build_scraper(config)
                for connection in old_connections:
                    connection.close()
            self.config = config

    def unready(self) -> list[str]:
        """Why this exporter cannot do its work now; empty when every source answers."""
        redis, postgres = [], []

        # Side by side, each with its own time: a source that hangs must not make the other look as if it did.
        async def ask_redis() -> None:
            try:
                await self.redis.read([("PING",)], Deadline(READY_SECONDS))
            except (RedisError, DeadlineExceededError) as error:
                redis.append(str(error))

        async def ask_postgres() -> None:
            try:
                await self.postgres.check(Deadline(READY_SECONDS))
            except (DeadlineExceededError, PostgresLateError) as error:
                postgres.append(str(error))
            except (PostgresError, SecretError) as error:
                postgres.append(f"PostgreSQL: {error}")

        run([ask_redis(), ask_postgres()])
        return redis + postgres

    def _build_scraper(self, config: Config) -> Scraper:
        settle = float(config.settle)
        postgres, redis = self._postgres, self._redis
        absence = self.absence
        collectors = [
            kpis.collector(postgres("kpis"), postgres("kpis-view"), redis("kpis"), settle, absence, config.kpis),
            fraud.collector(postgres("fraud"), redis("fraud"), settle, absence, config.kpis),
            traffic.collector(
                redis("traffic"),
                redis("limits"),
                traffic.Views(postgres("traffic"), postgres("limits")),
                lambda: self._rate_limits,
                config,
            ),
            model.collector(postgres("labels"), postgres("drift"), settle, absence, config.predicted_fraud),
            health.collector(lambda: self._schedule),
            security.collector(postgres("security"), settle, absence),
        ]
        here = [collector for collector in collectors if collector.parts and not absence.section(collector.section)]
        here += own_collectors(config.metrics, postgres, redis, settle)
        statuses = [connection.status for connection in self._connections]
        return Scraper(here, self.clock, render([absence.family()]), statuses)

    def _postgres(self, name: str) -> PostgresSource:
        source = PostgresSource(self._sources.postgres, f"{NAME}/{name}", self._status("postgresql"))
        self._connections.append(source)
        return source

    def _redis(self, name: str) -> RedisSource:
        source = RedisSource(self._sources.redis, f"{NAME}/{name}", self._status("redis"))
        self._connections.append(source)
        return source

    def _status(self, source: str) -> SourceStatus:
        return SourceStatus(source, lambda: float(self.config.max_lag), self._clock_of_sources)


def _collected(config: Config) -> tuple[object, ...]:
    """What collectors are made for."""
    limits = config.rate_limits
    in_views = limits if limits.adapter == VIEW else None
    return config.settle, config.absence, config.kpis, config.predicted_fraud, config.metrics, config.traffic, in_views
