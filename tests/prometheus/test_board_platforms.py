"""The board shows one platform at a time, and lets no name get into its queries or its markup."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from testbed.servers.prometheus import Prometheus
from tests.prometheus.board import SECTIONS, board, change_limits, fetch, golden, section
from tests.prometheus.test_board import wait_for
from tests.prometheus.test_board_limits import shows

#: As nobody should call one, but a label may have any value.
ODD = "a\"b} or vector(1) <c>&'%s{\\"
FIRING = 'ALERTS{{alertname="{name}",alertstate="firing",severity="high"}} 1\n'


def staging() -> str:
    """Other figures than those of the golden metrics."""
    text = golden().replace("per_hour 1247.0", "per_hour 99.0").replace("4523.0", "77.0")
    return text.replace('account="admin', 'account="tester') + FIRING.format(name="OfStaging")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    main = golden() + FIRING.format(name="OfMain")
    odd = golden().replace("per_hour 1247.0", "per_hour 55.0")
    with board(tmp_path_factory.mktemp("board"), [main], others={"staging": staging(), ODD: odd}) as running:
        wait_for(running, "count(ticketing:kpi_revenue_per_hour_usd:max offset 2s) == 3")
        wait_for(running, "count(ticketing:limit:by_platform offset 2s) > 60")
        yield running


@pytest.mark.parametrize(
    ("query", "platform", "transactions"),
    [
        ("", "main", "1,247"),
        ("?platform=", "main", "1,247"),
        ("?platform=main", "main", "1,247"),
        ("?platform=staging", "staging", "99"),
        (f"?platform={quote(ODD)}", ODD, "55"),
    ],
)
def test_shows_the_platform_that_is_asked_for(
    prometheus: Prometheus, query: str, platform: str, transactions: str
) -> None:
    page = fetch(prometheus, query)
    assert f"Transactions {transactions} " in section(page, "kpis")
    assert "Target: 1000/h" in section(page, "kpis")
    assert f"<b>{platform}</b>" in html.unescape(page)
    assert "No platform of the name" not in page
    assert [name for name in SECTIONS if not section(page, name)] == []


def test_nothing_of_one_is_on_the_board_of_another(prometheus: Prometheus) -> None:
    main, other = fetch(prometheus), fetch(prometheus, "?platform=staging")
    for text in ("1,247", "4,523", "admin0", "OfMain"):
        assert text in main
        assert text not in other
    for text in ('Transactions</h3><div class="big">99<', "77 / 10,000", "tester0", "OfStaging"):
        assert text in other
        assert text not in main
    assert "✔ 1 targets answer" in section(main, "health")


def test_links_to_the_others_and_says_how_many_alerts_they_have(prometheus: Prometheus) -> None:
    (nav,) = re.findall(r"<nav.*?</nav>", fetch(prometheus))
    links = dict(re.findall(r'<a href="\?platform=([^"]*)">([^<]*)</a>', nav))
    assert {unquote(query) for query in links} == {"staging", ODD}
    assert re.fullmatch(r"staging \(\d+ firing\)", links["staging"])
    for query in links:
        assert "No platform of the name" not in fetch(prometheus, f"?platform={query}")


@pytest.mark.parametrize(
    "name", ["other", 'main"', '"} or vector(1) #', "<script>alert(1)</script>", "%s%d", "main\n", "\x00", "'onload=x"]
)
def test_an_unknown_name_gets_in_nowhere(prometheus: Prometheus, name: str) -> None:
    page = fetch(prometheus, f"?platform={quote(name)}")
    assert "No platform of the name that was asked for is known.</b> This is main." in page
    assert "Transactions 1,247 " in section(page, "kpis")
    if len(name.strip()) > 5:
        assert name not in page
        assert html.escape(name) not in page


def test_without_main_it_shows_the_first(tmp_path: Path) -> None:
    with board(tmp_path, others={"staging": golden(), "blue": golden()}) as running:
        wait_for(running, "count(ticketing:platform:known) == 2")
        assert "<b>blue</b>" in fetch(running)
        assert "<b>staging</b>" in fetch(running, "?platform=staging")


def test_a_limit_of_one_platform_is_that_platforms(prometheus: Prometheus) -> None:
    change_limits(prometheus, {"fraud_rate_target": 0.01}, "staging")
    shows(prometheus, "staging", "kpis", r"Target: &lt;1%</small><span class=\"state watch\"")
    shows(prometheus, "main", "kpis", r"Target: &lt;2%</small><span class=\"state ok\"")
