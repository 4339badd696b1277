"""The way in with a real browser, a real Keycloak and a real oauth2-proxy: `make test-identity`.

Grafana itself is a stand-in; what it would be told is asked of Keycloak and given to its role expression.
"""

import base64
import hashlib
import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jmespath
import pytest
import requests

from gateway.grafana import role_expression
from tests.gateway.edge import HOST
from tests.gateway.identity.conftest import Stack
from tests.gateway.identity.people import BASE, enrol, give_code, give_password, shown, visitor
from tests.gateway.identity.servers import SECRETS
from tests.gateway.identity.totp import code, next_period
from tests.gateway.rendered import rendered
from tests.prometheus.board import SECTIONS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),  # Keycloak takes its time to start on a busy machine
]


def test_the_way_in_and_what_is_refused_on_it(stack: Stack, browser: Any) -> None:
    # The session in which the authenticator was set up was opened without it. Its page leads out of it.
    first, secret = enrol(stack, browser, "ana", "monitor-admin")
    assert "You are signed in, but not entitled" in shown(first)
    assert not stack.edge.grafana.seen
    first.click("text=sign out")
    first.click("#kc-logout")
    first.wait_for_selector("#username")
    next_period()

    # A password alone is not enough, also when one walks away from the form.
    page = visitor(browser)
    give_password(page, "ana")
    page.wait_for_selector("#otp")
    page.goto(f"{BASE}/admin/monitoring/")
    assert "/auth/realms/nft/" in page.url
    assert not stack.edge.grafana.seen
    page.goto(f"{BASE}/admin/fallback")
    assert "/auth/realms/nft/" in page.url

    # With the code one is where one wanted to go, query and all.
    give_password(page, "ana")
    page.wait_for_selector("#otp")
    used = code(secret)
    give_code(page, used)
    page.wait_for_url(f"{BASE}/admin/monitoring/d/ticketing/ticketing?var-section=kpis&from=now-6h")
    assert "/admin/monitoring/d/ticketing/ticketing?var-section=kpis&from=now-6h" in shown(page)
    seen = stack.edge.grafana.seen[-1]
    assert "authorization" not in seen.headers
    assert claims_of_grafana(stack, page) == "Admin"

    # Its own codes, of the redirects, are in no log.
    assert "/oauth2/callback" in stack.edge.log.read_text()
    for log in (stack.edge.log, stack.gate.log):
        assert "code=" not in log.read_text()

    # The same code once more is refused.
    again = visitor(browser)
    give_password(again, "ana")
    again.wait_for_selector("#otp")
    give_code(again, used)
    again.wait_for_selector("#otp")
    assert "Invalid authenticator code" in shown(again)

    # Grafana goes: the same address has the board, and says 503.
    stack.edge.grafana.hangs_up = True
    answer = page.goto(f"{BASE}/admin/monitoring/d/ticketing/ticketing")
    assert answer.status == 503
    assert "The dashboard is not answering" in shown(page)
    assert [name for name in SECTIONS if page.query_selector(f"section#{name}") is None] == []

    # Sessions are kept in Redis: deleting them ends them.
    with stack.sessions.client() as client:
        client.flushall()
    page.context.clear_cookies(name="KEYCLOAK_IDENTITY")
    page.context.clear_cookies(name="AUTH_SESSION_ID")
    page.goto(f"{BASE}/admin/monitoring/")
    assert "/auth/realms/nft/" in page.url


def claims_of_grafana(stack: Stack, page: Any) -> str | None:
    """Which role Grafana would give, from the token that it would get for this browser."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    redirect = f"{BASE}/admin/monitoring/login/generic_oauth"
    query = {"client_id": "grafana", "response_type": "code", "scope": "openid profile email", "state": "s"}
    query |= {"redirect_uri": redirect, "code_challenge": challenge, "code_challenge_method": "S256"}
    page.goto(f"{BASE}/auth/realms/nft/protocol/openid-connect/auth?{urlencode(query)}")
    found = parse_qs(urlsplit(page.url).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": found, "redirect_uri": redirect, "code_verifier": verifier}
    form |= {"client_id": "grafana", "client_secret": SECRETS["GRAFANA_OIDC_SECRET"]}
    token_url = f"http://127.0.0.1:{stack.keycloak.port}/auth/realms/nft/protocol/openid-connect/token"
    token = requests.post(token_url, data=form, timeout=20)
    token.raise_for_status()
    payload = token.json()["id_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return jmespath.search(role_expression(rendered("grafana.ini")), claims)  # type: ignore[no-any-return]


def test_who_has_no_role_is_refused(stack: Stack, browser: Any) -> None:
    _, secret = enrol(stack, browser, "bob", None)
    next_period()
    before = len(stack.edge.grafana.seen)
    page = visitor(browser)
    give_password(page, "bob")
    page.wait_for_selector("#otp")
    with page.expect_response(lambda answer: "/oauth2/callback" in answer.url) as callback:
        give_code(page, code(secret))
    assert callback.value.status == 403
    assert page.goto(f"{BASE}/admin/monitoring/").status in (403, 500)
    assert len(stack.edge.grafana.seen) == before


def test_three_wrong_codes_lock_the_account(stack: Stack, browser: Any) -> None:
    _, secret = enrol(stack, browser, "eve", "monitor-viewer")
    next_period()
    page = visitor(browser)
    give_password(page, "eve")
    for _ in range(3):
        page.wait_for_selector("#otp")
        give_code(page, f"{(int(code(secret)) + 500_000) % 10**6:06}")
    page.wait_for_load_state()
    late = visitor(browser)
    give_password(late, "eve")
    late.wait_for_load_state()
    assert late.query_selector("#otp") is None, "the right password of a locked account goes on to the code"
    assert "Invalid username or password" in shown(late)


def test_a_redirect_to_elsewhere_is_not_followed(stack: Stack) -> None:
    for target in ("https://evil.example.com/", "//evil.example.com/", "/\\evil.example.com", "https:evil.example.com"):
        answer = stack.edge.ask(f"/oauth2/start?{urlencode({'rd': target})}", source="127.0.0.1")
        assert answer.status == 302
        location = answer.headers["location"]
        assert urlsplit(location).hostname == HOST
        assert "evil" not in location


def test_what_the_gate_asks_of_keycloak(stack: Stack) -> None:
    location = stack.edge.ask("/oauth2/start", source="127.0.0.1").headers["location"]
    asked = parse_qs(urlsplit(location).query)
    assert asked["redirect_uri"] == [f"{BASE}/oauth2/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    assert "nonce" in asked
    assert location.startswith(f"{BASE}/auth/realms/nft/protocol/openid-connect/auth?")
