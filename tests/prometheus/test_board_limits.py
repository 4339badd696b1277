"""The board follows each limit of limits.yml, and takes none that is not usable for one that is kept."""

import math
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from testbed.servers.prometheus import SHIPPED_DIRECTORY, Prometheus
from tests.prometheus.board import board, fetch, golden, markup

BOARD = "".join(
    file.read_text()
    for file in (
        SHIPPED_DIRECTORY / "consoles" / "monitoring.html",
        SHIPPED_DIRECTORY / "console_libraries" / "board.lib",
    )
)
NODE = "node_memory_MemAvailable_bytes 20\nnode_memory_MemTotal_bytes 100\n"

TRANSACTIONS = r"Target: {target}/h</small><span class=\"state {state}\""
FRAUD = r"Target: &lt;{target}</small><span class=\"state {state}\""
REVENUE = r"Baseline: \${target}, launch window</small><span class=\"state {state}\""
GLOBAL = r"alert from {limit} on.*?Global</td><td[^>]*><span class=\"bar\"><i class=\"{state}\""
DRIFT = r"{feature}</td><td[^>]*><span class=\"bar\"><i class=\"{state}\""
MEMORY = r"Memory</td><td><span class=\"bar\"><i class=\"{state}\""
FAILURES = r"{limit}\)</h3><table><tr><td[^>]*>admin0</td><td class=\"n {state}\""


class Case(NamedTuple):
    """A limit, another value of it, and what a section shows with the first, the second, and without any."""

    limit: str
    value: float
    section: str
    before: str
    after: str
    without: str


CASES = (
    Case(
        "transactions_per_hour_target", 2000, "kpis",
        TRANSACTIONS.format(target="1000", state="ok"),
        TRANSACTIONS.format(target="2000", state="watch"),
        TRANSACTIONS.format(target=r"\?", state="unknown"),
    ),
    Case(
        "transactions_per_hour_low", 1300, "kpis",
        TRANSACTIONS.format(target="1000", state="ok"),
        TRANSACTIONS.format(target="1000", state="alert"),
        TRANSACTIONS.format(target="1000", state="unknown"),
    ),
    Case(
        "fraud_rate_target", 0.015, "kpis",
        FRAUD.format(target="2%", state="ok"),
        FRAUD.format(target="1.5%", state="watch"),
        FRAUD.format(target=r"\?", state="unknown"),
    ),
    Case(
        "fraud_blocked_ratio_high", 0.017, "kpis",
        FRAUD.format(target="2%", state="ok"),
        FRAUD.format(target="2%", state="alert"),
        FRAUD.format(target="2%", state="unknown"),
    ),
    Case(
        "fraud_blocked_ratio_high", 0.017, "fraud",
        r"alert certainly above 3%", r"alert certainly above 1\.7%", r"alert certainly above \?",
    ),
    Case(
        "fraud_blocked_ratio_low", 0.019, "kpis",
        FRAUD.format(target="2%", state="ok"),
        FRAUD.format(target="2%", state="alert"),
        FRAUD.format(target="2%", state="unknown"),
    ),
    Case(
        "api_latency_p95_target_seconds", 0.04, "kpis",
        FRAUD.format(target="50ms", state="ok"),
        FRAUD.format(target="40ms", state="watch"),
        FRAUD.format(target=r"\?", state="unknown"),
    ),
    Case(
        "api_latency_p95_seconds", 0.044, "kpis",
        FRAUD.format(target="50ms", state="ok"),
        FRAUD.format(target="50ms", state="alert"),
        FRAUD.format(target="50ms", state="unknown"),
    ),
    Case(
        "revenue_per_hour_usd_baseline", 13000, "kpis",
        REVENUE.format(target="11.5k", state="ok"),
        REVENUE.format(target="13k", state="watch"),
        REVENUE.format(target=r"\?", state="unknown"),
    ),
    Case(
        "revenue_per_hour_usd_low", 12500, "kpis",
        REVENUE.format(target="11.5k", state="ok"),
        REVENUE.format(target="11.5k", state="alert"),
        REVENUE.format(target="11.5k", state="unknown"),
    ),
    Case(
        "rate_limit_watch_ratio", 0.4, "traffic",
        GLOBAL.format(limit="90%", state="ok"),
        GLOBAL.format(limit="90%", state="watch"),
        GLOBAL.format(limit="90%", state="unknown"),
    ),
    Case(
        "rate_limit_near_ratio", 0.45, "traffic",
        GLOBAL.format(limit="90%", state="ok"),
        GLOBAL.format(limit="45%", state="alert"),
        GLOBAL.format(limit=r"\?", state="unknown"),
    ),
    Case(
        "precision_drop_ratio", 0.02, "model",
        r"<div style=\"grid-column:span 2\">Next", r"Precision dropped 3% from its baseline \(limit 2%\)",
        r"\? UNKNOWN</span> Precision cannot be judged",
    ),
    Case(
        "feature_drift_watch_nats", 0.005, "model",
        DRIFT.format(feature="geo_velocity_flag", state="ok"),
        DRIFT.format(feature="geo_velocity_flag", state="watch"),
        DRIFT.format(feature="geo_velocity_flag", state="unknown"),
    ),
    Case(
        "feature_drift_nats", 4, "model",
        rf"alert above 0\.15.*?{DRIFT.format(feature='rare', state='alert')}",
        rf"alert above 4\).*?{DRIFT.format(feature='rare', state='watch')}",
        r"alert above \?.*?rare</td><td[^>]*><span class=\"none\">",
    ),
    Case(
        "service_slow_ratio", 0.0001, "health",
        r"postgresql</td>\s*<td><span class=\"state ok\">✔ UP",
        r"postgresql</td>\s*<td><span class=\"state watch\">▲ SLOW",
        r"postgresql</td>\s*<td><span class=\"state unknown\">\? UP",
    ),
    Case(
        "resource_watch_ratio", 0.85, "health",
        MEMORY.format(state="watch"), MEMORY.format(state="ok"), MEMORY.format(state="unknown"),
    ),
    Case(
        "resource_alert_ratio", 0.79, "health",
        MEMORY.format(state="watch"), MEMORY.format(state="alert"), MEMORY.format(state="unknown"),
    ),
    Case(
        "mfa_failures", 4, "security",
        FAILURES.format(limit="lock from 3", state="bad"),
        FAILURES.format(limit="lock from 4", state=""),
        FAILURES.format(limit=r"lock from \?", state=""),
    ),
    Case(
        "login_failures", 1, "security",
        FAILURES.format(limit="alert from 5", state=""),
        FAILURES.format(limit="alert from 1", state="bad"),
        FAILURES.format(limit=r"alert from \?", state=""),
    ),
)  # fmt: skip


