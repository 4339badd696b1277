"""Addresses that do not answer, names with several addresses, and servers that answer oddly."""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any

import pytest

_numbers = count()

Serve = Callable[[socket.socket], None]


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """A port that neither accepts a connection nor refuses it: the queue of those that wait is full."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        place = listener.getsockname()[:2]
        for _ in range(20):
            waiting = stack.enter_context(socket.socket(family))
            waiting.setblocking(False)
            waiting.connect_ex(place)
            poller = select.poll()
            poller.register(waiting, select.POLLOUT)
            if not poller.poll(100):
                break
        else:
            raise AssertionError("the queue is never full")
        yield place[1]


@contextmanager
def server(serve: Serve, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Listens, and does this with each connection, in a thread of its own; the port."""
    listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)

    def handle(plain: socket.socket) -> None:
        # The client may be gone at any time.
        with plain, suppress(OSError):
            if tls is None:
                serve(plain)
            else:
                with tls.wrap_socket(plain, server_side=True) as secure:
                    serve(secure)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def redis_greeting(heard: bytes) -> bytes:
    """What a Redis answers to the commands with which a connection begins, of which these are one or more."""
    answers = {b"HELLO": b"*4\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"}
    commands = re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n", heard)
    return b"".join(answers.get(command, b"+OK\r\n") for command in commands)


def hanging_name(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a host with which the resolver hangs: another one each time, because its question goes on."""
    name = f"hangs-{next(_numbers)}"
    name_hosts(monkeypatch, {name: threading.Event()})
    return name


def name_hosts(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, list[str] | threading.Event]) -> list[str]:
    """Let the resolver know these names besides its own, and hang with those of an event until it is set.

    Returns:
        The names it is asked for, which grows.
    """
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        known = names.get(host)
        if known is None:
            return real(host, port, *arguments, **options)
        if options.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        asked.append(host)
        if isinstance(known, threading.Event):
            known.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [entry for address in known for entry in real(address, port, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
