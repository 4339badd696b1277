"""contract/examples/own_metrics: each entry gives what plain SQL and Redis say, its check passes, its alert works."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import redis
import yaml

from exporter.config import load
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.contract.applying import CONTRACT
from tests.exporter.contract_check.reporting import report
from tests.exporter.own_metrics.running import Running
from tests.prometheus.promtool import promtool

EXAMPLES = CONTRACT / "examples" / "own_metrics"
ENTRIES = {entry["name"]: entry for entry in yaml.safe_load((EXAMPLES / "exporter.yml").read_text())["metrics"]}
ROWS = """
    INSERT INTO shop.refunds SELECT {time}, (ARRAY['cancelled', 'late', NULL])[1 + i % 3], i FROM {rows};
    INSERT INTO shop.payments SELECT {time}, (ARRAY['card', 'bank'])[1 + i % 2],
        (ARRAY['paid', 'paid', 'declined', 'error', 'paid'])[1 + i % 5], i / 10.0 FROM {rows};
    INSERT INTO shop.reservations SELECT i, {time}, CASE WHEN i % 4 = 0 THEN now() END FROM {rows};
    INSERT INTO shop.reservations VALUES (1000, now() + interval '5 minutes', NULL);
    INSERT INTO shop.waiting SELECT 'event ' || i % 3, 'mail' || i FROM {rows};
    INSERT INTO shop.scans SELECT {time}, 'gate ' || i % 4, i % 10 > 0 FROM {rows};
    INSERT INTO shop.orders SELECT {time}, (ARRAY['USD', 'EUR', 'CHF'])[1 + i % 3], 1999 FROM {rows};
    INSERT INTO shop.events VALUES ('opening night', 100, 103), ('matinee', 100, 100), ('finale', 10, 11);
"""
WINDOWS = {"5m": 300, "10m": 600, "1h": 3600, "24h": 86400}


@pytest.fixture
def shop(
    database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, tmp_path: Path
) -> Iterator[Running]:
    """The example's platform, with rows of all ages up to 25 hours."""
    running = Running(database, redis_server.url(), tmp_path)
    for file in ("platform.sql", "views.sql"):
        running.execute((EXAMPLES / file).read_text())
    dice = random.Random(7).random()
    time = f"{running.at(0)} - (i * i % 997 / 997.0) ^ 2 * interval '25 h' - {dice} * interval '1 s'"
    running.execute(ROWS.replace("{time}", time).replace("{rows}", "generate_series(1, 300) i"))
    redis_client.rpush("mail:queue", "a", "b", "c")
    redis_client.hset("mail:stats", "failed", "7")
    yield running
    running.close()


def grouped(running: Running, table: str, time: str, value: str, *columns: str) -> dict[str, float]:
    """Plain SQL: `column=word,…` for each group, without windows when there is no time."""
    where = f"{time} > {running.at(WINDOWS[columns[-1]])} AND {time} <= {running.at(0)}" if time else "true"
    by = columns[:-1] if time else columns
    outputs = [f"coalesce({column.partition('=')[2]}::text, 'unknown')" for column in by]
    rows = running.execute(
        f"SELECT {', '.join([*outputs, value])} FROM shop.{table} WHERE {where}"
        + (f" GROUP BY {', '.join(map(str, range(1, len(by) + 1)))}" if by else "")
    )
    labels = [column.partition("=")[0] for column in by]
    found = {}
    for *words, number in rows:
        named = dict(zip(labels, words, strict=True)) | ({"window": columns[-1]} if time else {})
        found[",".join(f"{label}={word}" for label, word in sorted(named.items()))] = float(number or 0)
    return found