#: A platform for each value that a limit has, and one without it; main has those that are shipped.
LIMITS = {f"{case.limit}={value}": {case.limit: value} for case in CASES for value in (case.value, math.nan)}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    text = golden() + NODE
    directory = tmp_path_factory.mktemp("board")
    # So many platforms take a while at each evaluation.
    with board(directory, [text], others=dict.fromkeys(LIMITS, text), limits=LIMITS, every="5s") as running:
        yield running


def shows(prometheus: Prometheus, platform: str, section: str, pattern: str) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + 120
    while not re.search(pattern, page := markup(fetch(prometheus, f"?platform={platform}"), section), re.DOTALL):
        assert time.monotonic() < deadline, f"{pattern} not in {page}"
        time.sleep(0.5)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.limit}-{case.section}" for case in CASES])
def test_follows_limits_yml(prometheus: Prometheus, case: Case) -> None:
    shows(prometheus, "main", case.section, case.before)
    shows(prometheus, f"{case.limit}={case.value}", case.section, case.after)
    shows(prometheus, f"{case.limit}=nan", case.section, case.without)


def test_every_limit_that_it_reads_is_tried() -> None:
    assert set(re.findall(r'limit=\\"(\w+)\\"', BOARD)) == {case.limit for case in CASES}


def test_it_compares_with_no_number_of_its_own() -> None:
    """But with these, which are no limits: nothing, all of it, no time at all, half an event, the unknown threshold."""
    literal = set(re.findall(r"(?:[<>]=?|==|!=|\b(?:ge|gt|le|lt|eq|ne) \S+) (-?\d[\d.]*(?:e\d+)?)\b", BOARD))
    assert literal <= {"0", "0.0", "1", "1.0", "1e12", "0.5", "0.01"}
    words = re.sub(r"<style>.*</style>|{{-? ?/\*.*?\*/ ?-?}}", "", BOARD, flags=re.DOTALL)
    assert not re.search(r"(?:above|below|Target:|Baseline:|from|limit)[^{<]{0,8}\d", words)
