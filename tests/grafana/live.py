"""The demo's own processes with the blueprint's figures, made quick: every few seconds instead of every minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import yaml

from demo.configs import write_configs
from demo.openmetrics import create_blocks, import_samples, write_scrape
from demo.parts import Parts, plan
from demo.programs import DATABASE
from deploy.scale import stores
from simulator.preset import figures
from testbed.servers.server import Server
from testbed.servers.victoriametrics import VictoriaMetrics
from testbed.viewer.asking import answer
from testbed.viewer.board import Asked
from testbed.viewer.macros import Chosen, filled
from tests.prometheus.ruleset import RULES

Row = dict[str, Any]

# What comes last: the model's section, uptime in two steps, and CPU, which needs two scrapes.
SETTLED = (
    'ticketing:limit:by_platform{limit="uptime_low_ratio"} >= 0',
    "ticketing:probe_success:avg30d",
    'ticketing:objective:budget_left_ratio{objective="availability"}',
    'ticketing:objective:budget_left_ratio{objective="latency"}',
    'ticketing:model_labelled:ratio{window="24h"}',
    "ticketing:kpi_revenue_per_hour_usd:relative_delta1h",
    'ticketing:fraud_blocked:ratio{window="1h"}',
    'rate(node_cpu_seconds_total{mode="idle"}[1m])',
    "increase(ticketing_fraud_score_bucket[5m])",
    "rate(prometheus_tsdb_head_samples_appended_total[1m])",
    "count(ticketing:probe_baseline_seconds:max) >= 4",
    "ticketing:model_feature_drift_nats:max",
    "increase(alertmanager_notifications_failed_total[5m])",
    'ALERTS{alertname="Watchdog",alertstate="firing"}',
)


#: Seconds.
SCRAPED_EVERY = 3


@dataclass(frozen=True)
class Live:
    """Answers to the dashboards' queries, as Grafana would get them."""

    parts: Parts

    @cached_property
    def _reader(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(self.parts.database.reader_dsn)
        connection.autocommit = True
        return connection

    def promql(self, asked: Asked, chosen: Chosen | None = None) -> list[tuple[dict[str, str], float]]:
        """Labels and last value of each series.

        Raises:
            requests.HTTPError: Prometheus refuses it.
        """
        return answer(self.parts.prometheus.url, asked, chosen)

    def sql(self, asked: Asked, chosen: Chosen | None = None) -> list[Row]:
        """Rows by column, as monitoring_reader.

        Raises:
            psycopg2.Error: PostgreSQL refuses it.
        """
        with self._reader.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(filled(asked, datetime.now(UTC), chosen))
            return [dict(row) for row in cursor.fetchall()]

    def close(self) -> None:
        """End the connection."""
        self._reader.close()


@contextmanager
def running(directory: Path, store: VictoriaMetrics | None = None) -> Iterator[Live]:
    """All processes, once every rule has been evaluated.

    Args:
        directory: for all of them.
        store: is given everything that Prometheus has, if it is running.
    """
    # Without the Grafana of whoever has one.
    parts = replace(plan(directory, "blueprint", 0), grafana=None)
    with ExitStack() as started:
        first: tuple[Server, ...] = (parts.postgres, parts.redis, parts.node_exporter)
        for server in first:
            _start(server, started)
        write_configs(parts)
        _hurry(parts.prometheus.config, store)
        past = _past(parts.prometheus.data)
        if store is not None:
            import_samples(past, store.url)
        parts.postgres.create_database(DATABASE)
        then: tuple[Server, ...] = (parts.simulator, parts.exporter, parts.alertmanager, parts.prometheus)
        for server in then:
            _start(server, started)
        live = Live(parts)
        started.callback(live.close)
        _wait(live)
        yield live


def _start(server: Server, started: ExitStack) -> None:
    started.callback(server.close)
    # Writing a day of history takes a busy machine a while.
    server.start(timeout_seconds=120)


def _hurry(config: Path, store: VictoriaMetrics | None) -> None:
    """Scrape and evaluate everything every few seconds, and write it to the store."""
    settings = yaml.safe_load(config.read_text())
    rules = config.parent / "quick-rules"
    rules.mkdir()
    for file in RULES.glob("*.yml"):
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["interval"] = "1s"
        (rules / file.name).write_text(yaml.safe_dump(content))
    settings["rule_files"] = [f"{rules}/*.yml"]
    for job in settings["scrape_configs"]:
        # Long enough for a busy machine.
        job["scrape_interval"] = job["scrape_timeout"] = f"{SCRAPED_EVERY}s"
    if store is not None:
        settings["remote_write"] = [{**stores()["victoriametrics"], "url": f"{store.url}/api/v1/write"}]
    config.write_text(yaml.safe_dump(settings))


def _past(data: Path) -> Path:
    """What the KPIs were one hour ago; returns the file that says so."""
    before = "\n".join(
        (
            f"ticketing_kpi_transactions_per_hour {figures.SALES_BEFORE}",
            f"ticketing_kpi_fraud_rate_ratio {figures.FRAUD_RATE_BEFORE / 100}",
            f"ticketing_kpi_api_latency_p95_seconds {figures.LATENCY_MS_BEFORE / 1000}",
            f"ticketing_kpi_revenue_per_hour_usd {figures.REVENUE_CENTS_BEFORE / 100}",
        )
    )
    file = data.with_name("past.openmetrics")
    with file.open("w") as scrapes:
        for ago in range(3900, 3000, -60):
            labels = {"job": "ticketing-live", "instance": "before", "platform": "main"}
            write_scrape(scrapes, before, labels, time.time() - ago)
        scrapes.write("# EOF\n")
    create_blocks(file, data)
    return file


def _wait(live: Live, timeout_seconds: float = 60) -> None:
    deadline = time.monotonic() + timeout_seconds
    for expr in SETTLED:
        while not live.parts.prometheus.query(expr):
            assert time.monotonic() < deadline, f"no answer in time: {expr}"
            time.sleep(0.2)
