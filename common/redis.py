"""Connections to Redis as both programs want them, whatever the URL says."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, parse_url
from redis.retry import Retry

from common import redis_sentinel
from common.connection_strings import ESCAPING, is_ambiguous
from common.redis_connections import Tcp, Tls, Unix
from common.secret_text import SecretError, SecretText

INVALID_URL = f"the URL is not valid, or an option in it; {ESCAPING}"
UNREADABLE = "backslashreplace"
"""How text that is not UTF-8 is read, as long as it need not be sent back."""

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
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it; or with Sentinels, see `SentinelUrl`.
        name: told to the server as the connection's name.
        seconds: until there is a connection, with whichever of the host's addresses; and for each answer.

    Raises:
        RedisUrlError: it is not valid.
    """
    try:
        if is_ambiguous(url):
            raise ValueError
        sentinels = redis_sentinel.parse(url) if redis_sentinel.is_sentinel_url(url) else None
        url = url if sentinels is None else sentinels.plain
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
        "encoding_errors": UNREADABLE,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    _make(made)
    return made if sentinels is None else redis_sentinel.options(sentinels, made)


def connect(url: str, name: str, seconds: float, encoding_errors: str = UNREADABLE) -> AbstractConnection:
    """A connection that is open; see `options`.

    Args:
        url: see `options`.
        name: see `options`.
        seconds: see `options`.
        encoding_errors: of Python's codecs, for text that is not UTF-8.

    Raises:
        RedisUrlError: the URL is not valid.
        redis.RedisError: the server is not reached or refuses.
    """
    connection = _make({**options(url, name, seconds), "encoding_errors": encoding_errors})
    connection.connect()  # type: ignore[no-untyped-call]
    return connection


def _make(made: Mapping[str, Any]) -> AbstractConnection:
    kind: Callable[..., AbstractConnection] = made["connection_class"]
    try:
        return kind(**{option: value for option, value in made.items() if option != "connection_class"})
    except (ValueError, TypeError, redis.RedisError):
        raise RedisUrlError(INVALID_URL) from None


_KINDS: Mapping[type, Callable[..., AbstractConnection]] = {
    redis.Connection: Tcp,
    redis.SSLConnection: Tls,
    redis.UnixDomainSocketConnection: Unix,
}
