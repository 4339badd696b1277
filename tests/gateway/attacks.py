"""What must not work against the gateway. Each attack raises AssertionError when it succeeds."""

import socket
import ssl
import time
from collections.abc import Callable

from tests.gateway.edge import BALANCER, HOST, HTML, INSIDE, OUTSIDE, Edge
from tests.gateway.standins import READ_TOKEN, StandIn

Attack = Callable[[Edge], None]

DASHBOARD = "/admin/monitoring/d/ticketing/ticketing"
BOARD = "/admin/fallback"
INCIDENT = "0b5c1f0e-93c3-4d38-9d0c-2f3a5a1f7e11"
REPORT = f"/admin/incidents/{INCIDENT}"
#: Of each kind of location one.
PLACES = (
    "/",
    DASHBOARD,
    "/admin/monitoring/api/dashboards/uid/ticketing",
    "/admin/monitoring/api/live/ws",
    "/admin/monitoring/login",
    BOARD,
    REPORT,
    "/oauth2/start",
    "/auth/realms/nft/login-actions/authenticate",
    "/auth/realms/nft/protocol/openid-connect/auth",
    "/auth/resources/x/login.css",
    "/admin/monitoring/metrics",
    "/nothing",
    "//bad",
)
GATED = tuple(place for place in PLACES if place.startswith("/admin/") and not place.endswith("/metrics"))
#: What a sign-in comes back to, with a code in the query.
CALLBACKS = (
    "/oauth2/callback",
    "/admin/monitoring/login/generic_oauth",
    "/auth/realms/nft/login-actions/authenticate",
    "/auth/realms/nft/protocol/openid-connect/auth",
)
FORGERIES = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP")


def reached(edge: Edge, *but: StandIn) -> list[str]:
    """What came through to anything but the given."""
    everything = (edge.gate, edge.grafana, edge.keycloak, edge.prometheus, edge.responder)
    return [seen.path for part in everything if part not in but for seen in part.seen]


def from_outside_with_a_forged_address(edge: Edge) -> None:
    forged = {name: f"for={INSIDE}" if name == "Forwarded" else INSIDE for name in FORGERIES}
    for place in PLACES:
        answer = edge.ask(place, source=OUTSIDE, session="with-otp", headers={**forged, **HTML})
        assert answer.status == 403, f"{place}: {answer.status}"
    for name, value in forged.items():
        answer = edge.ask(DASHBOARD, source=OUTSIDE, session="with-otp", headers={name: value})
        assert answer.status == 403, f"{name}: {answer.status}"
    assert not reached(edge)


def with_several_forged_addresses(edge: Edge) -> None:
    for value in (f"{INSIDE}, {INSIDE}", f"{INSIDE}\t", f"{BALANCER}, {INSIDE}", f'"{INSIDE}"', f"{INSIDE}:80"):
        answer = edge.ask(DASHBOARD, source=OUTSIDE, session="with-otp", headers={"X-Forwarded-For": value})
        assert answer.status == 403, value
    twice = [("X-Forwarded-For", INSIDE), ("X-Forwarded-For", INSIDE)]
    assert edge.ask(DASHBOARD, source=OUTSIDE, session="with-otp", headers=twice).status == 403
    assert not reached(edge)


def round_the_load_balancer(edge: Edge) -> None:
    """Straight to the gateway, from inside and outside; and as the load balancer, without saying for whom."""
    told = [("X-Forwarded-For", INSIDE)]
    attempts = [(OUTSIDE, told), (OUTSIDE, [])]
    if edge.balanced:
        attempts += [(INSIDE, told), (INSIDE, []), (BALANCER, [])]
    for peer, lines in attempts:
        answer = edge.send(DASHBOARD, "GET", peer, "with-otp", lines, HOST, HOST, b"")
        assert answer.status == 403, f"{peer} {lines}: {answer.status}"
    assert not reached(edge)


def with_a_forged_address_from_inside(edge: Edge) -> None:
    """Logs, limits and oauth2-proxy must see where it really comes from."""
    for name in FORGERIES:
        edge.ask(DASHBOARD, source=INSIDE, session="with-otp", headers={name: "192.0.2.1"})
    assert edge.grafana.seen
    for seen in (*edge.grafana.seen, *edge.gate.seen):
        assert seen.headers["x-forwarded-for"] == seen.headers["x-real-ip"] == INSIDE
        assert not {"forwarded", "true-client-ip", "cf-connecting-ip"} & set(seen.headers)
        assert seen.headers["x-forwarded-proto"] == "https"
        assert seen.headers["x-forwarded-host"] == seen.headers["host"] == HOST


