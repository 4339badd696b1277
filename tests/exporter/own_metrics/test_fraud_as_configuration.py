"""Section fraud written as a configuration: the same values, from the same rows, in as many statements."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

from exporter.collectors import fraud
from exporter.own_metrics.config import FromView
from exporter.own_metrics.query import OwnQuery
from exporter.windows import RollingWindows
from tests.exporter.own_metrics.running import SECOND, Running
from tests.exporter.platform_truth import instant, parse

FRAUD = """
metrics:
  - name: fraud
    section: fraud
    from: view
    view: monitoring.fraud_predictions
    time: timestamp
    windows: [10m, 1h, 24h]
    keys:
      decision: {column: decision, words: [APPROVED, REVIEW, BLOCKED]}
    values:
      fraud_predictions: {kind: count, help: Fraud predictions.}
      fraud_score:
        kind: histogram
        column: fraud_score
        buckets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
        by: []
        help: Fraud scores.
"""
SCORES = (0.0, 0.1, 0.3, 0.30000000000000004, 0.55, 0.8, 1.0, 1.5, -0.1, None, float("nan"), float("inf"))
DECISIONS = ("APPROVED", "APPROVED", "REVIEW", "BLOCKED", None, "ESCALATED")


def predict(running: Running, dice: random.Random, rows: int, longest_age: float) -> None:
    values = []
    for _ in range(rows):
        time = instant(running.now - round(dice.random() * longest_age * SECOND))
        values += [time, dice.choice(SCORES), dice.choice(DECISIONS), json.dumps({})]
    running.execute(
        "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features) VALUES "
        + ", ".join(["(%s, 't', %s, %s, %s)"] * rows),
        values,
    )


def both(running: Running) -> tuple[dict[Any, float], dict[Any, float]]:
    """What the section has, and what the configuration has of the same, under the section's names."""
    found = parse(running.text("fraud").encode())
    product, own = {}, {}
    for (name, labels), value in found.items():
        named = {label: "UNKNOWN" if text == "other" else text for label, text in labels}
        if name.startswith("ticketing_own_"):
            # What has no name is shown with 0, too, as soon as there is some in another window.
            if value or "UNKNOWN" not in named.values():
                own["ticketing_" + name.removeprefix("ticketing_own_"), tuple(named.items())] = value
        elif name.startswith("ticketing_fraud_") and name != "ticketing_fraud_blocked_ratio":
            product[name, labels] = value
    return product, own


def test_it_has_the_same_values_from_as_many_statements_and_rows(running: Running, asked: list[str]) -> None:
    dice = random.Random(1)
    running.now -= running.now % SECOND
    predict(running, dice, 400, 86400)
    running.start(FRAUD)
    for step in range(30):
        product, own = both(running)
        assert own == product
        if not step:
            asked.clear()
        running.now += dice.choice([1, 5, 5, 60, 400]) * SECOND
        predict(running, dice, 40, 15)
    counted = Counter(asked)
    assert counted["own_fraud"] == counted["fraud"] == 29
    assert counted["own_fraud row"] == counted["fraud row"]
    assert {"ticketing_fraud_predictions", "ticketing_fraud_predictions_total", "ticketing_fraud_score_bucket"} <= {
        name for name, _ in product
    }
    section, configured = running.status("fraud"), running.status("own_fraud")
    assert section.success
    assert configured.success
    assert sum(configured.rejected.values()) == sum(section.rejected.values()) > 0


def test_without_own_metrics_nothing_more_is_asked(running: Running, asked: list[str]) -> None:
    running.start("")
    running.text()
    assert {name for name in asked if " " not in name} == {"kpis", "fraud", "labels", "drift", "security"}


def test_its_query_costs_postgresql_no_more_than_a_tenth_more(running: Running) -> None:
    predict(running, random.Random(2), 3000, 86400)
    running.execute("ANALYZE platform.fraud_predictions")
    running.start(FRAUD)
    (entry,) = running.exporter.config.metrics
    assert isinstance(entry, FromView)
    ranges = RollingWindows((600, 3600, 86400), width=5, settle=20).plan(running.now).ranges
    blocks, cost = [], []
    for query in (fraud.QUERY, OwnQuery.of(entry)):
        sql = query.sql(ranges)
        running.execute(sql)  # whatever is read for the first time
        (((plan,),),) = running.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
        blocks.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
        cost.append(plan["Plan"]["Total Cost"])
    assert blocks[1] <= 1.1 * blocks[0]
    assert cost[1] <= 1.1 * cost[0]
