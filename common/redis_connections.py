"""Connections of redis-py with our deadlines, to nothing but a server that can be read rightly."""

from __future__ import annotations

import socket
from typing import Any

import redis
from redis.connection import AbstractConnection

from common import addresses, redis_server
from common.deadline import Deadline, DeadlineExceededError


class PromptSocket:
    """A socket on which an answer has to be there as a whole in time.

    The time limit of a socket is about silence: a server that sends a byte now and then would hold whoever reads.

    Attributes:
        due: when what is read has to be there; its time begins anew whenever something is sent.
    """

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._seconds = plain.gettimeout() or 0.0
        self.due = Deadline(self._seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def sendall(self, data: bytes) -> None:
        """Send as a whole, in the same time."""
        self.due = Deadline(self._seconds)
        self._plain.settimeout(self._seconds)
        self._plain.sendall(data)

    def recv_into(self, buffer: bytearray) -> int:
        """Receive what is there.

        Raises:
            TimeoutError: it is too late.
        """
        if (left := self.due.remaining()) <= 0:
            raise TimeoutError
        self._plain.settimeout(left)
        return self._plain.recv_into(buffer)


class Checked(AbstractConnection):
    """What all have in common.

    Attributes:
        role: of the server, `master` or `replica`, when the connection was opened.
    """

    MODE = redis_server.STANDALONE
    role = ""

    def _connect(self) -> Any:
        return PromptSocket(super()._connect())  # type: ignore[no-untyped-call,safe-super]

    def _host_error(self) -> str:
        # Errors would tell host and port, which may be pieces of a password.
        return "the server"

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Greet the server as redis-py does, and refuse it if it is not what it has to be."""
        try:
            super().on_connect_check_health(check_health)
        except redis.ResponseError:
            # What the server is may be the reason, and says more: a cluster refuses SELECT.
            redis_server.check(self, self.MODE)
            raise
        self.role = redis_server.check(self, self.MODE)

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The next answer, as redis-py reads it, unless only a cluster gives it."""
        try:
            return super().read_response(*arguments, **options)
        except redis.ResponseError as error:
            redis_server.refuse_answers_of_a_cluster(error)
            raise


class _Dialed(redis.Connection):
    def _connect(self) -> Any:
        try:
            connected = addresses.connect(self.host, self.port, Deadline(self.socket_connect_timeout or 0))
        except DeadlineExceededError as error:
            raise TimeoutError(str(error)) from None
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self.socket_keepalive_options.items():
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
        connected.settimeout(self.socket_timeout)
        return connected


class Tcp(Checked, _Dialed):
    """To a host and port."""


class Tls(Checked, redis.SSLConnection, _Dialed):
    """To a host and port, with TLS."""


class Unix(Checked, redis.UnixDomainSocketConnection):
    """To a socket in the file system."""