def without_a_session(edge: Edge) -> None:
    for place in GATED:
        for session in (None, "made-up"):
            navigation, other = edge.ask(place, headers=HTML, session=session), edge.ask(place, session=session)
            assert navigation.status in (302, 401), f"{place}: {navigation.status}"
            assert other.status == 401, f"{place}: {other.status}"
            posted = edge.ask(place, method="POST", session=session, body=b"{}", headers=HTML)
            assert posted.status in (401, 405), f"{place}: {posted.status}"
    assert not reached(edge, edge.gate)


def with_a_password_only_session(edge: Edge) -> None:
    for place in GATED:
        answer = edge.ask(place, session="password-only", headers=HTML)
        assert answer.status == 403, f"{place}: {answer.status}"
    assert not reached(edge, edge.gate)


def with_the_gates_question_changed(edge: Edge) -> None:
    """The query of the request must not reach the gate's question."""
    for query in ("?allowed_groups=pwd", "?allowed_groups=", "?allowed_groups=otp&allowed_groups=pwd"):
        assert edge.ask(DASHBOARD + query, session="password-only").status == 403
    assert {seen.path for seen in edge.gate.seen} == {"/oauth2/auth?allowed_groups=otp"}
    assert not reached(edge, edge.gate)


def by_the_password_grant(edge: Edge) -> None:
    body = b"grant_type=password&client_id=admin-cli&username=a&password=b"
    for realm in ("nft", "master"):
        place = f"/auth/realms/{realm}/protocol/openid-connect/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert edge.ask(place, method="POST", body=body, headers=headers).status == 404
    assert not reached(edge)


def with_basic_authentication_or_an_api_key(edge: Edge) -> None:
    for value in ("Basic YWRtaW46YWRtaW4=", "Bearer glsa_key"):
        assert edge.ask("/admin/monitoring/api/admin/settings", headers={"Authorization": value}).status == 401
        assert edge.ask(DASHBOARD, session="with-otp", headers={"Authorization": value}).status == 200
        edge.ask("/oauth2/start", headers={"Authorization": value})
        edge.ask(BOARD, session="with-otp", headers={"Authorization": value})
    parts = (edge.gate, edge.grafana, edge.prometheus)
    assert all(part.seen for part in parts)
    assert not [seen for part in parts for seen in part.seen if "authorization" in seen.headers]


def with_an_identity_header(edge: Edge) -> None:
    names = ("X-WEBAUTH-USER", "X-JWT-Assertion", "X-Grafana-Device-Id")
    for name in names:
        assert edge.ask(DASHBOARD, headers={name: "admin"}).status == 401
        assert edge.ask(DASHBOARD, session="with-otp", headers={name: "admin"}).status == 200
    assert not [seen for seen in edge.grafana.seen for name in names if name.lower() in seen.headers]


def by_posting_a_login(edge: Edge) -> None:
    for place in ("/admin/monitoring/login", "/admin/monitoring/login/", "/admin/monitoring/LOGIN"):
        for session in (None, "with-otp"):
            answer = edge.ask(place, method="POST", session=session, body=b'{"user":"admin","password":"admin"}')
            assert answer.status == 405, f"{place}: {answer.status}"
    assert not reached(edge)


def by_a_path_that_others_read_differently(edge: Edge) -> None:
    for path in (
        "/auth/realms/nft/..;/master/protocol/openid-connect/auth",
        "/auth/realms/nft/login-actions/..;/..;/..;/admin/",
        "/auth/realms/nft/login-actions/;/x",
        "/auth/realms/nft/login-actions/%3b/x",
        "/auth/resources/..%2f..%2fadmin/",
        "/auth/resources/%2e%2e/%2e%2e/admin/",
        "/auth/resources/..%5c..%5cadmin",
        "/auth/resources/..\\..\\admin",
        "/auth/resources/../admin/",
        "/auth/resources/./../admin/",
        "/auth/resources//../admin/",
        "/auth/resources/..",
        "/auth/resources/%00",
        # As nginx reads it, below what is reachable; it would be passed on as it is.
        "/auth/admin/../resources/x",
        "/auth/admin/%2e%2e/resources/x",
        "/auth/admin/..%2fresources/x",
        "/auth/admin/..%2f/resources/x",
        "/admin/monitoring//metrics",
        "/admin/monitoring/./metrics",
        "/admin/monitoring/%2e/metrics",
        "/admin/monitoring/x/..%2fmetrics",
        "/admin/monitoring/api/live/../snapshots",
    ):
        answer = edge.ask(path, session="with-otp", headers=HTML)
        assert answer.status in (400, 404), f"{path}: {answer.status}"
    assert not reached(edge)


