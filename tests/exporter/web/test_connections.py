"""Connections: kept, without delay, and no way for one client to keep others waiting."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from exporter.web.config import HttpServerConfig, WebConfig
from exporter.web.routes import THREADS
from tests.exporter.web.serving import Served


def test_connections_are_kept(web: Served) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        for _ in range(5):
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while not received.endswith(b"Healthy\n"):
                received += connection.recv(4096)
            assert received.startswith(b"HTTP/1.1 200 OK")
            assert b"connection: close" not in received.lower()


def accepted_sockets(port: int) -> list[bool]:
    """Whether TCP_NODELAY is set, for each connection that this process has accepted on a port."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.fromfd(int(entry.name), socket.AF_INET, socket.SOCK_STREAM) as copy:
                if copy.getsockname()[1] == port and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.append(bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        except OSError:
            continue
    return found


def test_tcp_nodelay_is_set(web: Served) -> None:
    with requests.Session() as session:
        session.get(f"{web.url}/-/healthy", timeout=20)  # the session keeps its connection
        assert accepted_sockets(web.port) == [True]


def test_silent_and_unfinished_clients_keep_nobody_waiting(web: Served) -> None:
    silent = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(40)]
    begun = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(10)]
    for connection in begun:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
    assert web.get("/-/healthy").text == "Healthy\n"
    for connection in (*silent, *begun):
        connection.close()


def test_requests_that_drip_in_keep_nobody_waiting(web: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.web_server.REQUEST_SECONDS", 1)
    dripping = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(THREADS)]
    for connection in dripping:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nX-Drip: ")
    answered = threading.Event()

    def drip() -> None:
        while not answered.wait(0.1):
            for connection in dripping:
                with suppress(OSError):
                    connection.sendall(b"x")

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        assert web.get("/-/healthy").text == "Healthy\n"
    finally:
        answered.set()
        dripper.join()
        for connection in dripping:
            connection.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n",
    ],
    ids=["tls", "garbage", "version", "long"],
)
def test_garbage_is_refused_and_the_next_client_served(web: Served, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        try:
            reply = connection.recv(4096)
        except ConnectionResetError:
            reply = b""
        assert not reply or reply.split()[1].startswith((b"4", b"5"))
    assert web.get("/-/healthy").status_code == 200


def test_configured_headers_are_on_every_answer(web: Served) -> None:
    web.application.use(WebConfig(http_server_config=HttpServerConfig(headers={"X-Frame-Options": "deny"})))
    for path in ("/", "/metrics", "/nowhere", "/-/reload"):
        answer = web.get(path)
        assert answer.headers["X-Frame-Options"] == "deny"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
