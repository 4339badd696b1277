"""`make secrets`: strong, complete, and never in the way of what is there."""

import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from tests.compose.stack import ROOT


def make(root: Path, **environment: str) -> str:
    result = subprocess.run(
        [ROOT / "tools" / "secrets.sh", root],
        env={"PATH": "/usr/sbin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def contents(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): file.read_text()
        for folder in ("secrets", "alertmanager/secrets")
        for file in (root / folder).iterdir()
    }


def test_random_and_closed(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second):
        root.mkdir()
        make(root)
        for folder in ("secrets", "alertmanager/secrets"):
            assert (root / folder).stat().st_mode & 0o077 == 0
    one, other = contents(first), contents(second)
    same = {name for name in one if one[name] == other[name]}
    assert same == {
        f"alertmanager/secrets/{name}"
        for name in ("heartbeat_token", "pagerduty_routing_key", "slack_webhook_url", "smtp_password")
    }
    for name, value in one.items():
        assert "tls" in name or re.fullmatch(r"\S+", value), f"{name} has blanks or a newline at its end"
        assert name in same or len(value) >= 32
    assert len(one["secrets/gate_cookie_secret"]) == 32


def test_keeps_what_is_there(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "secrets" / "redis_password").unlink()
    assert make(tmp_path).startswith("1 secrets made")
    after = contents(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"secrets/redis_password"}


def test_names_what_must_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "alertmanager" / "secrets").mkdir(parents=True)
    (tmp_path / "alertmanager" / "secrets" / "slack_webhook_url").write_text("https://hooks.slack.com/services/T/B/x")
    told = make(tmp_path)
    assert "pagerduty_routing_key" in told
    assert "slack_webhook_url" not in told


@pytest.mark.parametrize(
    ("env", "host"),
    [
        ("", "monitoring.nft-ticketing.com"),
        ("MONITORING_HOST=\n", "monitoring.nft-ticketing.com"),
        ("MONITORING_HOST=watch.example.com  # ours\nSIGN_IN_RATE=30r/m\n", "watch.example.com"),
        ("MONITORING_HOST='watch.example.com'\n", "watch.example.com"),
    ],
)
def test_certificate_is_for_the_host_and_can_be_checked_by_itself(tmp_path: Path, env: str, host: str) -> None:
    (tmp_path / ".env").write_text(env)
    make(tmp_path)
    certificate, key = tmp_path / "secrets" / "tls_certificate", tmp_path / "secrets" / "tls_certificate_key"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as newer Pythons do
    near, far = socket.socketpair()
    with near, far:

        def serve() -> None:
            with server.wrap_socket(far, server_side=True) as answered:
                answered.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with client.wrap_socket(near, server_hostname=host) as verified:
            verified.sendall(b"x")
        thread.join(5)