OUTCOME = "outcome=CASE status WHEN 'paid' THEN 'paid' ELSE 'failed' END"
CURRENCY = "currency=CASE WHEN currency IN ('USD', 'EUR', 'GBP') THEN currency ELSE 'other' END"
QUESTIONS = [
    ("refunds", "refunds", "refunds", "refunded_at", "count(*)", ["reason=reason"], ["1h", "24h"]),
    ("refunds", "refunds_usd", "refunds", "refunded_at", "sum(amount_cents) / 100", ["reason=reason"], ["1h", "24h"]),
    ("payments", "payments", "payments", "attempted_at", "count(*)", [OUTCOME, "provider=provider"], ["10m", "1h"]),
    ("expired_reservations", "expired_reservations", "reservations", "expires_at",
     "count(*) FILTER (WHERE paid_at IS NULL)", [], ["10m", "1h"]),
    ("waiting_list", "waiting", "waiting", "", "count(*)", ["event=event"], []),
    ("check_ins", "check_ins", "scans", "scanned_at",
     "count(*) FILTER (WHERE accepted)", ["gate=gate"], ["5m", "1h"]),
    ("revenue", "revenue", "orders", "paid_at", "sum(total_cents) / 100", [CURRENCY], ["1h", "24h"]),
    ("oversold", "oversold_tickets", "events", "", "sum(greatest(sold - capacity, 0))", ["event=name"], []),
    ("oversold", "oversold_events", "events", "", "count(*) FILTER (WHERE sold > capacity)", [], []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "metric", "table", "time", "value", "columns", "windows"), QUESTIONS, ids=[q[1] for q in QUESTIONS]
)
def test_an_example_by_itself_is_plain_sql(
    shop: Running, entry: str, metric: str, table: str, time: str, value: str, columns: list[str], windows: list[str]
) -> None:
    shop.start(yaml.safe_dump({"metrics": [ENTRIES[entry]]}))
    own = {name: number for name, number in shop.own().items() if name.partition("{")[0] == metric}
    truth: dict[str, float] = {}
    for window in windows or [""]:
        found = grouped(shop, table, time, value, *columns, *([window] if window else []))
        truth |= {f"{metric}{{{labels}}}" if labels else metric: number for labels, number in found.items()}
    assert any(truth.values())
    # What has no rows is shown with 0, or not at all.
    assert {name: number for name, number in own.items() if number} == pytest.approx(
        {name: number for name, number in truth.items() if number}
    )


def test_the_mail_queue(shop: Running) -> None:
    shop.start(yaml.safe_dump({"metrics": [ENTRIES["mail_queue"]]}))
    assert shop.own() == {"mail_queue_length": 3, "mail_failures": 7}


def test_the_time_of_payments(shop: Running) -> None:
    shop.start(yaml.safe_dump({"metrics": [ENTRIES["payments"]]}))
    own = shop.own()
    for provider in ("card", "bank"):
        where = f"attempted_at > {shop.at(3600)} AND attempted_at <= {shop.at(0)} AND provider = '{provider}'"
        ((exact,),) = shop.execute(
            f"SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY seconds) FROM shop.payments WHERE {where}"
        )
        # By buckets it is known to the bucket.
        bounds = [0, 1, 5, 30]
        below, above = next((a, b) for a, b in pairwise(bounds) if a < exact <= b)
        assert below <= own[f"payment_seconds_quantile{{provider={provider},quantile=0.95,window=1h}}"] <= above


def test_all_of_them_together_pass_the_check_and_are_collected(shop: Running, redis_server: Redis) -> None:
    shop.start((EXAMPLES / "exporter.yml").read_text())
    text = shop.text()
    for name in ENTRIES:
        assert f'ticketing_exporter_collector_success{{collector="own_{name}"}} 1\n' in text
    file = shop.directory / "exporter.yml"
    _, lines = report(shop.database.reader_dsn, redis_server.url(), load(file))
    own = [line for line in lines if " own_" in line]
    assert len(own) >= 2 * len(ENTRIES) - 2
    # Currencies that have no word of their own are what `other` is for.
    assert [line for line in own if not line.startswith("ok ")] == [
        "warning own_revenue keys.currency holds 'CHF', none of words"
    ]


def test_each_entry_has_ten_lines_or_fewer() -> None:
    entries = (EXAMPLES / "exporter.yml").read_text().partition("metrics:\n")[2].split("\n\n")
    assert len(entries) == len(ENTRIES) == 8
    assert max(len(entry.splitlines()) for entry in entries) <= 10


def test_the_alerts_are_right_and_read_what_the_examples_make(tmp_path: Path) -> None:
    for file in ("rules.yml", "rules_test.yml"):
        shutil.copy(EXAMPLES / file, tmp_path)
    for arguments in (("check", "rules", tmp_path / "rules.yml"), ("test", "rules", tmp_path / "rules_test.yml")):
        result = promtool(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
    rules = (EXAMPLES / "rules.yml").read_text()
    for entry in ENTRIES.values():
        assert any(f"ticketing_own_{name}" in rules for name in entry["values"]), entry["name"]
