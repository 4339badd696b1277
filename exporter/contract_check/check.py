"""The whole check, part by part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TextIO

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretError, SecretText
from contract.definition import KPIS_VIEW
from exporter.config import Config
from exporter.contract_check.amounts import check_amounts
from exporter.contract_check.database import Database, reason
from exporter.contract_check.decision_words import check_decision_words
from exporter.contract_check.features import check_features
from exporter.contract_check.finding import DOWN, OK, Finding
from exporter.contract_check.freshness import check_freshness
from exporter.contract_check.kpi_sources import check_kpi_sources, has_view, renamed
from exporter.contract_check.kpis import check_values
from exporter.contract_check.own_metrics import check_own_reads, check_own_views
from exporter.contract_check.plans import check_plans
from exporter.contract_check.redis_keys import check_redis
from exporter.contract_check.report import FORMATS
from exporter.contract_check.schema import Columns, check_functions, check_schema
from exporter.contract_check.traffic_views import check_traffic_views
from exporter.contract_check.words import check_words
from exporter.kpi_sources import KPIS
from exporter.sources.postgres import PostgresSource
from exporter.sources.redis import RedisSource
from exporter.traffic_sources import views_read

NAME = "ticketing-exporter/check"


def check(postgres_dsn: SecretText, redis_url: SecretText, config: Config, output: TextIO, form: str = "text") -> int:
    """Print the report, in one of `FORMATS`; returns 0 when everything needed is there and right, 1 otherwise."""
    postgres, client = PostgresSource(postgres_dsn, NAME), RedisSource(redis_url, NAME)
    usable: Columns = {}
    database = Database(postgres)
    parts = {
        "PostgreSQL": _postgres(database, config, usable),
        "Redis": _redis(client, config, database, usable),
    }
    try:
        failed = FORMATS[form](parts, output)
    finally:
        postgres.close()
        client.close()
    return 1 if failed else 0


def _postgres(database: Database, config: Config, usable: Columns) -> Iterator[Finding]:
    try:
        limits = config.rate_limits
        views = [KPIS_VIEW] if has_view(config.kpis) else []
        views += views_read(config.traffic, limits.adapter, config.absence, limits_told=bool(limits.told))
        yield from check_schema(database, config.absence, usable, views)
        for part in (check_freshness, check_plans, check_words, check_decision_words, check_amounts, check_features):
            yield from part(database, usable)
        yield from check_traffic_views(database, config.traffic, usable)
        yield from check_kpi_sources(database, config.kpis, usable)
        yield from check_own_views(database, config.metrics)
        yield from check_functions(database)
    except (PostgresError, DeadlineExceededError, SecretError) as error:
        usable.clear()
        yield Finding(DOWN, "connection", reason(error), "see POSTGRES_DSN, the network, and the server's log")


def _redis(client: RedisSource, config: Config, database: Database, usable: Columns) -> Iterator[Finding]:
    values: dict[str, float] = {}
    keys = list(check_redis(client, config, values))
    own_names = {kpi.key: name for kpi in KPIS if (name := kpi.redis_key(config.kpis))}
    meanings = [renamed(finding, own_names) for finding in check_values(database, usable, values, time.time())]
    judged = {finding.subject for finding in meanings}
    # That it is there and a number says nothing beside what is wrong with it.
    yield from (finding for finding in keys if finding.state != OK or finding.subject not in judged)
    yield from meanings
    yield from check_own_reads(client, config.metrics)
