"""The board says what is not on the platform, in place of "no data", and of nothing else."""

import re
from collections.abc import Iterator

import pytest

from exporter.absence import HAS, Absence
from exporter.exposition import assemble, render
from testbed.servers.prometheus import Prometheus
from tests.prometheus.board import SECTIONS, board, fetch, golden, markup, section
from tests.prometheus.test_board import wait_for

HERE = "not on this platform"
LACKS = {
    "sections": {"sections": ["kpis", "fraud", "traffic", "model", "health", "security"]},
    "parts": {"keys": ["kpi:fraud_rate"], "features": ["latency", "revenue", "drift", "clients", "sign_ins"]},
    "limits": {"features": ["rate_limits", "labels"], "keys": ["kpi:txn_per_hour"]},
}


def lacking(declared: dict[str, list[str]]) -> str:
    """What the exporter of such a platform would say, in so far as the board reads it: the declaration is enough."""
    others = [line for line in golden().splitlines(keepends=True) if HAS.name not in line]
    return "".join(others) + assemble([render([Absence.of(declared).family()])], openmetrics=False).decode()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    others = {name: lacking(declared) for name, declared in LACKS.items()}
    read = 'ticketing_exporter_history_complete_ratio{collector="fraud"} '
    others["limits"] = others["limits"].replace(f"{read}1", f"{read}0.917")
    # Of clients only its rate limiter knows, and of a minute.
    others["limiter"] = re.sub(r'(ticketing_client_requests\{.*)window="5m"', r'\1window="1m"', golden())
    with board(tmp_path_factory.mktemp("board"), [golden()], others=others) as running:
        wait_for(running, "count(ticketing:kpi_revenue_per_hour_usd:max offset 2s) == 5")
        wait_for(running, "count(count by (platform) (ticketing:platform:absent)) == 3")
        yield running


def test_a_platform_that_has_everything(prometheus: Prometheus) -> None:
    assert HERE not in fetch(prometheus)


def test_history_that_is_still_being_read(prometheus: Prometheus) -> None:
    told = "section fraud is still reading history, 91.7% of it is read"
    assert told in section(fetch(prometheus, "?platform=limits"), "health")
    assert "reading history" not in fetch(prometheus)


def test_clients_of_a_minute(prometheus: Prometheus) -> None:
    page, other = (section(fetch(prometheus, where), "traffic") for where in ("?platform=limiter", ""))
    assert "Top 5 IPs, last minute" in page
    assert "Top 5 IPs, last 5 minutes" in other
    assert page.replace("last minute", "last 5 minutes") == other


def test_sections(prometheus: Prometheus) -> None:
    page = fetch(prometheus, "?platform=sections")
    for name in SECTIONS:
        assert HERE in section(page, name)
        assert "1,247" not in section(page, name)
    assert "Resource usage" in section(page, "health")


def test_parts(prometheus: Prometheus) -> None:
    page = fetch(prometheus, "?platform=parts")
    times = {name: section(page, name).count(HERE) for name in SECTIONS}
    assert times == {"kpis": 3, "fraud": 0, "traffic": 1, "model": 1, "health": 0, "security": 2}
    assert "Transactions 1,247 " in section(page, "kpis")
    assert re.search(rf"Fraud Rate</h3><span class=\"none\">{HERE}</span></div>", markup(page, "kpis"))


def test_limits(prometheus: Prometheus) -> None:
    page = fetch(prometheus, "?platform=limits")
    times = {name: section(page, name).count(HERE) for name in SECTIONS}
    assert times == {"kpis": 1, "fraud": 0, "traffic": 2, "model": 2, "health": 0, "security": 0}
