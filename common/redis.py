"""Connections to Redis as both programs want them, whatever the URL says."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, parse_url
from redis.retry import Retry

from common import addresses
from common.connection_strings import ESCAPING, is_ambiguous
from common.deadline import Deadline, DeadlineExceededError
from common.secret_text import SecretError, SecretText

INVALID_URL = f"the URL is not valid, or an option in it; {ESCAPING}"

_TAKEN = {"db", "username", "password", "ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs"}
_TAKEN |= {"ssl_certfile", "ssl_check_hostname", "ssl_keyfile", "ssl_password"}
# What other programs that have the same URL may need of it, and what is decided here.
_LEFT_ALONE = {"client_name", "decode_responses", "encoding", "encoding_errors", "health_check_interval"}
_LEFT_ALONE |= {"max_connections", "protocol", "retry_on_error", "retry_on_timeout", "socket_connect_timeout"}
_LEFT_ALONE |= {"socket_keepalive", "socket_timeout", "timeout"}


class RedisUrlError(ValueError):
    """The URL cannot be used; one line without any piece of it but the name of an option."""


class _UnknownOptionError(RedisUrlError):
    pass


def check_url(url: SecretText) -> None:
    """Refuse a URL with an unknown option. One that cannot be had or read may be mended while the program runs.

    Raises:
        SecretError: it names the variable and the option.
    """
    try:
        options(url.reveal(), "", 1)
    except _UnknownOptionError as error:
        raise SecretError(f"{url.origin}: {error}") from None
    except (SecretError, RedisUrlError):
        return


def options(url: str, name: str, seconds: float) -> dict[str, Any]:
    """What a `redis.ConnectionPool` is made with; options of the URL do not replace these.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it.
        name: told to the server as the connection's name.
        seconds: until there is a connection, with whichever of the host's addresses; and for each answer.

    Raises:
        RedisUrlError: it is not valid.
    """
    try:
        if is_ambiguous(url):
            raise ValueError
        found = parse_url(url)  # type: ignore[no-untyped-call]
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        # Its message may quote a piece of the password.
        raise RedisUrlError(INVALID_URL) from None
    if unknown := sorted(asked.keys() - _TAKEN - _LEFT_ALONE):
        raise _UnknownOptionError(f"the URL has an unknown option: {', '.join(unknown)}")
    made = {
        **{option: value for option, value in found.items() if option not in _LEFT_ALONE},
        "connection_class": _KINDS[found.get("connection_class", redis.Connection)],
        "client_name": name,
        # The newer protocol answers the same commands in other shapes, and not every server speaks it.
        "protocol": 2,
        "decode_responses": True,
        "encoding_errors": "backslashreplace",
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    _make(made)
    return made


def connect(url: str, name: str, seconds: float) -> AbstractConnection:
    """A connection that is open; see `options`.

    Raises:
        RedisUrlError: the URL is not valid.
        redis.RedisError: the server is not reached or refuses.
    """
    connection = _make(options(url, name, seconds))
    connection.connect()  # type: ignore[no-untyped-call]
    return connection


def _make(made: Mapping[str, Any]) -> AbstractConnection:
    kind: Callable[..., AbstractConnection] = made["connection_class"]
    try:
        return kind(**{option: value for option, value in made.items() if option != "connection_class"})
    except (ValueError, TypeError, redis.RedisError):
        raise RedisUrlError(INVALID_URL) from None


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


class _Ours:
    def _connect(self) -> Any:
        return PromptSocket(super()._connect())  # type: ignore[misc]

    def _host_error(self) -> str:
        # Errors would tell host and port, which may be pieces of a password.
        return "the server"


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


class _Tcp(_Ours, _Dialed):
    pass


class _Tls(_Ours, redis.SSLConnection, _Dialed):
    pass


class _Unix(_Ours, redis.UnixDomainSocketConnection):
    pass


_KINDS: Mapping[type, Callable[..., AbstractConnection]] = {
    redis.Connection: _Tcp,
    redis.SSLConnection: _Tls,
    redis.UnixDomainSocketConnection: _Unix,
}
