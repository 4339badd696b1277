"""Bodies of requests, of a bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

LARGEST_BODY = 1 << 20
LARGEST_CLICK = 1 << 18
"""With the message that has the button, several times over."""


class BodyError(Exception):
    """The body cannot be taken; the message says why.

    Attributes:
        reason: one word for the metric.
        status: to answer with.
    """

    def __init__(self, reason: str, status: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


def read_body(environ: WSGIEnvironment, largest: int = LARGEST_BODY) -> bytes:
    """The whole body.

    Raises:
        BodyError: its length is unknown or too large, or it is not all there.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise BodyError("malformed", "411 Length Required", "Content-Length is missing")
    if int(length) > largest:
        raise BodyError("too_large", "413 Content Too Large", f"at most {largest} bytes")
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise BodyError("incomplete", "400 Bad Request", f"{len(body)} of {length} bytes arrived")
    return body
