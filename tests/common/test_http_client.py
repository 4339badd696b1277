"""One HTTP request against real servers, most of which misbehave."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

from common.deadline import Deadline
from common.http_client import Answer, HttpError, TooLargeError, request
from testbed.servers.ports import free_port
from tests.common.network import Serve, black_hole, hanging_name, name_hosts, server

LOADED = 1.5
"""Seconds that a limit of 0.4 s may take on a busy machine, before what drips or hangs would end by itself."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(data: bytes, heard: list[bytes] | None = None) -> Serve:
    """Reads the request, sends this and closes."""

    def serve(connection: socket.socket) -> None:
        got = connection.recv(1 << 20)
        if heard is not None:
            heard.append(got)
        connection.sendall(data)

    return serve


def drips(head: bytes, rest: bytes = b"a" * 1000) -> Serve:
    """Sends this at once, and of the rest a byte each 50 ms."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 20)
        connection.sendall(head)
        for byte in rest:
            time.sleep(0.05)
            connection.sendall(bytes([byte]))

    return serve


def idles(_: socket.socket) -> None:
    """Does not even read."""
    time.sleep(2)


def ask(serve: Serve, seconds: float = 5, **options: Any) -> Answer:
    """GET from such a server."""
    with server(serve) as port:
        return request("GET", f"http://127.0.0.1:{port}/", Deadline(seconds), **options)


def refusal(act: Callable[[], Any]) -> str:
    """The message with which it fails."""
    with pytest.raises(HttpError) as caught:
        act()
    return str(caught.value)


# --- time


@pytest.mark.parametrize(
    "serve",
    [
        drips(b"", OK),
        drips(b"HTTP/1.1 "),
        drips(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100),
        drips(b"HTTP/1.1 200 OK\r\nX: "),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n"),
        drips(CHUNKED, b"1\r\na\r\n" * 100),
        idles,
    ],
    ids=["all", "status", "headers", "header", "1xx", "body", "endless", "chunks", "nothing"],
)
def test_dripping_does_not_win_time(serve: Serve) -> None:
    began = time.monotonic()
    assert refusal(lambda: ask(serve, 0.4)) == "no answer within 0.4 s"
    assert 0.35 < time.monotonic() - began < LOADED


@pytest.mark.parametrize("serve", [idles, drips(b"\x16\x03\x03\x00\x7a")], ids=["silent", "dripping"])
def test_a_handshake_that_hangs(serve: Serve) -> None:
    with server(serve) as port:
        began = time.monotonic()
        answer = refusal(lambda: request("GET", f"https://127.0.0.1:{port}/", Deadline(0.4)))
        assert answer == "no answer within 0.4 s"
        assert time.monotonic() - began < LOADED


def test_a_server_that_does_not_read() -> None:
    with server(idles) as port:
        began = time.monotonic()
        body = b"x" * (16 << 20)
        answer = refusal(lambda: request("POST", f"http://127.0.0.1:{port}/", Deadline(0.4), body=body))
        assert answer == "no answer within 0.4 s"
        assert time.monotonic() - began < LOADED


def test_a_slow_answer_that_is_there_in_time() -> None:
    assert ask(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello")).body == b"hello"


def test_the_other_address_and_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"both": ["::1", "127.0.0.1"]})
    hangs = hanging_name(monkeypatch)
    with server(answers(OK)) as port, black_hole("::1", port):
        assert request("GET", f"http://both:{port}/", Deadline(1)).status == 200
        began = time.monotonic()
        assert refusal(lambda: request("GET", f"http://{hangs}:{port}/", Deadline(0.3))) == "no answer within 0.3 s"
        assert time.monotonic() - began < LOADED


# --- what an answer may look like


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(120)) + b"Content-Length: 1\r\n\r\nz",
            b"z",
        ),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 70_000 + b"\r\nContent-Length: 1\r\n\r\nz", b"z"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: t\r\n\r\n",
            b"hello",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", b"ok"),
    ],
    ids=["plain", "1xx", "120 headers", "70 kB header", "chunked", "until the end", "no reason", "bare newlines"],
)
def test_answers_that_are_fine(data: bytes, body: bytes) -> None:
    answer = ask(answers(data))
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)) * 8,
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        CHUNKED + b"5\r\nhe",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 600_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nxxx",
    ],
    ids=["nothing", "garbage", "another", "short", "chunk", "lengths", "header", "only 1xx", "endless header", "101"],
)
def test_answers_that_are_none(data: bytes) -> None:
    assert re.fullmatch(
        "the answer is not valid HTTP, or breaks off|Connection reset by peer", refusal(lambda: ask(answers(data)))
    )


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11,
        CHUNKED + b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 11,
    ],
)
def test_a_body_that_is_too_large(data: bytes) -> None:
    assert len(ask(answers(data), largest=11).body) == 11
    with pytest.raises(TooLargeError, match=r"^the answer is larger than 10 bytes$"):
        ask(answers(data), largest=10)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7),
        ("0", 0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after(header: str, expected: float | None) -> None:
    answer = ask(answers(b"HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % header.encode()))
    assert (answer.status, answer.retry_after()) == (503, expected)


@pytest.mark.parametrize(("seconds", "expected"), [(3600, 3600), (-3600, 0)])
def test_retry_after_a_date(seconds: int, expected: int) -> None:
    date = formatdate(time.time() + seconds, usegmt=True).encode()
    answer = ask(answers(b"HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % date))
    assert answer.retry_after() == pytest.approx(expected, abs=60)


# --- the request


def test_what_is_sent() -> None:
    heard: list[bytes] = []
    with server(answers(OK, heard)) as port:
        request(
            "POST",
            f"http://us%65r:p%40ss@127.0.0.1:{port}/a b/%20?q=ü&r=(1)#fragment",
            Deadline(5),
            headers={"X-Key": " caf\xe9 ", "accept-encoding": "br"},
            body=b"body",
        )
        request("GET", f"http://127.0.0.1:{port}?q", Deadline(5), headers={"Authorization": "Bearer t", "Host": "h"})
    head, _, body = heard[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a%20b/%20?q=%C3%BC&r=(1) HTTP/1.1"
    assert sorted(lines[1:]) == sorted(
        [
            b"Host: 127.0.0.1:%d" % port,
            b"Connection: close",
            b"Content-Length: 4",
            b"Authorization: Basic dXNlcjpwQHNz",
            b"X-Key: caf\xe9",
            b"accept-encoding: br",
        ]
    )
    assert body == b"body"
    assert heard[1].startswith(b"GET /?q HTTP/1.1\r\n")
    assert b"Authorization: Bearer t\r\n" in heard[1]
    assert b"Host: h\r\n" in heard[1]


def test_no_redirects_no_proxies_no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heard: list[bytes] = []
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login who password hush")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    found = answers(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", heard)
    assert ask(found).status == 302
    assert len(heard) == 1
    assert b"uthorization" not in heard[0]


# --- TLS


def tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_an_authority_is_read_once_and_again_when_it_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built, build = [], ssl.create_default_context

    def count(**options: Any) -> ssl.SSLContext:
        built.append(options)
        return build(**options)

    monkeypatch.setattr(ssl, "create_default_context", count)
    old, new, file = trustme.CA(), trustme.CA(), tmp_path / "ca.pem"
    context = tls(old)

    def get() -> int:
        return request("GET", f"https://127.0.0.1:{port}/", Deadline(5), ca_file=str(file)).status

    with server(answers(OK), tls=context) as port:
        assert refusal(get) == f"{file}: No such file or directory"
        file.write_text("nothing")
        assert refusal(get) == f"{file} holds no certificates"
        new.cert_pem.write_to_path(str(file))
        assert refusal(get) == "the certificate is not trusted: unable to get local issuer certificate"
        old.cert_pem.write_to_path(str(tmp_path / "next.pem"))
        (tmp_path / "next.pem").replace(file)
        built.clear()
        assert [get() for _ in range(5)] == [200] * 5
        assert len(built) == 1
        new.issue_cert("127.0.0.1").configure_cert(context)
        new.cert_pem.write_to_path(str(file))
        assert [get() for _ in range(5)] == [200] * 5
        assert len(built) == 2


def test_certificates_that_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    name_hosts(monkeypatch, {"secret-name": ["127.0.0.1"]})
    with server(answers(OK), tls=tls(authority, "another-name")) as port:
        url = f"https://secret-name:{port}/"
        assert refusal(lambda: request("GET", url, Deadline(5))).startswith("the certificate is not trusted: ")
        answer = refusal(lambda: request("GET", url, Deadline(5), ca_file=str(tmp_path / "ca.pem")))
        assert answer == "the certificate is not trusted: Hostname mismatch"
    with server(answers(OK)) as port:
        url = f"https://127.0.0.1:{port}/"
        assert refusal(lambda: request("GET", url, Deadline(5))) == "TLS fails: WRONG_VERSION_NUMBER"


# --- secrets


@pytest.mark.parametrize(
    "url",
    [
        "http://Tr0ub4dor:Tr0ub4dor@127.0.0.1:{port}/Tr0ub4dor?Tr0ub4dor#Tr0ub4dor",
        "https://Tr0ub4dor:Tr0ub4dor@127.0.0.1:{port}/Tr0ub4dor",
        "http://user:Tr0ub4dor/3@127.0.0.1:{port}/",
        "http://user:1234/Tr0ub4dor@127.0.0.1:{port}/",
        "http://user:99999/Tr0ub4dor@127.0.0.1:{port}/",
        "http://[Tr0ub4dor/",
        "http://:0/Tr0ub4dor",
        "http:///Tr0ub4dor",
        "ftp://Tr0ub4dor/",
        "Tr0ub4dor",
        "http://Tr0ub4dor.invalid/",
        "http://Tr0ub4dor..x/",
        "http://" + "Tr0ub4dor" * 9 + "/",
        "",
    ],
)
def test_errors_have_no_piece_of_the_url(url: str) -> None:
    port = free_port()
    answer = refusal(lambda: request("GET", url.format(port=port), Deadline(5)))
    for piece in ("roub4dor", "r0ub4dor", str(port), "1234", "99999", "user", "127.0.0.1"):
        assert piece not in answer


def test_headers_that_cannot_be_sent_are_not_quoted() -> None:
    for value in ("Tr0ub4dor\r\nX: y", "Tr0ub4dor\0", "Tr0ub4dor€"):
        answer = refusal(lambda value=value: request("GET", "http://127.0.0.1/", Deadline(5), headers={"X": value}))  # type: ignore[misc]
        assert answer == "the URL or a header cannot be sent"


def test_it_costs_little_memory() -> None:
    names = "sorted({name.partition('.')[0] for name in sys.modules})"
    script = f"import sys, common.http_client; print(*{names})"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "h11" in loaded
    assert not {"requests", "urllib3", "certifi"} & set(loaded)
