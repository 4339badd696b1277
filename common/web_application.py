"""What the WSGI applications share: answers, and finding who gives them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

PLAIN = "text/plain; charset=utf-8"


@dataclass
class Answer:
    """What is sent back."""

    status: str = "200 OK"
    body: bytes = b""
    content_type: str = PLAIN
    headers: list[tuple[str, str]] = field(default_factory=list)

    def send(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, without the body when it asks for the head alone."""
        headers = [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            ("X-Content-Type-Options", "nosniff"),
            *self.headers,
        ]
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.body]


Routes = Mapping[str, Mapping[str, Callable[["WSGIEnvironment"], Answer]]]
"""Who answers, by path and method; whoever answers GET answers HEAD, too."""


def answer(routes: Routes, environ: WSGIEnvironment) -> Answer:
    """The answer of whom the path and the method lead to, or the error that says why there is none."""
    methods = routes.get(environ["PATH_INFO"])
    if methods is None:
        return Answer("404 Not Found", b"Not found\n")
    method = "GET" if environ["REQUEST_METHOD"] == "HEAD" else environ["REQUEST_METHOD"]
    if method not in methods:
        return Answer("405 Method Not Allowed", b"Method not allowed\n", headers=[("Allow", ", ".join(methods))])
    try:
        return methods[method](environ)
    except Exception:
        # The message may quote anything; it goes to the log, where secrets are masked.
        logger.exception("%s %s failed", method, environ["PATH_INFO"])
        return Answer("500 Internal Server Error", b"Internal error; see the log\n")


class BusyError(Exception):
    """As many requests as may are waiting for the same already."""


class Places:
    """Lets a few requests at a time wait for something, so that it does not hold all threads when it hangs.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = threading.Semaphore(count)

    @contextmanager
    def one(self) -> Iterator[None]:
        """While in here, the request is one of the few.

        Raises:
            BusyError: there is no place left.
        """
        if not self._free.acquire(blocking=False):
            raise BusyError(f"{self._count} requests are waiting for this already")
        try:
            yield
        finally:
            self._free.release()
