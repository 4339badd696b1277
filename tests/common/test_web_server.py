"""The server on real sockets: connections are kept, and no client costs another anything."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from common import web_connection, web_loop
from common.web_server import WebServer
from common.yaml_files import ConfigError
from tests.common.crowd import BEGINNINGS, crowd
from tests.common.timing import usual_seconds

THREADS = 4
LARGEST_BODY = 1000
LARGE = b"x" * 30_000_000


@dataclass
class Site:
    """An application that says what it was asked; `/large` is more than the kernel keeps, `/wait` takes a while."""

    port: int = 0
    client: ssl.SSLContext | None = None
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    going_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        self.seen.append((environ["PATH_INFO"], body))
        if environ["PATH_INFO"] == "/wait":
            self.going_on.wait(20)
        content = LARGE if environ["PATH_INFO"] == "/large" else f"{environ['PATH_INFO']} {len(body)}\n".encode()
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return [content]

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return plain if self.client is None else self.client.wrap_socket(plain, server_hostname="localhost")

    def ask(self, connection: socket.socket, request: bytes = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
        """What comes back, up to the end of an answer of one line."""
        connection.sendall(request)
        return until_end(connection)

    def seconds(self) -> float:
        """How long a new client usually waits for its answer."""
        return usual_seconds(self._greet, times=3, pause=0.02)

    def _greet(self) -> None:
        with self.connect() as connection:
            assert self.ask(connection).endswith(b"/hello 0\n")


def until_end(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece:
            break
        received += piece
    return received


@contextmanager
def serving(**options: Any) -> Iterator[Site]:
    site = Site()
    server = WebServer(
        "site",
        "127.0.0.1:0",
        site,
        threads=THREADS,
        largest_body=LARGEST_BODY,
        admits=lambda path, authorization, length: (
            (path == "/signed" and length < 1000) or authorization == "Bearer good"
        ),
        **options,
    )
    site.port = server.start()
    try:
        yield site
    finally:
        site.going_on.set()
        server.stop()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "tls"])
def site(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Site]:
    if request.param == "plain":
        with serving() as site:
            yield site
        return
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    with serving(tls=lambda: server) as site:
        site.client = client
        yield site


# --- What it serves


def test_connections_are_kept(site: Site) -> None:
    with site.connect() as connection:
        for _ in range(5):
            answer = site.ask(connection)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert answer.endswith(b"/hello 0\n")
            assert b"connection: close" not in answer.lower()


def accepted_sockets(port: int) -> list[bool]:
    """Whether TCP_NODELAY is set, for each connection that this process has accepted on a port."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.fromfd(int(entry.name), socket.AF_INET, socket.SOCK_STREAM) as copy:
                if copy.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) != socket.AF_INET:
                    continue
                if copy.getsockname()[1] == port and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.append(bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        except OSError:
            continue
    return found


def test_tcp_nodelay_is_set(site: Site) -> None:
    with site.connect() as connection:
        site.ask(connection)
        assert accepted_sockets(site.port) == [True]


def test_requests_sent_together_are_answered_one_after_the_other(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20)))
        received = b""
        while b"/19 0\n" not in received:
            received += connection.recv(65536)
    assert [path for path, _ in site.seen] == [f"/{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("path", "authorization"), [("/body", "Authorization: Bearer good\r\n"), ("/signed", ""), ("/signed?a=b", "")]
)
def test_a_body_that_comes_in_pieces_is_handed_over_whole(site: Site, path: str, authorization: str) -> None:
    with site.connect() as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: 900\r\n\r\n".encode()
        for piece in (head[:3], head[3:60], head[60:], b"a" * 100, b"b" * 799):
            connection.sendall(piece)
            time.sleep(0.02)
        assert site.seen == []
        assert site.ask(connection, b"c").endswith(f"{path.partition('?')[0]} 900\n".encode())
        assert site.ask(connection).endswith(b"/hello 0\n")
    assert site.seen[0] == (path.partition("?")[0], b"a" * 100 + b"b" * 799 + b"c")


def test_a_client_that_asks_first_is_told_to_go_on_once(site: Site) -> None:
    with site.connect() as connection:
        head = b"POST /asked HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nExpect: 100-continue\r\n"
        connection.sendall(head + b"Content-Length: 4\r\n\r\n")
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert site.ask(connection, b"body").startswith(b"HTTP/1.1 200 OK")
    assert site.seen == [("/asked", b"body")]


