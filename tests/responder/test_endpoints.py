"""Calls of configured services: what is repeated, when, and for how long."""

from __future__ import annotations

import socket
import time

import pytest

from responder.config import Config, Endpoint
from responder.endpoints import EndpointClient, EndpointError
from tests.common.network import server

OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Service:
    """Answers one request after the other with these texts, the last one again and again."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.times: list[float] = []
        self.heard: list[str] = []

    def __call__(self, connection: socket.socket) -> None:
        self.times.append(time.monotonic())
        self.heard.append(connection.recv(65536).decode())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        connection.sendall(answer.encode())


def busy(retry_after: str = "", status: str = "503 Busy") -> str:
    header = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return f"HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\n\r\n"


CLIENT = EndpointClient(Config(allowed_hosts=("127.0.0.1",)))


@pytest.mark.parametrize("status", ["503 Busy", "429 Too Many Requests"])
def test_waits_as_long_as_the_service_asks(status: str) -> None:
    service = Service(busy("1", status), OK)
    with server(service) as port:
        assert CLIENT.request("GET", Endpoint(url=f"http://127.0.0.1:{port}")).json() == {}
    assert 1 <= service.times[1] - service.times[0] < 3


def test_does_not_wait_for_longer_than_there_is_time() -> None:
    service = Service(busy("3"), OK)
    with server(service) as port:
        began = time.monotonic()
        with pytest.raises(EndpointError, match=r"answered 503$") as refusal:
            CLIENT.request("GET", Endpoint(url=f"http://127.0.0.1:{port}"), seconds=2)
        assert time.monotonic() - began < 1.5
    assert (refusal.value.status, refusal.value.passing, refusal.value.retry_after) == (503, True, 3)
    assert len(service.times) == 1


@pytest.mark.parametrize(("answer", "tries"), [(busy(), 3), (busy("soon"), 3), (busy(status="404 No"), 1), ("", 3)])
def test_what_may_pass_is_tried_again(answer: str, tries: int) -> None:
    service = Service(answer)
    with server(service) as port, pytest.raises(EndpointError) as refusal:
        CLIENT.request("GET", Endpoint(url=f"http://127.0.0.1:{port}/secret-path"))
    assert len(service.times) == tries
    assert str(refusal.value).startswith(f"GET 127.0.0.1:{port}: ")
    assert "secret-path" not in str(refusal.value)


def test_all_tries_together_have_one_time_limit() -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            time.sleep(0.05)

    with server(drip) as port:
        began = time.monotonic()
        with pytest.raises(EndpointError, match=r"no answer within 0\.5 s$"):
            CLIENT.request("GET", Endpoint(url=f"http://127.0.0.1:{port}"), seconds=0.5)
        assert time.monotonic() - began < 2


def test_what_is_sent() -> None:
    service = Service(OK)
    with server(service) as port:
        endpoint = Endpoint(url=f"http://127.0.0.1:{port}/base/")
        CLIENT.request("POST", endpoint, "/path", body={"a": "ü"}, params={"q": "a b&c"}, headers={"X-Key": "k"})
    head, _, body = service.heard[0].partition("\r\n\r\n")
    assert head.startswith("POST /base/path?q=a+b%26c HTTP/1.1\r\n")
    assert {"Content-Type: application/json", "Accept: application/json", "X-Key: k"} <= set(head.split("\r\n"))
    assert "User-Agent: ticketing-responder" in head
    assert body == '{"a": "\\u00fc"}'


def test_a_password_that_is_not_escaped_is_not_quoted() -> None:
    with pytest.raises(EndpointError) as refusal:
        CLIENT.request("GET", Endpoint(url="http://user:1234/Tr0ub4dor@127.0.0.1:1/"))
    assert "1234" not in str(refusal.value)
    assert "roub4dor" not in str(refusal.value)
