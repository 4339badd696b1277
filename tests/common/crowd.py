"""Clients that never come to the point: they send nothing, or a byte now and then."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

BEGINNINGS = (
    b"",
    b"GET /metrics HTTP/1.1\r\nX-Drip: ",
    b"POST /alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
)
"""Nothing, half a head, a head whose body follows."""


@contextmanager
def crowd(
    port: int, *, silent: int = 64, dripping: int = 60, beginnings: Sequence[bytes] = BEGINNINGS, every: float = 1.0
) -> Iterator[list[socket.socket]]:
    """Connections that stay silent, and others that send a byte every so many seconds; yields the latter."""
    done = threading.Event()
    with ExitStack() as stack:
        for _ in range(silent):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        drippers = []
        for number in range(dripping):
            dripper = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            dripper.sendall(beginnings[number % len(beginnings)])
            drippers.append(dripper)

        def drip() -> None:
            while not done.wait(every):
                for dripper in drippers:
                    with suppress(OSError):
                        dripper.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield drippers
        finally:
            done.set()
            thread.join()
