"""Every weakening of nginx's configuration lets the attack succeed that it opens the way for: each attack can fail."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway import attacks
from tests.gateway.attacks import ATTACKS, Attack
from tests.gateway.edge import edge


class Weakening(NamedTuple):
    """What an attack needs: a text of the configuration, and what stands there instead."""

    name: str
    attack: Attack
    old: str
    new: str = ""
    balanced: bool = False


UNAUTHENTICATED = "(metrics|public-dashboards|dashboard/snapshots?|api/snapshots[^/]*|api/public|api/login)"

WEAKENINGS = (
    Weakening(
        "everybody is inside",
        attacks.from_outside_with_a_forged_address,
        "$inside { default 0;",
        "$inside { default 1;",
    ),
    Weakening(
        "the allow-list is not asked", attacks.from_outside_with_a_forged_address, "if ($blocked) { return 403; }"
    ),
    Weakening(
        "X-Forwarded-For is believed without a load balancer",
        attacks.with_several_forged_addresses,
        "  geo $remote_addr",
        "  set_real_ip_from 127.0.0.0/8; real_ip_header X-Forwarded-For;\n  geo $remote_addr",
    ),
    Weakening(
        "the client says its address",
        attacks.with_a_forged_address_from_inside,
        "X-Forwarded-For $remote_addr;",
        "X-Forwarded-For $http_x_forwarded_for;",
    ),
    Weakening("Forwarded is passed on", attacks.with_a_forged_address_from_inside, 'proxy_set_header Forwarded "";'),
    Weakening("no gate", attacks.without_a_session, "auth_request /_gate;"),
    Weakening(
        "no gate before the fallback and the reports",
        attacks.without_a_session,
        "include gate.inc;\nerror_page 401",
        "error_page 401",
    ),
    Weakening("a password is enough", attacks.with_a_password_only_session, "?allowed_groups=otp?", "?"),
    Weakening(
        "the gate's question is the request's",
        attacks.with_the_gates_question_changed,
        "?allowed_groups=otp?",
        "?allowed_groups=$arg_allowed_groups?",
    ),
    Weakening(
        "Keycloak's token endpoint",
        attacks.by_the_password_grant,
        "openid-connect/(auth|",
        "openid-connect/(auth|token|",
    ),
    Weakening(
        "Authorization is passed on",
        attacks.with_basic_authentication_or_an_api_key,
        'proxy_set_header Authorization "";',
    ),
    Weakening("identity headers are passed on", attacks.with_an_identity_header, 'proxy_set_header X-WEBAUTH-USER "";'),
    Weakening("Grafana's own login", attacks.by_posting_a_login, "if ($request_method != GET) { return 405; }"),
    Weakening(
        "paths are not filtered", attacks.by_a_path_that_others_read_differently, "if ($bad_path) { return 400; }"
    ),
    Weakening("semicolons are let through", attacks.by_a_path_that_others_read_differently, "(;|%3b|", "("),
    Weakening("encoded dots are let through", attacks.by_a_path_that_others_read_differently, "|%2e|", "|"),
    Weakening("encoded slashes are let through", attacks.by_a_path_that_others_read_differently, "|%2f|", "|"),
    Weakening(
        "all of Keycloak", attacks.on_keycloaks_administration, "location /auth/resources/ {", "location /auth/ {"
    ),
    Weakening(
        "all of oauth2-proxy",
        attacks.on_the_gates_other_paths,
        "~ ^/oauth2/(start|callback|sign_out)$ {",
        "/oauth2/ {",
    ),
    Weakening(
        "queries reach Prometheus",
        attacks.by_the_fallback_as_a_back_door,
        "http://$prometheus$board;",
        "http://$prometheus$board$is_args$args;",
    ),
    Weakening("any platform", attacks.by_the_fallback_as_a_back_door, "[A-Za-z0-9_.-]{1,40}", "[^&]*"),
    Weakening("methods reach Prometheus", attacks.by_the_fallback_as_a_back_door, "proxy_method GET;"),
    Weakening("headers reach Prometheus", attacks.by_the_fallback_as_a_back_door, "proxy_pass_request_headers off;"),
    Weakening("internal pages are open", attacks.by_the_fallback_as_a_back_door, "internal;"),
    Weakening(
        "any path of the responder",
        attacks.by_a_report_as_a_back_door,
        '"^/admin/incidents/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$"',
        '"^/admin/incidents/(.*)$"',
    ),
    Weakening("methods reach the responder", attacks.by_a_report_as_a_back_door, "proxy_method GET;"),
    Weakening("headers reach the responder", attacks.by_a_report_as_a_back_door, "proxy_pass_request_headers off;"),
    Weakening(
        "snapshots and public dashboards", attacks.on_what_grafana_shows_to_everybody, UNAUTHENTICATED, "(metrics)"
    ),
    Weakening(
        "any name",
        attacks.with_another_name,
        "server_name monitoring.nft-ticketing.com;",
        "server_name monitoring.nft-ticketing.com ~.;",
    ),
    Weakening("any cipher", attacks.with_weak_encryption, "ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;"),
    Weakening("codes may be guessed fast", attacks.by_guessing_codes, "limit_req zone=signin burst=20 nodelay;"),
    Weakening("pages may be framed", attacks.by_framing_or_caching, "add_header X-Frame-Options DENY always;"),
    Weakening("codes are logged", attacks.by_reading_codes_in_the_log, '"$request_method $uri"', '"$request"'),
    Weakening("errors are logged, with the request", attacks.by_reading_codes_in_the_log, "error_log stderr emerg;"),
    Weakening(
        "round the load balancer",
        attacks.round_the_load_balancer,
        "$trusted_peer { default 0;",
        "$trusted_peer { default 1;",
        balanced=True,
    ),
    Weakening(
        "the load balancer need not say for whom",
        attacks.round_the_load_balancer,
        '"" 0; }',
        '"" 1; }',
        balanced=True,
    ),
    Weakening(
        "everybody is a load balancer",
        attacks.round_the_load_balancer,
        "127.10.20.0/24 1;",
        "127.0.0.0/8 1;",
        balanced=True,
    ),
    Weakening(
        "all of X-Forwarded-For is believed",
        attacks.with_several_forged_addresses,
        "real_ip_recursive off;",
        "real_ip_recursive on; set_real_ip_from 127.0.0.0/8;",
        balanced=True,
    ),
)


@pytest.mark.parametrize("weakening", WEAKENINGS, ids=[one.name for one in WEAKENINGS])
def test_is_noticed(tmp_path: Path, weakening: Weakening) -> None:
    replaced = []

    def weaken(text: str) -> str:
        replaced.append(weakening.old in text)
        return text.replace(weakening.old, weakening.new)

    with edge(tmp_path, balanced=weakening.balanced, weaken=weaken) as weaker:
        assert any(replaced), "there is nothing like it in the configuration any more"
        with pytest.raises(AssertionError):
            weakening.attack(weaker)


def test_every_attack_can_succeed() -> None:
    assert {weakening.attack for weakening in WEAKENINGS} == set(ATTACKS)
