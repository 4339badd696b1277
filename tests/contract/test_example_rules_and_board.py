"""Of platforms that differ in everything, what the rules record and the board shows is what their tables hold, too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.contract.conftest import NO_REDIS, Connected
from tests.contract.source_truth import Truth, Values
from tests.exporter.web.serving import exporter_of
from tests.prometheus.board import board, fetch, section
from tests.prometheus.test_board import wait_for

DAY = 'window="24h"'
#: Labels by name, actual before predicted.
OUTCOMES = (("fraud", "fraud"), ("fraud", "legit"), ("legit", "fraud"))


def recorded(truth: Values) -> Iterator[tuple[str, float]]:
    """Expressions over recorded series, and what they should be."""
    yield "ticketing:transactions_per_hour:known", truth["kpi_transactions_per_hour",]
    yield "ticketing:revenue_per_hour_usd:known", truth["kpi_revenue_per_hour_usd",]
    yield "ticketing:revenue_per_hour_usd:last10m", 6 * truth["revenue_usd", "10m"]
    if ("fraud_blocked_ratio", "10m") in truth:
        yield 'ticketing:fraud_blocked:ratio{window="10m"}', truth["fraud_blocked_ratio", "10m"]
        yield (
            f"ticketing:fraud_predictions:sum{{{DAY}}}",
            sum(
                count for (name, *labels), count in truth.items() if name == "fraud_predictions" and labels[-1] == "24h"
            ),
        )
        hit, miss, alarm = (truth["model_predictions", *of, "24h"] for of in OUTCOMES)
        yield f"ticketing:model_precision:ratio{{{DAY}}}", hit / (hit + alarm)
        yield f"ticketing:model_recall:ratio{{{DAY}}}", hit / (hit + miss)


def shown(truth: Values) -> Mapping[str, str]:
    """Texts on the board, by section."""
    texts = {"kpis": f" {truth['kpi_transactions_per_hour',]:,.0f} "}
    if ("fraud_predictions", "BLOCKED", "1h") in truth:
        texts["fraud"] = f" {truth['fraud_predictions', 'BLOCKED', '1h']:,.0f} "
    return texts


def test_rules_and_board_have_the_values_of_the_source_tables(connected: Connected, tmp_path: Path) -> None:
    now = time.time()
    exporter = exporter_of(connected.database.reader_dsn, NO_REDIS, connected.config, clock=lambda: now)
    text = exporter.scraper.scrape(exporter.scraper.sections, 60).text.decode()
    exporter.close()
    truth = Truth(connected.database, connected.platform, now).values()
    with board(tmp_path, [text]) as prometheus:
        for expression, expected in recorded(truth):
            wait_for(prometheus, expression)
            ((_, value),) = prometheus.query(expression)
            assert value == pytest.approx(expected), expression
        page = fetch(prometheus)
        for name, figure in shown(truth).items():
            assert figure in f" {section(page, name)} ", name