def on_keycloaks_administration(edge: Edge) -> None:
    for path in (
        "/auth/",
        "/auth/admin/",
        "/auth/admin/master/console/",
        "/auth/admin/realms/nft/users",
        "/auth/realms/master",
        "/auth/realms/master/protocol/openid-connect/auth",
        "/auth/realms/nft",
        "/auth/realms/nft/account/",
        "/auth/realms/nft/clients-registrations/openid-connect",
        "/auth/realms/nft/protocol/openid-connect/token",
        "/auth/realms/nft/protocol/openid-connect/userinfo",
        "/auth/realms/nft/protocol/openid-connect/token/introspect",
        "/auth/realms/nft/.well-known/openid-configuration",
        "/auth/realms/NFT/login-actions/authenticate",
        "/auth/realms/other/login-actions/authenticate",
        "/auth/metrics",
        "/auth/health",
        "/realms/nft/login-actions/authenticate",
    ):
        for method in ("GET", "POST"):
            answer = edge.ask(path, method=method, session="with-otp")
            assert answer.status == 404, f"{method} {path}: {answer.status}"
    assert not reached(edge)


def on_the_gates_other_paths(edge: Edge) -> None:
    for path in (
        "/oauth2/auth",
        "/oauth2/userinfo",
        "/oauth2/sign_in",
        "/oauth2/static/x",
        "/ping",
        "/ready",
        "/metrics",
    ):
        assert edge.ask(path, session="with-otp").status == 404, path
    assert not reached(edge)


def by_the_fallback_as_a_back_door(edge: Edge) -> None:
    """Only one request ever reaches Prometheus, whatever is asked, and of its query only a plain name of a platform."""
    for path in ("/_gate", "/_down", "/_pages/board-down.html", "/consoles/monitoring.html", "/api/v1/query?query=up"):
        assert edge.ask(path, session="with-otp").status == 404, path
    assert edge.ask(BOARD + "/../api/v1/query", session="with-otp").status == 400
    assert edge.ask(BOARD + "/api/v1/query", session="with-otp").status == 404
    assert not edge.prometheus.seen
    for method, query in (("GET", "?query=up"), ("GET", "?down=1#x"), ("POST", "?query=up"), ("DELETE", "")):
        edge.ask(BOARD + query, method=method, session="with-otp", body=b"query=up", headers={"X-Own": "1"})
    for name in ("%22%7D", "a%26down=1", "a+b", '"}', "a/../b", "a%0d%0ax", "x" * 41, ""):
        edge.ask(f"{BOARD}?platform={name}", session="with-otp", headers={"X-Own": "1"})
    edge.ask(BOARD + "?no-platform=a&xplatform=b", session="with-otp")
    assert {(seen.method, seen.path) for seen in edge.prometheus.seen} == {("GET", "/consoles/monitoring.html?")}
    for seen in edge.prometheus.seen:
        assert (seen.body, set(seen.headers) - {"host"}) == (b"", set())


def by_a_report_as_a_back_door(edge: Edge) -> None:
    """Only one path of the responder is ever asked for, by one method, with the gateway's own token."""
    for path in (
        "/incidents",
        "/alerts",
        "/decisions",
        "/admin/incidents",
        "/admin/incidents/",
        "/admin/incidents/alerts",
        f"{REPORT}/report",
        f"{REPORT}0",
        f"{REPORT}%0d%0aX:1",
        f"{REPORT}/../../alerts",
        f"/admin/incidents/{INCIDENT.upper()}",
    ):
        for method in ("GET", "POST"):
            answer = edge.ask(path, method=method, session="with-otp", headers=HTML)
            assert answer.status in (400, 404), f"{method} {path}: {answer.status}"
    assert not edge.responder.seen
    own = {"Authorization": "Bearer own", "X-Own": "1", "Accept": "application/json"}
    for method, query in (("GET", ""), ("GET", "?limit=5"), ("POST", "?a=b"), ("DELETE", "")):
        edge.ask(REPORT + query, method=method, session="with-otp", body=b"{}", headers=own)
    assert edge.responder.seen
    for seen in edge.responder.seen:
        assert (seen.method, seen.path, seen.body) == ("GET", f"/incidents/{INCIDENT}/report", b"")
        assert seen.headers == {"host": "responder", "accept": "text/html", "authorization": f"Bearer {READ_TOKEN}"}


