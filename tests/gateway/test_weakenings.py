"""Every weakening of nginx's configuration lets an attack succeed: the attacks can fail."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway.attacks import ATTACKS, Attack
from tests.gateway.edge import Edge, edge


class Weakening(NamedTuple):
    """A text of the configuration, and what stands there instead."""

    name: str
    old: str
    new: str = ""
    balanced: bool = False


UNAUTHENTICATED = "(metrics|public-dashboards|dashboard/snapshots?|api/snapshots[^/]*|api/public|api/login)"

WEAKENINGS = (
    Weakening("everybody is inside", "$inside { default 0;", "$inside { default 1;"),
    Weakening("the allow-list is not asked", "if ($blocked) { return 403; }"),
    Weakening("paths are not filtered", "if ($bad_path) { return 400; }"),
    Weakening("semicolons are let through", "(;|%3b|", "("),
    Weakening("the client says its address", "X-Forwarded-For $remote_addr;", "X-Forwarded-For $http_x_forwarded_for;"),
    Weakening("Forwarded is passed on", 'proxy_set_header Forwarded "";'),
    Weakening("Authorization is passed on", 'proxy_set_header Authorization "";'),
    Weakening("identity headers are passed on", 'proxy_set_header X-WEBAUTH-USER "";'),
    Weakening("a password is enough", "?allowed_groups=otp?", "?"),
    Weakening("no gate", "auth_request /_gate;"),
    Weakening("no gate before the fallback", "include gate.inc;\nerror_page 401", "error_page 401"),
    Weakening("Grafana's own login", "if ($request_method != GET) { return 405; }"),
    Weakening("snapshots and public dashboards", UNAUTHENTICATED, "(metrics)"),
    Weakening("all of Keycloak", "location /auth/resources/ {", "location /auth/ {"),
    Weakening("Keycloak's token endpoint", "openid-connect/(auth|", "openid-connect/(auth|token|"),
    Weakening("all of oauth2-proxy", "~ ^/oauth2/(start|callback|sign_out)$ {", "/oauth2/ {"),
    Weakening("queries reach Prometheus", "http://$prometheus$board;", "http://$prometheus$board$is_args$args;"),
    Weakening("methods reach Prometheus", "proxy_method GET;"),
    Weakening("headers reach Prometheus", "proxy_pass_request_headers off;"),
    Weakening("internal pages are open", "internal;"),
    Weakening("any name", "server_name monitoring.nft-ticketing.com;", "server_name monitoring.nft-ticketing.com ~.;"),
    Weakening("codes may be guessed fast", "limit_req zone=signin burst=20 nodelay;"),
    Weakening("pages may be framed", "add_header X-Frame-Options DENY always;"),
    Weakening("codes are logged", '"$request_method $uri"', '"$request"'),
    Weakening("round the load balancer", "$trusted_peer { default 0;", "$trusted_peer { default 1;", balanced=True),
    Weakening("the load balancer need not say for whom", '"" 0; }', '"" 1; }', balanced=True),
    Weakening("everybody is a load balancer", "127.10.20.0/24 1;", "127.0.0.0/8 1;", balanced=True),
)


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=[one.name for one in WEAKENINGS])
def test_is_noticed(tmp_path: Path, weakening: Weakening) -> None:
    replaced = []

    def weaken(text: str) -> str:
        replaced.append(weakening.old in text)
        return text.replace(weakening.old, weakening.new)

    with edge(tmp_path, balanced=weakening.balanced, weaken=weaken) as weaker:
        assert any(replaced), "there is nothing like it in the configuration any more"
        assert any(succeeds(attack, weaker) for attack in ATTACKS)


def succeeds(attack: Attack, weaker: Edge) -> bool:
    weaker.forget()
    try:
        attack(weaker)
    except AssertionError:
        return True
    return False
