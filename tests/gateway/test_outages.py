"""What is down is never hidden, never opens a way in, and never keeps people from what is left."""

import json
from pathlib import Path

import pytest

from testbed.servers.prometheus import Prometheus
from tests.gateway import standins
from tests.gateway.attacks import BOARD, DASHBOARD, GATED, REPORT, by_reading_codes_in_the_log, reached
from tests.gateway.edge import HTML, edge
from tests.prometheus.board import board


def test_grafana_down_shows_the_board_at_the_same_url(tmp_path: Path) -> None:
    with edge(tmp_path, down=["grafana"]) as running:
        shown = running.ask(DASHBOARD + "?from=now-6h", session="with-otp", headers=HTML)
        # 503 and not 200: an uptime check must see the outage.
        assert (shown.status, shown.body) == (503, "prometheus /consoles/monitoring.html?down=1&")
        linked = running.ask(DASHBOARD + "?var-section=kpis&var-platform=staging", session="with-otp", headers=HTML)
        assert linked.body == "prometheus /consoles/monitoring.html?down=1&platform=staging"
        assert shown.headers["retry-after"] == "15"
        assert shown.headers["cache-control"] == "no-store"
        data = running.ask("/admin/monitoring/api/ds/query", method="POST", session="with-otp", body=b"{}")
        assert (data.status, data.headers["content-type"]) == (503, "application/json")
        assert "/admin/fallback" in json.loads(data.body)["message"]


@pytest.mark.parametrize("session", [None, "password-only"])
def test_grafana_down_opens_no_way_round_the_gate(tmp_path: Path, session: str | None) -> None:
    with edge(tmp_path, down=["grafana"]) as running:
        for place in GATED:
            for headers in (HTML, {}):
                assert running.ask(place, session=session, headers=headers).status in (302, 401, 403)
        assert not reached(running, running.gate)


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "failing"])
@pytest.mark.parametrize("session", [None, "with-otp"])
def test_gate_down_lets_nobody_in(tmp_path: Path, gone: bool, session: str | None) -> None:
    with edge(tmp_path, gate=standins.broken, down=["gate"] if gone else []) as running:
        for place in GATED:
            assert running.ask(place, session=session, headers=HTML).status in (500, 503)
            assert running.ask(place, session=session).status in (500, 503)
        page = running.ask(DASHBOARD, session=session, headers=HTML)
        assert (page.status, "Signing in is not possible" in page.body) == (503, True)
        assert "Signing in is not possible" in running.ask(BOARD, session=session, headers=HTML).body
        assert not reached(running, running.gate)


def test_gate_and_grafana_down_show_nothing(tmp_path: Path) -> None:
    with edge(tmp_path, down=["gate", "grafana"]) as running:
        assert running.ask(DASHBOARD, session="with-otp", headers=HTML).status == 503
        assert not reached(running)


def test_keycloak_down_keeps_those_who_are_in(tmp_path: Path) -> None:
    with edge(tmp_path, down=["keycloak"]) as running:
        assert running.ask(DASHBOARD, session="with-otp").status == 200
        page = running.ask("/auth/realms/nft/protocol/openid-connect/auth?client_id=gate", headers=HTML)
        assert (page.status, "Signing in is not possible" in page.body) == (503, True)


def test_prometheus_down_too(tmp_path: Path) -> None:
    with edge(tmp_path, down=["grafana", "prometheus"]) as running:
        page = running.ask(DASHBOARD, session="with-otp", headers=HTML)
        assert (page.status, "The dashboard and its fallback are down" in page.body) == (503, True)


def test_responder_down_is_said(tmp_path: Path) -> None:
    with edge(tmp_path, down=["responder"]) as running:
        page = running.ask(REPORT, session="with-otp", headers=HTML)
        assert (page.status, "The responder is not answering" in page.body) == (503, True)


def test_what_the_responder_refuses_comes_as_it_is(tmp_path: Path) -> None:
    with edge(tmp_path) as running:
        running.responder.answer = lambda _: standins.Reply(404, '{"error": "there is no such incident"}')
        answer = running.ask(REPORT, session="with-otp", headers=HTML)
        assert (answer.status, json.loads(answer.body)) == (404, {"error": "there is no such incident"})


@pytest.mark.parametrize("down", [["gate"], ["grafana", "keycloak", "prometheus"]], ids=str)
def test_no_outage_has_codes_of_a_sign_in_written_to_the_log(tmp_path: Path, down: list[str]) -> None:
    with edge(tmp_path, down=down) as running:
        by_reading_codes_in_the_log(running)


def test_starts_before_everything_else(tmp_path: Path) -> None:
    # Names that nobody knows yet, and a DNS server that does not answer.
    with edge(tmp_path, resolver="127.0.0.1", gate_address="oauth2-proxy:4180", grafana="grafana:3000") as running:
        assert running.ask(DASHBOARD, headers=HTML).status == 503


def test_a_real_prometheus_serves_the_board(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with (
        board(tmp_path / "p") as prometheus,
        edge(tmp_path, down=["grafana"], prometheus=address(prometheus)) as running,
    ):
        page = running.ask(DASHBOARD, session="with-otp", headers=HTML)
        assert page.status == 503
        assert "The dashboard is not answering" in page.body
        assert running.ask(BOARD, session="with-otp", headers=HTML).status == 200


def address(prometheus: Prometheus) -> str:
    return prometheus.url.removeprefix("http://")