def test_an_answer_larger_than_a_socket_takes_arrives_whole(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        received = bytearray()
        while len(received) < len(LARGE):
            received += connection.recv(100_000)
        assert received.endswith(LARGE[-1000:])
        assert site.ask(connection).endswith(b"/hello 0\n")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is not host:port"):
        WebServer("site", address, None, threads=1)


# --- Clients that cost nobody else anything


def test_silent_and_dripping_clients_keep_nobody_waiting(site: Site) -> None:
    beginnings = (
        b"",
        b"GET /drip HTTP/1.1\r\nX-Drip: ",
        b"POST /drip HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 999\r\n\r\n",
    )
    with crowd(site.port, beginnings=beginnings, every=0.05), site.connect() as kept:
        for _ in range(10):
            assert site.seconds() < 0.5
            assert site.ask(kept).endswith(b"/hello 0\n")
            time.sleep(0.05)
        assert {path for path, _ in site.seen} == {"/hello"}


def test_a_handshake_that_drips_keeps_nobody_waiting(site: Site) -> None:
    with crowd(site.port, beginnings=(b"\x16", b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x02\x00\x01"), every=0.05):
        for _ in range(5):
            assert site.seconds() < 0.5


def test_a_request_has_one_deadline_for_head_and_body(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connection, "REQUEST_SECONDS", 1)
    head = b"POST /slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 900\r\n\r\n"
    with site.connect() as new, site.connect() as kept:
        site.ask(kept)
        for connection in (new, kept):
            began = time.monotonic()
            received = b""
            for number in range(300):
                connection.sendall(head[number : number + 1] if number < len(head) else b"x")
                connection.settimeout(0.02)
                try:
                    received += (piece := connection.recv(1000))
                    if not piece:
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            assert time.monotonic() - began < 3
            assert received.startswith(b"HTTP/1.1 408 Request Timeout")
    assert "/slow" not in {path for path, _ in site.seen}


def test_clients_that_do_not_take_their_answers_hold_no_thread(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            connection = stack.enter_context(site.connect())
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        while len(site.seen) < 3 * THREADS:
            time.sleep(0.01)
        assert site.seconds() < 0.5


def test_an_answer_that_is_not_taken_ends_the_connection(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connection, "REQUEST_SECONDS", 1)
    with site.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2.5)
        received = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(100_000):
                received += len(piece)
        assert received < len(LARGE)


def test_idle_connections_are_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_connection, "IDLE_SECONDS", 0.2)
    with site.connect() as connection:
        site.ask(connection)
        assert connection.recv(1) == b""


def test_of_too_many_the_one_with_the_slowest_request_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_loop, "MOST_CONNECTIONS", 10)
    with site.connect() as kept:
        site.ask(kept)
        # None that has a request whole: threads that are behind with those would leave nothing else to close.
        with crowd(site.port, silent=0, dripping=30, beginnings=BEGINNINGS[:2], every=0.05) as drippers:
            for _ in range(5):
                assert site.seconds() < 0.5
            assert site.ask(kept).endswith(b"/hello 0\n")
            assert drippers[0].recv(1) == b""


def test_busy_threads_are_not_evicted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_loop, "MOST_CONNECTIONS", 3)
    with site.connect() as busy:
        busy.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        while not site.seen:
            time.sleep(0.01)
        with crowd(site.port, silent=20, dripping=0):
            site.going_on.set()
            assert until_end(busy).endswith(b"/wait 0\n")


# --- Bodies that are not waited for


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 500\r\n",
        b"Authorization: Bearer bad\r\nContent-Length: 500\r\n",
        b"Authorization: Bearer good\r\nContent-Length: 1001\r\n",
        b"Authorization: Bearer good\r\nTransfer-Encoding: gzip\r\n",
        b"Authorization: Bearer good\r\nContent-Length: 99999999999999999999\r\n",
        b"Authorization: Bearer good\r\nContent-Length: 5_0\r\n",
        b"Authorization: Bearer good\r\nContent-Length: +50\r\n",
        b"Authorization: Bearer good\r\nContent-Length : 50\r\n",
        b"Authorization: Bearer good\r\nContent-Length: 50\r\nContent-Length: 50\r\n",
        b"Authorization: Bearer good\r\nContent-Length: 5\r\n 0\r\n",
        b"Authorization: Bearer good\r\n\x0bContent-Length: 50\r\n",
    ],
    ids=lambda head: head.decode("latin-1").splitlines()[-1],
)
def test_a_body_that_is_not_admitted_or_not_measurable_is_no_next_request(site: Site, head: bytes) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with site.connect() as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + smuggled)
        received = b""
        while piece := connection.recv(1000):
            received += piece
        assert received.startswith(b"HTTP/1.1 ")
        assert received.count(b"HTTP/1.1 ") == 1
    assert "/smuggled" not in {path for path, _ in site.seen}


def test_the_answer_reaches_a_client_that_goes_on_to_send(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(9):
            connection.sendall(b"x" * 100_000)
            time.sleep(0.01)
        assert until_end(connection).endswith(b"/refused 0\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
    ],
    ids=["tls", "garbage", "newlines", "version", "long", "large"],
)
def test_garbage_is_refused_and_the_next_client_served(site: Site, request_bytes: bytes) -> None:
    with site.connect() as connection:
        try:
            connection.sendall(request_bytes)
            if not isinstance(connection, ssl.SSLSocket):
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(2)
            reply = connection.recv(4096)
        except (ConnectionError, TimeoutError):
            reply = b""
        assert not reply or reply.split()[1].startswith((b"4", b"5"))
    assert site.seconds() < 0.5
