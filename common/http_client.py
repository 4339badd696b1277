"""One HTTP request on a connection of its own, with one time limit on the whole of it.

The time limit of a socket is about silence: a server that sends a byte now and then would hold a request for as long
as it likes. So each wait, from the name of the host to the last byte of the body, is for what is left of the deadline.
There are no redirects, no proxies and no credentials but those that are given. Errors have no piece of the URL in
them, whose path, user or even port may be, or be taken from, a key.
"""

from __future__ import annotations

import base64
import email.utils
import ssl
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import socket

import h11

from common import addresses
from common.deadline import Deadline, DeadlineExceededError

LARGEST_BODY = 1 << 20
_LARGEST_HEAD = 256 << 10
_PIECE = 64 << 10
_PORTS = {"http": 80, "https": 443}
# As written in a URL; everything else is escaped.
_IN_TARGET = "!#$%&'()*+,/:;=?@[]~"


class HttpError(Exception):
    """There is no answer, or none that can be used; one line without any piece of the URL.

    Attributes:
        sent: whether the server may have got the request.
    """

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class TooLargeError(HttpError):
    """The body is larger than it may be."""


@dataclass(frozen=True)
class Answer:
    """An answer of whatever status.

    Attributes:
        status: 200 to 599.
        headers: by their names in lower case.
        body: whole.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after(self) -> float | None:
        """Seconds to wait before the next request, as the header `Retry-After` has it; None without a valid one."""
        text = self.headers.get("retry-after", "").strip()
        if text.isdecimal():
            return float(text)
        instant = _instant(text)
        return None if instant is None else max(0.0, instant.timestamp() - time.time())

    def date(self) -> datetime | None:
        """The header `Date`, a whole second; None without a valid one."""
        return _instant(self.headers.get("date", ""))


def _instant(text: str) -> datetime | None:
    """What a header means that holds a time; None when it holds none."""
    try:
        instant = email.utils.parsedate_to_datetime(text)
        instant.timestamp()
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def request(
    method: str,
    url: str,
    deadline: Deadline,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    ca_file: str | None = None,
    largest: int = LARGEST_BODY,
) -> Answer:
    """Send a request and read the answer.

    Args:
        method: GET, POST, PUT, …
        url: http or https; a user and password in it are sent as Basic credentials.
        deadline: for everything.
        headers: more headers, or others than those that are sent anyway.
        body: sent along.
        ca_file: certificates to trust instead of the system's; one that is replaced is read again.
        largest: bytes that the body of the answer may have.

    Raises:
        HttpError: there is no answer in time, or none that can be used.
    """
    parts = _split(url)
    host, tls = str(parts.hostname), parts.scheme == "https"
    exchange = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
    try:
        message = exchange.send(_head(method, parts, headers or {}, body)) or b""
        message += exchange.send(h11.Data(data=body or b"")) or b""
        message += exchange.send(h11.EndOfMessage()) or b""
    except (h11.LocalProtocolError, UnicodeError):
        raise HttpError("the URL or a header cannot be sent") from None
    context = _context(ca_file) if tls else None
    sent = False
    try:
        with addresses.connect(host, parts.port or _PORTS[parts.scheme], deadline) as plain:
            if context is None:
                sent = True
                return _exchange(exchange, plain, message, deadline, largest)
            with context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) as secure:
                secure.settimeout(deadline.check("TLS"))
                secure.do_handshake()
                sent = True
                return _exchange(exchange, secure, message, deadline, largest)
    except (DeadlineExceededError, TimeoutError):
        raise HttpError(f"no answer within {deadline.seconds:g} s", sent=sent) from None
    except ssl.SSLCertVerificationError as error:
        # What follows the comma is the name of the host.
        reason = error.verify_message.partition(", certificate")[0]
        raise HttpError(f"the certificate is not trusted: {reason}") from None
    except ssl.SSLError as error:
        raise HttpError(f"TLS fails: {error.reason or type(error).__name__}", sent=sent) from None
    except OSError as error:
        raise HttpError(error.strerror or str(error) or type(error).__name__, sent=sent) from None
    except h11.RemoteProtocolError:
        # Its message may quote the answer, and that may quote the request.
        raise HttpError("the answer is not valid HTTP, or breaks off", sent=sent) from None


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port that is none, or half a bracket
        pass
    raise HttpError("the URL is not valid")


def _head(method: str, parts: urllib.parse.SplitResult, headers: Mapping[str, str], body: bytes | None) -> h11.Request:
    host = str(parts.hostname).encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    sent = {"Host": host if parts.port in (None, _PORTS[parts.scheme]) else f"{host}:{parts.port}"}
    sent |= {"Accept-Encoding": "identity", "Connection": "close"}
    if body is not None:
        sent["Content-Length"] = str(len(body))
    if parts.username is not None:
        pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    given = {name.lower() for name in headers}
    sent = {name: value for name, value in sent.items() if name.lower() not in given} | dict(headers)
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    return h11.Request(
        method=method,
        target=urllib.parse.quote(target, safe=_IN_TARGET),
        headers=[(name.encode("latin-1"), value.strip().encode("latin-1")) for name, value in sent.items()],
    )


def _exchange(exchange: h11.Connection, connection: socket, message: bytes, deadline: Deadline, largest: int) -> Answer:
    rest = memoryview(message)
    while rest:
        connection.settimeout(deadline.check("the request"))
        rest = rest[connection.send(rest) :]
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = exchange.next_event()
        if event is h11.NEED_DATA:
            connection.settimeout(deadline.check("the answer"))
            exchange.receive_data(connection.recv(_PIECE))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > largest:
                raise TooLargeError(f"the answer is larger than {largest} bytes", sent=True)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers: dict[str, str] = {}
            for name, value in head.headers:
                key, text = name.decode("latin-1"), value.decode("latin-1")
                headers[key] = f"{headers[key]}, {text}" if key in headers else text
            return Answer(head.status_code, headers, bytes(body))


_building = threading.Lock()
_contexts: dict[str | None, tuple[tuple[int, ...], ssl.SSLContext]] = {}


def _context(ca_file: str | None) -> ssl.SSLContext:
    """The settings for TLS, which take long to build, as of the file that is there now."""
    path = ca_file or ssl.get_default_verify_paths().cafile
    try:
        found = Path(path).stat() if path else None
        version = (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()
        # Whoever needs the same at the same time is sooner served by waiting than by building another.
        with _building:
            known = _contexts.get(ca_file)
            if known is None or known[0] != version:
                known = _contexts[ca_file] = (version, ssl.create_default_context(cafile=ca_file))
    except ssl.SSLError:
        raise HttpError(f"{path} holds no certificates") from None
    except OSError as error:
        raise HttpError(f"{path}: {error.strerror}") from None
    return known[1]
