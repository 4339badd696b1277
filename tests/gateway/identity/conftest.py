"""A real Keycloak and a real oauth2-proxy behind the gateway, and a browser."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.servers.ports import free_port
from testbed.servers.prometheus import Prometheus
from testbed.servers.redis import Redis
from tests.gateway.edge import HOST, Edge, edge
from tests.gateway.identity.servers import CACHE, SECRETS, Keycloak, OAuth2Proxy
from tests.prometheus.board import board

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


@dataclass
class Stack:
    edge: Edge
    keycloak: Keycloak
    gate: OAuth2Proxy
    prometheus: Prometheus
    sessions: Redis


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started once: Keycloak takes its time."""
    if not (CACHE / "keycloak").exists():
        pytest.skip("tools/identity.sh has not fetched Keycloak")
    directory = tmp_path_factory.mktemp("identity")
    (directory / "gate_oidc_secret").write_text(SECRETS["GATE_OIDC_SECRET"])
    (directory / "gate_cookie_secret").write_text(secrets.token_urlsafe(24))  # 32 characters
    keycloak_port, gate_port = free_port(), free_port()
    with ExitStack() as servers:
        prometheus = servers.enter_context(board(directory, rules=False))
        sessions = servers.enter_context(Redis(password="secret"))
        running = servers.enter_context(
            edge(
                directory,
                down=["gate", "keycloak", "prometheus"],
                gate_address=f"127.0.0.1:{gate_port}",
                gate_listen=f"127.0.0.1:{gate_port}",
                gateway_network="127.0.0.1/32",
                keycloak=f"127.0.0.1:{keycloak_port}",
                prometheus=prometheus.url.removeprefix("http://"),
                redis=f"127.0.0.1:{sessions.port}",
                secrets=str(directory),
                allowed_networks="127.0.0.0/8",
                sign_in_rate="600r/m",
            )
        )
        keycloak = Keycloak(directory / "rendered" / "realm.json", keycloak_port)
        servers.callback(keycloak.close)
        keycloak.start(timeout_seconds=600)
        gate = servers.enter_context(OAuth2Proxy(directory / "rendered" / "oauth2-proxy.cfg", gate_port))
        yield Stack(running, keycloak, gate, prometheus, sessions)


@pytest.fixture
def browser(stack: Stack) -> Iterator[Any]:
    """Chromium, which finds the gateway under its name."""
    playwright = pytest.importorskip("playwright.sync_api")
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed")
    rule = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{stack.edge.port}"
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=[*FLAGS, rule])
        yield chromium
        chromium.close()
