"""Windows, counters, sums and histograms of a view, as an operator configures them."""

from __future__ import annotations

from tests.exporter.own_metrics.running import SECOND, Running

REFUNDS = """
metrics:
  - name: refunds
    section: kpis
    from: view
    view: monitoring.refunds
    time: refunded_at
    windows: [10m, 1h]
    keys:
      reason: {column: reason, most: 3}
    values:
      refunds: {kind: count, help: Refunds.}
      refunds_usd: {kind: sum, column: amount, factor: 0.01, help: Refunded in USD.}
      refund_wait_seconds:
        {kind: histogram, column: wait, buckets: [10, 60], quantiles: [0.5], by: [], help: From asking to the refund.}
"""


def refund(running: Running, age: float, reason: str | None, cents: object = 100, wait: object = 5) -> None:
    running.execute(
        f"INSERT INTO shop.refunds VALUES ({running.at(age)}, %s, 'p', %s::numeric, %s)", (reason, cents, wait)
    )


def test_windows_counters_sums_and_histogram(running: Running) -> None:
    refund(running, 5, "cancelled", cents=1999)
    refund(running, 599.999999, "cancelled", cents=1)
    refund(running, 600, "late", cents=50)
    refund(running, 3599, None, wait=90)
    refund(running, 3600, "too old")
    running.start(REFUNDS)
    assert running.own("kpis") == {
        "refunds{reason=cancelled,window=10m}": 2,
        "refunds{reason=cancelled,window=1h}": 2,
        "refunds{reason=late,window=10m}": 0,
        "refunds{reason=late,window=1h}": 1,
        "refunds{reason=unknown,window=10m}": 0,
        "refunds{reason=unknown,window=1h}": 1,
        "refunds_usd{reason=cancelled,window=10m}": 20.0,
        "refunds_usd{reason=cancelled,window=1h}": 20.0,
        "refunds_usd{reason=late,window=10m}": 0,
        "refunds_usd{reason=late,window=1h}": 0.5,
        "refunds_usd{reason=unknown,window=10m}": 0,
        "refunds_usd{reason=unknown,window=1h}": 1,
        "refunds_total{reason=cancelled}": 0,
        "refunds_total{reason=late}": 0,
        "refunds_total{reason=unknown}": 0,
        "refund_wait_seconds_bucket{le=10.0}": 0,
        "refund_wait_seconds_bucket{le=60.0}": 0,
        "refund_wait_seconds_bucket{le=+Inf}": 0,
        "refund_wait_seconds_sum": 0,
        "refund_wait_seconds_count": 0,
        "refund_wait_seconds_quantile{quantile=0.5,window=10m}": 5,
        "refund_wait_seconds_quantile{quantile=0.5,window=1h}": 10 * 2 / 3,
    }
    assert running.status("own_refunds").success
    running.now += 10 * SECOND
    refund(running, 1, "cancelled", wait=10)
    refund(running, 1, "cancelled", wait=61)
    own = running.own("kpis")
    assert own["refunds_total{reason=cancelled}"] == 2
    assert own["refund_wait_seconds_bucket{le=10.0}"] == 1
    assert own["refund_wait_seconds_bucket{le=60.0}"] == 1
    assert own["refund_wait_seconds_count"] == 2
    assert own["refund_wait_seconds_sum"] == 71
    assert own["refunds{reason=cancelled,window=10m}"] == 3
    assert own["refunds{reason=cancelled,window=1h}"] == 4
