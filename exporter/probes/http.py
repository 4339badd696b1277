"""One HTTP request with a time limit on the whole of it.

The time limit of a socket is about silence: a server that sends a byte now and then holds a request for as long as it
likes, and with it the probe, even when the service has long recovered. So the connection is cut when the time is over.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from common.deadline import Deadline

# Pages are shorter; what never ends is not healthy.
LARGEST_BODY = 1 << 20


class HttpError(Exception):
    """There was no answer, or none that is HTTP; the message names no URL, whose path may be a key."""


@dataclass(frozen=True)
class Answer:
    """The status code, and the body up to one byte more than `LARGEST_BODY`."""

    status: int
    body: bytes


def request(
    method: str,
    url: str,
    seconds: float,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    ca_file: str | None = None,
) -> Answer:
    """Send a request, on a connection of its own, and read the answer. Redirects are not followed.

    Raises:
        HttpError: there was none within so many seconds, or none that is HTTP.
        OSError: the connection failed.
    """
    deadline = Deadline(seconds)
    try:
        parts = urllib.parse.urlsplit(url)
        tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    except ValueError:
        raise HttpError("the URL is not valid") from None
    plain = socket.create_connection((host, port), timeout=seconds)
    # A second handle: TLS takes the first one over.
    handle = plain.dup()
    timer = threading.Timer(max(0.0, deadline.remaining()), _cut, [handle])
    timer.daemon = True
    timer.start()
    connection = http.client.HTTPConnection(host, port)
    connection.sock = plain
    try:
        if tls:
            context = ssl.create_default_context(cafile=ca_file)
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(method, target, body, {"Host": _host(parts, tls=tls), **_user(parts), **headers})
        response = connection.getresponse()
        content = response.read(LARGEST_BODY + 1)
        if deadline.remaining() <= 0 or (response.length and len(content) <= LARGEST_BODY):
            raise http.client.IncompleteRead(content, response.length)
        return Answer(response.status, content)
    except (http.client.HTTPException, OSError, ValueError) as error:
        if deadline.remaining() <= 0:
            raise HttpError(f"no answer within {seconds:g} s") from None
        if isinstance(error, OSError):
            raise
        raise HttpError(f"the answer is not HTTP: {type(error).__name__}") from None
    finally:
        timer.cancel()
        connection.close()
        handle.close()


def _cut(handle: socket.socket) -> None:
    # It may be closed already, by either side.
    with suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _host(parts: urllib.parse.SplitResult, *, tls: bool) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in (None, 443 if tls else 80) else f"{host}:{parts.port}"


def _user(parts: urllib.parse.SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
