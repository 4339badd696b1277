"""Services that misbehave, as real TCP servers in threads."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

Behaviour = Callable[["Service", socket.socket], None]

_BLOCK = json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x12d687"}).encode()


def answer(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    """Reads the request and answers."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return sends("\r\n".join(lines).encode("latin-1") + body)


def sends(data: bytes) -> Behaviour:
    """Reads the request, sends this and closes."""

    def behave(_: Service, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return behave


def hangs(service: Service, _: socket.socket) -> None:
    """Accepts and never says anything."""
    service.closing.wait()


def resets(_: Service, connection: socket.socket) -> None:
    """RST instead of an answer."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes(_: Service, __: socket.socket) -> None:
    """FIN instead of an answer."""


def drips(head: bytes) -> Behaviour:
    """Sends this, and then a byte every now and then, often enough for any time limit on silence."""

    def behave(service: Service, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while not service.closing.wait(0.05):
            connection.sendall(b"a")

    return behave


def never_ends(service: Service, connection: socket.socket) -> None:
    """As many bytes as the line carries."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while not service.closing.is_set():
        connection.sendall(b"a" * 65536)


def good(service: Service, connection: socket.socket) -> None:
    """As a healthy service, of each kind."""
    answer("200 OK", _BLOCK, "Content-Type: application/json")(service, connection)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "hangs": hangs,
    "resets": resets,
    "closes": closes,
    "redirects": answer("302 Found", b"", "Location: /elsewhere"),
    "500": answer("500 Internal Server Error", b"no"),
    "garbage": sends(bytes(range(256)) * 8),
    "bad-headers": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n: broken\r\nno colon here\r\n\r\nshort"),
    "many-headers": sends(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000 + b"\r\n"),
    "drips-status": drips(b"HTTP/1.1 "),
    "drips-headers": drips(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "drips-body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
    "never-ends": never_ends,
}
"""What may be wrong with any HTTP server."""

NO_BLOCKS: Mapping[str, Behaviour] = {
    "html": answer("200 OK", b"<html>"),
    "array": answer("200 OK", b"[]"),
    "error": answer("200 OK", b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "syncing"}}'),
    "number": answer("200 OK", b'{"jsonrpc": "2.0", "id": 1, "result": 12}'),
    "text": answer("200 OK", b'{"jsonrpc": "2.0", "id": 1, "result": "latest"}'),
    "bad-gzip": answer("200 OK", b"this is no gzip", "Content-Encoding: gzip"),
    "deep": answer("200 OK", b"[" * 60_000),
}
"""Answers that are fine for HTTP, but no block number."""


class Service(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 and does to each connection what `behaviour` says at that time."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = behaviour
        self.tls = tls
        self.closing = threading.Event()
        self.port: int = self.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        service = self.server
        assert isinstance(service, Service)
        # The other side may be gone at any time.
        with suppress(OSError):
            if service.tls is None:
                service.behaviour(service, self.request)
            else:
                with service.tls.wrap_socket(self.request, server_side=True) as connection:
                    service.behaviour(service, connection)
