"""An entry that is wrong, slow or without rights costs itself, and says so; a reload mends it."""

from __future__ import annotations

import time

import pytest

from exporter.config import load
from exporter.web.landing import page
from tests.exporter.own_metrics.running import Running

TWO = """
metrics:
  - name: refunds
    section: kpis
    from: view
    view: monitoring.refunds
    time: refunded_at
    windows: [10m]
    values: {{refunds: {{kind: count, help: Refunds.}}}}
  - name: wrong
    section: kpis
    from: view
    view: {view}
    time: {time}
    windows: [10m]
    keys: {{reason: {{column: {key}}}}}
    values: {{wrong: {{kind: sum, column: {column}, help: Wrong.}}}}
"""
RIGHT = {"view": "monitoring.refunds", "time": "refunded_at", "key": "reason", "column": "amount"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"view": "monitoring.nothing"}, 'relation "monitoring.nothing" does not exist'),
        ({"view": "shop.refunds"}, "permission denied for schema shop"),
        ({"time": "reason"}, "(ticketing-exporter --contract.check tells more)"),
        ({"key": "nobody"}, 'column "nobody" does not exist'),
        ({"column": '"amount\\" + 1"'}, 'column "amount" + 1" does not exist'),
        ({"column": "reason"}, "function abs(text) does not exist"),
    ],
)
def test_one_wrong_entry_costs_itself(running: Running, change: dict[str, str], problem: str) -> None:
    running.start(TWO.format(**{**RIGHT, **change}))
    text = running.text("kpis")
    assert 'ticketing_own_refunds{window="10m"} 0\n' in text
    assert "ticketing_own_wrong" not in text
    assert 'ticketing_exporter_collector_success{collector="own_refunds"} 1\n' in text
    assert 'ticketing_exporter_collector_success{collector="own_wrong"} 0\n' in text
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1\n' in text
    assert problem in running.status("own_wrong").problems[0]
    scraper = running.exporter.scraper
    shown = page(scraper.statuses(), scraper.sources(), running.exporter.absence, scraper.collectors)
    rows = [row for row in shown.split("<tr>") if 'href="metrics?collect[]=kpis"' in row]
    assert [row.partition(">kpis<")[1] or row.partition("own_")[2].partition("<")[0] for row in rows] == [
        ">kpis<", "refunds", "wrong"
    ]  # fmt: skip
    assert [">failed<" in row for row in rows] == [False, False, True]


def test_a_view_that_takes_for_ever_is_cancelled(running: Running) -> None:
    running.execute(
        "CREATE VIEW monitoring.slow AS SELECT refunded_at, reason, amount FROM shop.refunds, pg_sleep(60);"
        "GRANT SELECT ON monitoring.slow TO monitoring_reader"
    )
    running.execute(f"INSERT INTO shop.refunds VALUES ({running.at(1)}, 'a', 'p', 1, 1)")
    running.start(TWO.format(**{**RIGHT, "view": "monitoring.slow"}))
    running.exporter.scraper.scrape(["kpis"], 2)
    started = time.monotonic()
    text = running.exporter.scraper.scrape(["kpis"], 1).text.decode()
    assert time.monotonic() - started < 3
    assert 'ticketing_own_refunds{window="10m"} 1\n' in text
    assert 'ticketing_exporter_collector_success{collector="kpis"} 1\n' in text
    assert "query cancelled after" in running.status("own_wrong").problems[0]
    active = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'monitoring_reader' AND state = 'active'"
    assert running.execute(active) == [(0,)]


def test_a_reload_puts_another_list_in_force(running: Running) -> None:
    running.start(TWO.format(**{**RIGHT, "view": "monitoring.nothing"}))
    assert "ticketing_own_wrong" not in running.text("kpis")
    file = running.directory / "exporter.yml"
    file.write_text("probes: {}\n" + TWO.format(**RIGHT))
    running.exporter.apply(load(file))
    running.execute(f"INSERT INTO shop.refunds VALUES ({running.at(1)}, 'a', 'p', 7, 1)")
    assert running.own("kpis")["wrong{reason=a,window=10m}"] == 7
    file.write_text("probes: {}\n")
    running.exporter.apply(load(file))
    assert running.own() == {}
