"""One client's connection: no thread waits for it, neither for its request to arrive nor for its answer to be taken.

A thread is given to a request once all of it is there, so that clients that send nothing, or a byte a second, hold
none. What they may send is bounded in size and in time.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import ssl
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from cheroot.server import HTTPConnection, HTTPRequest

from common.deadline import Deadline

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 10
"""From the connection, or from the first byte of a later request, until the request is there, head and body; and then
again for the answer to be taken."""
IDLE_SECONDS = 75
"""Between two requests."""
LINGER_SECONDS = 2
"""What a client goes on to send after a refusal is thrown away for so long: it would lose the answer otherwise."""
LARGEST_HEAD = 32768
_PIECE = 65536

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
# What could be read as another length: chunks, lengths that are not plain, lines that go on in the next.
_OTHER_LENGTH = re.compile(rb"\n(?:\s*(?:transfer-encoding|content-length)|[ \t])", re.IGNORECASE)
_AUTHORIZATION = re.compile(rb"\nauthorization:[ \t]*([^\r\n]*)", re.IGNORECASE)
_EXPECT = re.compile(rb"\nexpect:[ \t]*100-continue", re.IGNORECASE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Next(Enum):
    """What a connection needs to go on."""

    READ = auto()
    WRITE = auto()
    THREAD = auto()
    CLOSE = auto()


class Connection(HTTPConnection):
    """A connection as cheroot's threads serve it, on a socket that never blocks.

    Attributes:
        deadline: when it is given up on.
        since: since when it has been waited for, on the monotonic clock.
        body_is_missing: the request is answered without its body, and the connection ends with the answer.
    """

    def __init__(self, server: Any, sock: socket.socket, address: tuple[Any, ...]) -> None:
        sock.setblocking(False)
        super().__init__(server, sock, lambda *_: None)
        self.RequestHandlerClass = _Request
        self.remote_addr, self.remote_port = address[:2]
        self.ssl_env = {"wsgi.url_scheme": "https", "HTTPS": "on"} if isinstance(sock, ssl.SSLSocket) else {}
        self.body_is_missing = False
        self._handshaking = isinstance(sock, ssl.SSLSocket)
        self._served = self._ending = self._shut_down = False
        self._received, self._unsent = bytearray(), bytearray()
        self.rfile, self.wfile = _Incoming(), _Outgoing(self._unsent)
        self._searched = 0
        self._needed: int | None = None
        self._wait(REQUEST_SECONDS)

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests."""
        return self._served and not (self._received or self._unsent or self._ending)

    def communicate(self) -> bool:
        """Answer the request that is there, on a thread.

        Returns:
            True: the connection is to be handed back, which sends the answer, and ends the connection when that is due.
        """
        self._ending = not super().communicate() or self.body_is_missing  # type: ignore[no-untyped-call]
        self._served = True
        self._wait(REQUEST_SECONDS)
        with suppress(OSError):  # which comes again
            self._send()
        return True

    def advance(self) -> Next:
        """Go on as far as it goes without waiting."""
        try:
            if self._handshaking:
                self.socket.do_handshake()
                self._handshaking = False
            if not self._send():
                return Next.WRITE
            return self._end() if self._ending else self._receive()
        except (BlockingIOError, ssl.SSLWantReadError):
            return Next.READ
        except ssl.SSLWantWriteError:
            return Next.WRITE
        except OSError as error:
            logger.debug("connection of %s: %s", self.remote_addr, error)
            return Next.CLOSE

    def give_up(self) -> None:
        """Close it, and say that the request took too long when one had begun."""
        if self._received and not self._unsent and not self._ending:
            with suppress(OSError):
                self.socket.send(_TOO_SLOW)
        self.close()

    def close(self) -> None:
        """Close it, whatever state it is in."""
        with suppress(OSError):
            super().close()

    def _wait(self, seconds: float) -> None:
        self.since = time.monotonic()
        self.deadline = Deadline(seconds)

    def _send(self) -> bool:
        """Send what can be sent; whether that was all."""
        if not self._unsent:
            return True
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            return False
        self._wait(IDLE_SECONDS)
        return True

    def _end(self) -> Next:
        if not self.body_is_missing:
            return Next.CLOSE
        if not self._shut_down:
            self.socket.shutdown(socket.SHUT_WR)
            self._shut_down = True
            self._wait(LINGER_SECONDS)
        return Next.READ if self.socket.recv(_PIECE) else Next.CLOSE

    def _receive(self) -> Next:
        while not self._is_there():
            piece = self.socket.recv(_PIECE)
            if self.is_idle:
                self._wait(REQUEST_SECONDS)
            self._received += piece
            if not piece:
                if self._needed is None:
                    return Next.CLOSE
                self.body_is_missing, self._needed = True, len(self._received)
        self.rfile = _Incoming(self._received[: self._needed])
        del self._received[: self._needed]
        self._searched, self._needed = 0, None
        return Next.THREAD

    def _is_there(self) -> bool:
        """Whether the request is there, or as much of it as is looked at."""
        if self._needed is None:
            end = _END_OF_HEAD.search(self._received, self._searched)
            if end is None and len(self._received) <= LARGEST_HEAD:
                self._searched = max(0, len(self._received) - 2)
                return False
            self._needed = self._measure(end)
        return len(self._received) >= self._needed

    def _measure(self, end: re.Match[bytes] | None) -> int:
        """The bytes of the request that are looked at: the body too, unless it is refused unseen."""
        head = bytes(self._received[: end.end()]) if end else bytes(self._received)
        length = _LENGTH.search(head)
        whole = len(head) + (int(length[1]) if length else 0)
        arrived = len(self._received) >= whole
        self.body_is_missing = (
            end is None
            or len(_OTHER_LENGTH.findall(head)) != (length is not None)
            or whole > len(head) + self.server.largest_body
            or not (arrived or self.server.admits(_path(head), _authorization(head), whole - len(head)))
        )
        if self.body_is_missing:
            return len(head)
        if not arrived and _EXPECT.search(head):
            self.socket.send(_CONTINUE)
        return whole


class _Request(HTTPRequest):
    def __init__(self, server: Any, conn: Connection) -> None:
        # Every server takes a whole address in the request line (RFC 9112, section 3.2.2); to cheroot that is a proxy.
        super().__init__(server, conn, proxy_mode=True)
        self.scheme = b"https" if conn.ssl_env else b"http"
        self.close_connection = conn.body_is_missing


class _Incoming(io.BytesIO):
    """The request, all of it, as cheroot reads it."""

    bytes_read = 0


class _Outgoing:
    """The answer, which is sent when all of it is there."""

    bytes_written = 0

    def __init__(self, unsent: bytearray) -> None:
        self._unsent = unsent

    def write(self, data: bytes) -> None:
        # cheroot says it when the body is there already.
        if data != _CONTINUE:
            self._unsent += data


def _path(head: bytes) -> str:
    words = head.partition(b"\r\n")[0].split(b" ")
    return words[1].partition(b"?")[0].decode("latin-1") if len(words) == 3 else ""


def _authorization(head: bytes) -> str:
    found = _AUTHORIZATION.search(head)
    return found[1].decode("latin-1") if found else ""
