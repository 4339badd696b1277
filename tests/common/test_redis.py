"""Connections to Redis, as exporter and responder open them: addresses, and what the URL may say."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from common.deadline import Deadline, DeadlineExceededError
from common.redis import check_url, connect
from common.secret_text import SecretError, SecretText
from exporter.sources.redis import RedisError, RedisSource
from exporter.waiting import complete
from responder.settings import Settings, SettingsError
from testbed.servers.ports import free_port
from testbed.servers.redis import Redis
from tests.common.network import black_hole, hanging_name, name_hosts, redis_greeting, server

Ask = Callable[[str], Any]


def secret(url: str) -> SecretText:
    return SecretText("REDIS_URL", {"REDIS_URL": url})


def ask_exporter(url: str) -> Any:
    source = RedisSource(secret(url), "test-name")
    try:
        return complete(source.read([("GET", "key")], Deadline(5)))[0]
    finally:
        source.close()


def ask_responder(url: str) -> Any:
    return Settings(secret(url), "test-name").read("key")


@pytest.fixture(params=[ask_exporter, ask_responder], ids=["exporter", "responder"])
def ask(request: pytest.FixtureRequest, redis_client: redis.Redis) -> Ask:
    """Reads a key, which is there, as one of the two programs does."""
    redis_client.set("key", "value")
    chosen: Ask = request.param
    return chosen


def refusal(ask: Ask, url: str) -> str:
    with pytest.raises((RedisError, SettingsError, DeadlineExceededError)) as caught:
        ask(url)
    return str(caught.value)


# --- addresses


def test_an_address_that_does_not_answer(ask: Ask, redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"both": ["::1", "127.0.0.1"]})
    with black_hole("::1", redis_server.port):
        assert ask(f"redis://both:{redis_server.port}/0") == "value"


def test_no_address_and_no_resolver_in_time(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"gone": ["::1", "127.0.0.2"]})
    with black_hole("::1") as port, black_hole("127.0.0.2", port):
        for host in ("gone", hanging_name(monkeypatch)):
            began = time.monotonic()
            refusal(ask, f"redis://{host}:{port}/0")
            # The responder tries twice.
            assert time.monotonic() - began < 3.5


def test_tls_is_verified_by_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"redis.example": ["::1", "127.0.0.1"], "other.example": ["127.0.0.1"]})
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("redis.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def agree(connection: Any) -> None:
        while heard := connection.recv(65536):
            connection.sendall(redis_greeting(heard))

    with server(agree, tls=context) as port, black_hole("::1", port):
        rest = f":{port}/0?ssl_ca_certs={tmp_path}/ca.pem"
        connect(f"rediss://redis.example{rest}", "", 2).disconnect()  # type: ignore[no-untyped-call]
        with pytest.raises(redis.ConnectionError, match="Hostname mismatch"):
            connect(f"rediss://other.example{rest}", "", 2)
        message = refusal(ask_exporter, f"rediss://other.example{rest}")
        assert "Hostname mismatch" in message
        assert "other.example" not in message


def test_a_socket(tmp_path: Path) -> None:
    message = refusal(ask_exporter, f"unix://{tmp_path}/Tr0ub4dor.sock")
    assert "No such file" in message
    assert "roub4dor" not in message


def drip(connection: socket.socket) -> None:
    """Answers at once until it is asked for a key, whose value comes byte by byte."""
    while heard := connection.recv(65536):
        if b"GET" not in heard:
            connection.sendall(redis_greeting(heard))
            continue
        for byte in b"$50\r\n" + b"x" * 50 + b"\r\n":
            time.sleep(0.2)
            connection.sendall(bytes([byte]))


def test_dripping_does_not_win_time(ask: Ask) -> None:
    with server(drip) as port:
        began = time.monotonic()
        assert "Timeout" in refusal(ask, f"redis://127.0.0.1:{port}/0")
        # The responder tries twice, for a second each; the whole would take eleven.
        assert time.monotonic() - began < 4


def test_a_shorter_deadline_is_kept_too() -> None:
    with server(drip) as port:
        source = RedisSource(secret(f"redis://127.0.0.1:{port}/0"), "test")
        began = time.monotonic()
        with pytest.raises((RedisError, DeadlineExceededError)):
            complete(source.read([("GET", "key")], Deadline(0.4)))
        assert time.monotonic() - began < 0.9
        source.close()


# --- what the URL may say


def test_options_of_the_url_do_not_replace_ours(ask: Ask, redis_server: Redis, redis_client: redis.Redis) -> None:
    theirs = (
        "client_name=theirs&protocol=3&decode_responses=no&encoding=utf-16&encoding_errors=strict&socket_timeout=90"
    )
    theirs += "&socket_connect_timeout=90&retry_on_timeout=yes&health_check_interval=1&max_connections=0&timeout=90"
    redis_client.set("key", b"v\xff")
    assert ask(f"redis://127.0.0.1:{redis_server.port}/0?{theirs}") in ("v\\xff", "v\udcff")
    made = connect(f"redis://127.0.0.1:{redis_server.port}/0?{theirs}", "ours", 2)
    assert isinstance(made, redis.Connection)
    assert (made.client_name, made.protocol, made.socket_timeout, made.socket_connect_timeout) == ("ours", 2, 2, 2)
    assert [client["name"] for client in redis_client.client_list() if client["name"] == "ours"] == ["ours"]
    made.disconnect()  # type: ignore[no-untyped-call]


def test_options_that_are_taken(redis_server: Redis, redis_client: redis.Redis) -> None:
    redis_client.set("key", "third")
    redis_client.move("key", 3)
    assert ask_exporter(f"redis://127.0.0.1:{redis_server.port}?db=3") == "third"
    assert ask_exporter(f"redis://127.0.0.1:{redis_server.port}/3") == "third"


@pytest.mark.parametrize("option", ["nonsense", "host", "connection_class", "path", "retry", "parser_class"])
def test_an_unknown_option_is_refused_by_name(ask: Ask, option: str) -> None:
    for query in (f"{option}=Tr0ub4dor", f"db=1&{option}"):
        url = f"redis://127.0.0.1:6379/0?{query}"
        assert refusal(ask, url) == f"Redis: the URL has an unknown option: {option}"
        with pytest.raises(SecretError, match=f"^REDIS_URL: the URL has an unknown option: {option}$"):
            check_url(secret(url))


@pytest.mark.parametrize("program", ["exporter", "responder"])
def test_it_does_not_start_with_an_unknown_option(program: str, tmp_path: Path) -> None:
    url = "redis://127.0.0.1:6379/0?nonsense=Tr0ub4dor"
    (tmp_path / "url").write_text(url)
    for name, text in (("REDIS_URL", url), ("REDIS_URL_FILE", str(tmp_path / "url"))):
        variables = {"PATH": "/usr/bin:/bin", "RESPONDER_TOKEN": "token", "POSTGRES_DSN": "host=127.0.0.1", name: text}
        command = [sys.executable, "-m", program, "--web.listen-address=127.0.0.1:0"]
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
        origin = name if name == "REDIS_URL" else f"{name}: {text}"
        assert ended.returncode == 2
        assert ended.stderr == f"ticketing-{program}: {origin}: the URL has an unknown option: nonsense\n"


@pytest.mark.parametrize("url", ["", "redis://cache/0?db=1", "redis://:Tr0ub4dor/3@cache", "Tr0ub4dor"])
def test_what_may_be_mended_while_it_runs_is_not_refused_at_the_start(url: str, tmp_path: Path) -> None:
    check_url(secret(url))
    file = tmp_path / "url"
    check_url(SecretText("REDIS_URL", {"REDIS_URL_FILE": str(file)}))
    file.write_text(url)
    check_url(SecretText("REDIS_URL", {"REDIS_URL_FILE": str(file)}))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:Tr0ub4dor/3@cache:6379/0",
        "redis://:1234/Tr0ub4dor@cache",
        "redis://127.0.0.1:1234/Tr0ub4dor@cache",
        "redis://:1234?Tr0ub4dor=x@cache",
        "redis://:1234#Tr0ub4dor@cache",
        "redis://cache/0?socket_timeout=Tr0ub4dor",
        "redis://cache/0?db=Tr0ub4dor",
        "rediss://cache/0?ssl_cert_reqs=Tr0ub4dor",
        "redis://cache/0?ssl_certfile=Tr0ub4dor",
        "http://Tr0ub4dor",
        "redis://[Tr0ub4dor",
        "Tr0ub4dor",
    ],
)
def test_an_invalid_url_is_not_quoted(ask: Ask, url: str) -> None:
    assert refusal(ask, url) == (
        "Redis: the URL is not valid, or an option in it;"
        " in the password of a URL, characters such as / ? # @ % are written as %2F %3F %23 %40 %25"
    )


@pytest.mark.parametrize("url", ["redis://:hush@127.0.0.1:{port}/5", "rediss://us:hush@db.example:{port}/5"])
def test_no_error_has_a_piece_of_the_url(ask: Ask, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"db.example": ["127.0.0.1"]})
    port = free_port()
    message = refusal(ask, url.format(port=port))
    assert "Connection refused" in message
    assert not [piece for piece in (str(port), "127.0.0.1", "example", "hush") if piece in message]
