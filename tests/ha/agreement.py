"""Whether Prometheus and the store give the same answer, and where they may not."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests

from testbed.servers.victoriametrics import VictoriaMetrics
from testbed.viewer.board import Asked, queries
from testbed.viewer.macros import filled, time_range
from tests.grafana.live import SCRAPED_EVERY, Live
from tests.ha.vmalert import VmAlert, active
from tests.prometheus.ruleset import rules
from tests.responder.process import wait_until

#: Labels without the metric's name, which VictoriaMetrics keeps where Prometheus drops it; value by unix second.
Series = dict[frozenset[tuple[str, str]], dict[float, float]]

#: Prometheus extrapolates from the first and last sample of the window to its ends; VictoriaMetrics takes the last
#: sample before the window instead of its first, and extrapolates nothing. So it is with changes from sample to sample.
EXTRAPOLATED = re.compile(r"\b(?:rate|increase|changes)\(")

#: Between spaces: what stands between a label and its value does not.
COMPARISON = re.compile(r"(?<=\s)(==|!=|>=|<=|>|<)(?=\s)(?!\s+bool)")

#: Seconds of its windows here: five minutes, as shipped, would take as long to fill.
WINDOW = 30

#: Of a step of `testbed.viewer.macros`, what follows: between two questions it becomes more.
AHEAD = "offset -5m"

#: Seconds of the subqueries that judge a minute by its scrapes; they stay as they are shipped.
SUBQUERY = 60

#: Counters that move on a busy machine alone: what they gain in one scrape is wholly within a window, or not at all.
MISHAPS = ("alertmanager_notifications_failed_total", "prometheus_rule_group_iterations_missed_total")

#: Numbers that are the same come from sums in another order.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Range:
    """Of a range query, in unix seconds."""

    start: float
    end: float
    step: float


def check_every_query_and_rule(live: Live, store: VictoriaMetrics, subtests: pytest.Subtests) -> None:
    """Ask both everything, of a moment that the store has whole."""
    prometheus = live.parts.prometheus
    # The windows are full, with a scrape before each of them.
    full = max(WINDOW, SUBQUERY) + 2 * SCRAPED_EVERY
    wait_until(lambda: bool(prometheus.query(f"up offset {full}s")), 2 * full)
    # VictoriaMetrics evaluates at whole seconds. On a step of subqueries, of 5 s or a minute, only Prometheus would
    # count the step that their range begins with.
    now = math.floor(time.time() / 5) * 5 - 1
    wait_until(lambda: _written_until(prometheus.url) > now, 30)
    # What is written can be found a moment later.
    wait_until(lambda: ask(store.url, "timestamp(up)", now) == ask(prometheus.url, "timestamp(up)", now), 30)
    answered = 0
    mishaps = [name for name in MISHAPS if prometheus.query(f"increase({name}[5m]) > 0")]
    for name, expr, at in _expressions(now):
        if any(counter in expr for counter in mishaps):
            continue
        with subtests.test("the store agrees", query=name):
            # A scrape longer, so that it has the sample before the window that VictoriaMetrics begins with.
            of_prometheus = ask(prometheus.url, in_window(expr, WINDOW + SCRAPED_EVERY), at)
            of_store = ask(store.url, in_window(expr, WINDOW), at)
            problem = difference(expr, of_prometheus, of_store)
            assert problem is None, f"{expr}: {problem}"
            answered += bool(of_prometheus)
    assert answered > 180


def check_vmalert(live: Live, store: VictoriaMetrics) -> None:
    """It finds the same alerts in the store as Prometheus in its own data; now there is one on top of Watchdog."""
    prometheus = live.parts.prometheus
    directory = live.parts.directory / "vmalert"
    rules = prometheus.config.parent / "quick-rules"
    with VmAlert(directory, rules, store.url, live.parts.alertmanager.url) as vmalert:

        def equal() -> bool:
            return vmalert.active() == active(f"{prometheus.url}/api/v1/alerts")

        wait_until(equal, 60, lambda: f"{vmalert.active()} {active(f'{prometheus.url}/api/v1/alerts')}")
        assert {"Watchdog", "UnauthorizedAdminAccess"} <= {dict(alert)["alertname"] for alert in vmalert.active()}


def _expressions(now: float) -> Iterator[tuple[str, str, float | Range]]:
    """Name, text, and for when it is asked."""
    asked: list[tuple[str, str, float | Range]] = [
        (
            str(query),
            filled(query, datetime.fromtimestamp(now, UTC)).replace(AHEAD, ""),
            _range_of(query, now) if query.over_time else now,
        )
        for query in queries(sql=False)
    ]
    for rule in rules():
        expr = rule.content["expr"]
        asked.append((rule.name, expr, now))
        # Most have nothing to say while all is well; what they compare has a value.
        asked.append((f"{rule.name}, compared", COMPARISON.sub(r"\1 bool", expr), now))
    for name, expr, at in asked:
        # Over time the first windows would not be full.
        yield name, expr, now if EXTRAPOLATED.search(expr) else at


def in_window(expr: str, seconds: int) -> str:
    """The expression with this window, where what it counts depends on it."""
    return re.sub(r"\[\d+[smh]\]", f"[{seconds}s]", expr) if EXTRAPOLATED.search(expr) else expr


def _range_of(query: Asked, now: float) -> Range:
    start, end = time_range(query, datetime.fromtimestamp(now, UTC))
    return Range(start.timestamp(), end.timestamp(), max((end - start).total_seconds() / 1000, 5))


def _written_until(prometheus: str) -> float:
    """Until when the store was sent everything, in unix seconds."""
    text = requests.get(f"{prometheus}/metrics", timeout=10).text
    name = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name}{{"))
    return float(line.rpartition(" ")[2])


def ask(url: str, expr: str, at: float | Range) -> Series:
    """What whatever has Prometheus's API at the address says.

    Raises:
        requests.RequestException: it does not answer, or refuses the expression.
    """
    if isinstance(at, Range):
        path, times = "query_range", {"start": f"{at.start:.3f}", "end": f"{at.end:.3f}", "step": f"{at.step:.3f}"}
    else:
        path, times = "query", {"time": f"{at:.3f}"}
    answer = requests.get(f"{url}/api/v1/{path}", {"query": expr, **times}, timeout=30)
    if not answer.ok:
        raise requests.HTTPError(f"{url} refuses {expr!r}: {answer.text}", response=answer)
    data = answer.json()["data"]
    if data["resultType"] == "scalar":
        # Of a number VictoriaMetrics makes a vector.
        second, number = data["result"]
        return {frozenset(): {round(float(second)): float(number)}}
    return {
        # An empty label is none.
        frozenset((name, value) for name, value in one["metric"].items() if value and name != "__name__"): {
            # VictoriaMetrics rounds the time of an instant query to seconds.
            round(float(second)): float(value)
            for second, value in one.get("values") or [one["value"]]
        }
        for one in data["result"]
    }


def without_nan(series: Series) -> Series:
    """VictoriaMetrics has no NaN: what is one is not there."""
    known = {labels: {at: v for at, v in values.items() if not math.isnan(v)} for labels, values in series.items()}
    return {labels: values for labels, values in known.items() if values}


def without_verdict(series: Series) -> Series:
    """Close to a limit, two figures that are almost the same may be on either side of it."""
    return {frozenset(label for label in labels if label[0] != "verdict"): of for labels, of in series.items()}


def difference(expr: str, prometheus: Series, store: Series) -> str | None:
    """How the two answers to an expression differ, if by more than they may."""
    expected = without_nan(prometheus)
    if EXTRAPOLATED.search(expr):
        expected, store = without_verdict(expected), without_verdict(store)
    if expected.keys() != store.keys():
        return f"series of Prometheus {[*expected]}, of the store {[*store]}"
    for labels, values in expected.items():
        if values.keys() != store[labels].keys():
            return f"{dict(labels)}: only one of them has {sorted(values.keys() ^ store[labels].keys())}"
        for at, value in values.items():
            other = store[labels][at]
            if EXTRAPOLATED.search(expr):
                close = _as_extrapolated(value, other, expr)
            else:
                close = math.isclose(value, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
            if not close and value != other:
                return f"{dict(labels)} at {at}: {value} of Prometheus, {other} of the store"
    return None


def _as_extrapolated(value: float, other: float, expr: str) -> bool:
    """Within two scrapes of the window and one event at its edge."""
    event = 1 / WINDOW if "rate(" in expr else 1.0
    return abs(value - other) <= 2 * SCRAPED_EVERY / WINDOW * max(abs(value), abs(other)) + event
