"""On each of the example platforms, connected by its draft, a healthy week fires no alert but the watchdog."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from demo.replay import without_future
from exporter.app import Exporter
from exporter.config import Config, load
from testbed.servers.postgres import Postgres
from tests.contract.drafting import Platform, apply, create_example, drafted
from tests.contract.example_platforms import PLATFORMS
from tests.contract.healthy_weeks import DAY, WEEK, fill
from tests.exporter.web.serving import secret
from tests.prometheus.ruleset import RULES
from tests.prometheus.test_healthy import CHAIN, JOBS, OTHER_JOBS, Series, evaluate, samples

NO_REDIS = "redis://127.0.0.1:1"
#: Of a whole week, to be quick; and of each of its days, as alerts that wait for minutes need it.
STEP_SECONDS, FINE_STEP_SECONDS = 2400, 120
JOB_OF = {"health": "ticketing-live", **{section: job for job, sections in JOBS.items() for section in sections}}


@pytest.fixture(params=PLATFORMS, ids=lambda platform: platform.name)
def platform(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.param
    return found


@pytest.mark.slow
def test_it_fires_nothing_but_the_watchdog(postgres: Postgres, platform: Platform, tmp_path: Path) -> None:
    judge(postgres, platform, tmp_path, first_day=0, days=7, step=STEP_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("day", range(7))
def test_nor_does_any_minute_of_a_day(postgres: Postgres, platform: Platform, day: int, tmp_path: Path) -> None:
    judge(postgres, platform, tmp_path, first_day=day, days=1, step=FINE_STEP_SECONDS)


def judge(postgres: Postgres, platform: Platform, directory: Path, first_day: int, days: int, step: int) -> None:
    """Connect the platform, let it have a healthy week, and evaluate the shipped rules over some days of it."""
    database = create_example(postgres, platform)
    try:
        draft = directory / "draft"
        apply(database, drafted(database, draft), platform.edits)
        # promtool's clock begins on a midnight, too.
        week = time.time() // DAY * DAY - WEEK
        fill(database, platform.name, week)
        config = load(draft / "exporter.yml", draft / "platform.yml")
        series = seen(config, database.reader_dsn, week + first_day * DAY, days * DAY // step, step)
    finally:
        postgres.drop_database(database.name)
    here = {name.partition("{")[0] for name in series}
    assert here >= {"ticketing_transactions", "ticketing_kpi_revenue_per_hour_usd", "ticketing_security_events"}
    assert ("ticketing_fraud_predictions" in here) == ("fraud_predictions" not in platform.absent)
    fires = {
        "expr": 'count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[8d]))',
        "eval_time": f"{days * DAY}s",
        "exp_samples": [{"labels": '{alertname="Watchdog"}', "value": 1}],
    }
    evaluate(sorted(RULES.glob("*.yml")), series, days * DAY // step, step, [fires], directory)


def seen(config: Config, dsn: str, start: float, steps: int, step: int) -> Series:
    """What Prometheus would have scraped from `start` on, and what else it knows where all is well."""
    now = start - step
    exporter = Exporter(
        msgspec.structs.replace(config, probes={}),
        postgres_dsn=secret("POSTGRES_DSN", dsn),
        redis_url=secret("REDIS_URL", NO_REDIS),
        clock=lambda: now,
        at_another_time=True,
    )
    series: Series = defaultdict(dict)
    try:
        for number in range(-1, steps + 1):
            now = start + number * step
            for section in exporter.scraper.sections:
                answer = exporter.scraper.scrape((section,), 60)
                assert answer.complete or number < 0, exporter.scraper.statuses()[section].problems
                if number >= 0:
                    for name, value in samples(without_future(answer.text.decode()), JOB_OF[section], start):
                        series[name][number] = value
            if number >= 0:
                for name, value in around(config):
                    series[name][number] = value
    finally:
        exporter.close()
    return series


def around(config: Config) -> Iterator[tuple[str, float]]:
    """Probes, which have no past, and what Prometheus knows of itself and the others."""
    for probe in config.probes:
        yield f'ticketing_probe_success{{probe="{probe}",job="ticketing-live",instance="a"}}', 1
        yield f'ticketing_probe_duration_seconds{{probe="{probe}",job="ticketing-live",instance="a"}}', 0.002
    for job in (*JOBS, *OTHER_JOBS):
        yield f'up{{job="{job}",instance="a"}}', 1
    yield from CHAIN.items()
