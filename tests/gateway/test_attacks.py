"""The attack list against the real nginx with the shipped configuration, with and without a load balancer in front."""

from collections.abc import Iterator

import pytest

from tests.gateway.attacks import ATTACKS, INCIDENT, REPORT, Attack
from tests.gateway.edge import HTML, Edge, edge


@pytest.fixture(scope="module", params=[False, True], ids=["direct", "balanced"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge(tmp_path_factory.mktemp("edge"), balanced=request.param) as running:
        yield running


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: str(attack.__name__))
def test_is_refused(shipped: Edge, attack: Attack) -> None:
    shipped.forget()
    attack(shipped)


def test_who_is_entitled_gets_in(shipped: Edge) -> None:
    shipped.forget()
    answer = shipped.ask("/admin/monitoring/d/ticketing/ticketing?var-section=kpis", session="with-otp", headers=HTML)
    assert (answer.status, answer.body) == (
        200,
        '{"grafana": "/admin/monitoring/d/ticketing/ticketing?var-section=kpis"}',
    )
    assert shipped.ask("/admin/fallback", session="with-otp").body == "prometheus /consoles/monitoring.html?"
    report = shipped.ask(REPORT, session="with-otp", headers=HTML)
    assert (report.status, report.body) == (200, f"responder /incidents/{INCIDENT}/report")
    assert shipped.ask("/admin/monitoring", session="with-otp").headers["location"] == "/admin/monitoring/"


@pytest.mark.parametrize("query", ["platform=staging-2", "a=1&platform=staging-2&b=2", "var-platform=staging-2"])
def test_the_fallback_is_told_which_platform(shipped: Edge, query: str) -> None:
    shown = shipped.ask(f"/admin/fallback?{query}", session="with-otp").body
    assert shown == "prometheus /consoles/monitoring.html?platform=staging-2"


def test_who_is_signed_out_comes_back_to_where_they_were(shipped: Edge) -> None:
    shipped.forget()
    answer = shipped.ask("/admin/monitoring/d/x?from=now-6h&to=now", headers=HTML)
    assert answer.status == 302
    start = shipped.gate.seen[-1]
    assert start.path == "/oauth2/start"
    assert start.headers["x-auth-request-redirect"] == "/admin/monitoring/d/x?from=now-6h&to=now"
