"""Users and passwords of the web configuration file."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import bcrypt
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import Api, Config
from exporter.web.auth import BasicAuth
from exporter.web.config import WebConfig
from tests.exporter.web.serving import Served, exporter_of, served

NOWHERE = ("postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
PASSWORD = "päss:wörd 1"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


USERS = {"prometheus": hashed(PASSWORD), "grafana": hashed("x" * 72), "php": "$2y$" + hashed("p")[4:]}


@pytest.fixture(scope="module")
def web() -> Iterator[Served]:
    with served(exporter_of(*NOWHERE), web=WebConfig(basic_auth_users=USERS)) as running:
        yield running


def status(web: Served, authorization: bytes | str, path: str = "/-/healthy") -> int:
    return web.get(path, headers={"Authorization": authorization}).status_code


def test_right_credentials(web: Served) -> None:
    for _ in range(2):  # the second time they are remembered
        assert status(web, basic("prometheus", PASSWORD)) == 200
    assert status(web, basic("php", "p")) == 200
    assert status(web, basic("prometheus", PASSWORD).replace("Basic", "bAsIc")) == 200


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/api/monitoring/kpis", "/nowhere"]
)
def test_every_path_is_closed(web: Served, path: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert requests.post(web.url + path, timeout=20).status_code == 401


@pytest.mark.parametrize(
    "authorization",
    [
        basic("prometheus", "wrong"),
        basic("prometheus", ""),
        basic("prometheus", PASSWORD + "x"),
        basic("nobody", PASSWORD),
        basic("", ""),
        basic("Prometheus", PASSWORD),
        basic("prometheus", "x" * 1000),
        basic("prometheus", "a\0b"),
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"prometheus").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Bearer abc",
        "Basic é".encode("latin-1"),
        b"\xff\xff",
        "Digest username=prometheus",
    ],
)
def test_wrong_and_garbage_credentials(web: Served, authorization: bytes | str) -> None:
    assert status(web, authorization) == 401


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_header_raises_or_passes(header: str) -> None:
    assert BasicAuth({"u": USERS["php"]}).allows("Basic" + header) is False


def test_remembered_credentials_are_forgotten_with_the_user() -> None:
    with served(exporter_of(*NOWHERE), web=WebConfig(basic_auth_users=USERS)) as web:
        right = basic("prometheus", PASSWORD)
        assert status(web, right) == 200
        web.application.use(WebConfig(basic_auth_users={"grafana": USERS["grafana"]}))
        assert status(web, right) == 401
        web.application.use(WebConfig(basic_auth_users={"prometheus": hashed("new")}))
        assert status(web, right) == 401
        assert status(web, basic("prometheus", "new")) == 200
        web.application.use(WebConfig())
        assert status(web, "") == 200


def test_more_users_than_are_remembered() -> None:
    auth = BasicAuth({f"user{n}": USERS["php"] for n in range(150)})
    for _ in range(2):
        assert all(auth.allows(basic(f"user{n}", "p")) for n in range(150))
        assert not auth.allows(basic("user0", "q"))


def test_a_configured_page_may_ask_whether_it_may_send_a_password() -> None:
    exporter = exporter_of(*NOWHERE, config=Config(probes={}, api=Api(cors_origins=("https://ops.example",))))
    asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    with served(exporter, web=WebConfig(basic_auth_users=USERS)) as web:

        def ask(path: str, **headers: str) -> requests.Response:
            return requests.options(web.url + path, headers=headers, timeout=20)

        allowed = ask("/api/monitoring/kpis", Origin="https://ops.example", **asking)
        assert (allowed.status_code, allowed.content) == (204, b"")
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://ops.example"
        assert allowed.headers["Access-Control-Allow-Headers"] == "Authorization"
        assert allowed.headers["Vary"] == "Origin"
        # Whoever is not a preflight of such a page needs the password.
        for path, headers in (
            ("/api/monitoring/kpis", {"Origin": "https://evil.example", **asking}),
            ("/api/monitoring/kpis", {"Origin": "https://ops.example"}),
            ("/metrics", {"Origin": "https://ops.example", **asking}),
        ):
            refused = ask(path, **headers)
            assert refused.status_code == 401
            assert "Access-Control-Allow-Origin" not in refused.headers