def on_what_grafana_shows_to_everybody(edge: Edge) -> None:
    for path in (
        "public-dashboards/0123456789abcdef",
        "dashboard/snapshot/0123",
        "dashboard/snapshots",
        "api/snapshots",
        "api/snapshots/0123",
        "api/snapshots-delete/0123",
        "api/public/dashboards/0123",
        "api/login/ping",
        "metrics",
        "Public-Dashboards/0123",
    ):
        for session in (None, "with-otp"):
            answer = edge.ask(f"/admin/monitoring/{path}", session=session, headers=HTML)
            assert answer.status == 404, f"{path}: {answer.status}"
    assert not reached(edge)


def with_another_name(edge: Edge) -> None:
    for sni in ("other.example.com", "127.0.0.1", "grafana"):
        try:
            answer = edge.ask(DASHBOARD, session="with-otp", sni=sni)
        except ssl.SSLError:
            continue
        raise AssertionError(f"SNI {sni}: {answer.status}")
    for host in ("other.example.com", "grafana", "127.0.0.1", f"{HOST}.example.com"):
        answer = edge.ask(DASHBOARD, session="with-otp", host=host)
        assert answer.status == 421, f"Host {host}: {answer.status}"
    assert edge.ask(DASHBOARD, session="with-otp", headers=[("Host", "grafana")]).status == 400
    assert not reached(edge)


def with_weak_encryption(edge: Edge) -> None:
    """What was read in transit stays secret, also when the key is stolen later."""

    def handshake(cipher: str) -> str | None:
        context = edge.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
        with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as raw:
            try:
                with context.wrap_socket(raw, server_hostname=HOST) as connection:
                    return connection.version()
            except (ssl.SSLError, ConnectionError):
                return None

    assert handshake("ECDHE-ECDSA-AES128-GCM-SHA256") == "TLSv1.2"
    for weak in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA"):
        assert handshake(weak) is None, weak


def by_guessing_codes(edge: Edge) -> None:
    """Beside Keycloak's lock of the account, an address is slowed down."""
    place = "/auth/realms/nft/login-actions/authenticate"
    body = b"otp=123456"
    answers = [edge.ask(place, method="POST", source=INSIDE, body=body).status for _ in range(60)]
    assert answers.count(429) >= 20, answers
    assert len(edge.keycloak.seen) == answers.count(200)


def by_framing_or_caching(edge: Edge) -> None:
    for place in (*PLACES, "/admin/monitoring/api/snapshots"):
        if place == "//bad":
            continue
        headers = edge.ask(place, session="with-otp", headers=HTML).headers
        assert headers.get("x-frame-options") == "DENY", place
        assert headers.get("x-content-type-options") == "nosniff", place
        assert headers.get("strict-transport-security", "").startswith("max-age=31536000"), place
    board = edge.ask(BOARD, session="with-otp").headers
    assert board.get("cache-control") == "no-store"
    assert "default-src 'none'" in board.get("content-security-policy", "")


def by_reading_codes_in_the_log(edge: Edge) -> None:
    """Neither in a line of its own nor in one on an error, which would quote request and referrer."""
    source, often = "127.10.99.1", 40  # more than those with a limit take
    headers = {"Cookie": "a=very-secret", "Referer": f"https://{HOST}/oauth2/callback?code=very-secret"}
    for path in CALLBACKS:
        for _ in range(often):
            edge.ask(f"{path}?code=very-secret&state=s", source=source, session="with-otp", headers=headers)
    deadline = time.monotonic() + 10
    while (log := edge.log.read_text()).count(f"{source} via ") < often * len(CALLBACKS):  # written after the answer
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert " 429 " in log
    assert "very-secret" not in log


ATTACKS: tuple[Attack, ...] = (
    from_outside_with_a_forged_address,
    with_several_forged_addresses,
    round_the_load_balancer,
    with_a_forged_address_from_inside,
    without_a_session,
    with_a_password_only_session,
    with_the_gates_question_changed,
    by_the_password_grant,
    with_basic_authentication_or_an_api_key,
    with_an_identity_header,
    by_posting_a_login,
    by_a_path_that_others_read_differently,
    on_keycloaks_administration,
    on_the_gates_other_paths,
    by_the_fallback_as_a_back_door,
    by_a_report_as_a_back_door,
    on_what_grafana_shows_to_everybody,
    with_another_name,
    with_weak_encryption,
    by_guessing_codes,
    by_framing_or_caching,
    by_reading_codes_in_the_log,
)
