"""Redis behind Sentinels: each connection is to the master that they name, and broken when they name another."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.connection import AbstractConnection
from redis.sentinel import MasterNotFoundError, Sentinel

from common.deadline import Deadline
from common.redaction import describe
from common.redis_connections import Checked, PromptSocket, Tcp, Tls
from common.redis_server import SENTINEL

PORT = 26379
OPTIONS = {"sentinel_username", "sentinel_password"}
"""Options of the URL that are about the Sentinels alone."""
NOT_THE_MASTER = "Redis: Sentinel's master says that it is a replica now"
MOVED = "Sentinel names another master now, or cannot be asked any more"
_UNKNOWN_MASTER = "Sentinel knows no master of this name, or takes it to be down"
_NEWS = "+switch-master"
_URL = re.compile(r"(rediss?)\+sentinel://(?:([^/?#]*)@)?([^/?#@]+)/([^/?#]+)(?:/([0-9]*))?(?:\?([^#]*))?")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:,]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True)
class SentinelUrl:
    """What a URL says: `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DATABASE?OPTIONS`.

    Attributes:
        plain: the URL of a Redis with all that holds for the master, but for its address.
        addresses: of the Sentinels, to be tried in this order.
        master: its name.
        login: `username` and `password` at the Sentinels.
    """

    plain: str
    addresses: Sequence[tuple[str, int]]
    master: str
    login: Mapping[str, str]


def is_sentinel_url(url: str) -> bool:
    """Whether the scheme is `redis+sentinel` or `rediss+sentinel`."""
    return re.match(r"rediss?\+sentinel://", url) is not None


def parse(url: str) -> SentinelUrl:
    """Take a URL apart.

    Raises:
        ValueError: it is not valid.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError
    scheme, login, hosts, master, database, query = match.groups(default="")
    asked = urllib.parse.parse_qsl(query, keep_blank_values=True)
    for_redis = urllib.parse.urlencode([(name, value) for name, value in asked if name not in OPTIONS])
    found = [_ADDRESS.fullmatch(host) for host in hosts.split(",")]
    return SentinelUrl(
        plain=f"{scheme}://{login + '@' if login else ''}sentinel/{database}?{for_redis}",
        addresses=[_address(address) for address in found],
        master=urllib.parse.unquote(master),
        login={name.removeprefix("sentinel_"): value for name, value in asked if name in OPTIONS},
    )


def options(url: SentinelUrl, made: Mapping[str, Any]) -> dict[str, Any]:
    """What connections to the master are made with.

    Args:
        url: parsed.
        made: the options of connections to a Redis without Sentinels.
    """
    of_one = {name: value for name, value in made.items() if name not in ("host", "port", "db", "username", "password")}
    # The master is one more, and none of them may use up the time of the others.
    share = made["socket_timeout"] / (len(url.addresses) + 1)
    of_one |= {"socket_timeout": share, "socket_connect_timeout": share, **url.login}
    of_one["connection_class"] = _SENTINELS[made["connection_class"]]
    sentinels = [{**of_one, "host": host, "port": port} for host, port in url.addresses]
    kind = _MASTERS[made["connection_class"]]
    return {**made, "connection_class": kind, "sentinels": _Sentinels(sentinels, url.master)}


class _Sentinels:
    """Those that may be asked for a master.

    Args:
        each: what a `redis.ConnectionPool` for each of them is made with.
        master: its name.
    """

    def __init__(self, each: Sequence[Mapping[str, Any]], master: str) -> None:
        self._each = each
        self._master = master

    def find(self) -> tuple[tuple[str, int], _News]:
        """Host and port of the master, and what tells when there is another one.

        Raises:
            redis.ConnectionError: nobody knows.
        """
        asked = [_Asked(made) for made in self._each]
        sentinel = Sentinel([])  # type: ignore[no-untyped-call]
        sentinels: list[Any] = list(asked)
        sentinel.sentinels = sentinels
        try:
            sentinel.discover_master(self._master)  # type: ignore[no-untyped-call]
            # The one that has answered comes first now. What it says is asked once more, because of a change before
            # it began to tell of changes.
            news = _News(sentinels[0].made, self._master)
            try:
                host, port = sentinel.discover_master(self._master)  # type: ignore[no-untyped-call]
            except BaseException:
                news.close()
                raise
        except MasterNotFoundError:
            # Its own message tells addresses, which may be pieces of a password.
            problems = dict.fromkeys(f"Sentinel: {problem}" for one in asked for problem in one.problems)
            raise redis.ConnectionError("; ".join(problems) or _UNKNOWN_MASTER) from None
        finally:
            for one in asked:
                one.close()
        return (host, port), news


class _Asked:
    """A Sentinel as redis-py's own class asks it; whatever is wrong with one, the next has its chance."""

    def __init__(self, made: Mapping[str, Any]) -> None:
        self.made = made
        self.problems: list[str] = []
        self._client = redis.Redis(connection_pool=redis.ConnectionPool(max_connections=1, **made))

    def sentinel_masters(self) -> Any:
        """Its answer to SENTINEL MASTERS."""
        try:
            return self._client.sentinel_masters()
        except (redis.RedisError, OSError, ValueError) as error:
            self.problems.append(describe(error))
            raise redis.ConnectionError from None

    def close(self) -> None:
        """Close its connection."""
        self._client.connection_pool.disconnect()


class _News:
    """A connection on which a Sentinel tells when a master is replaced.

    A master that is cut off from the others does not know it, and would go on to answer.
    """

    def __init__(self, made: Mapping[str, Any], master: str) -> None:
        kind: Callable[..., AbstractConnection] = made["connection_class"]
        self._master = master
        self._seconds = float(made["socket_timeout"])
        self._connection = kind(**{name: value for name, value in made.items() if name != "connection_class"})
        try:
            self._connection.connect()  # type: ignore[no-untyped-call]
            self._connection.send_command("SUBSCRIBE", _NEWS)  # type: ignore[no-untyped-call]
            self._connection.read_response()
        except BaseException:
            self.close()
            raise

    def moved(self) -> bool:
        """Whether there is another master now, or this Sentinel does not tell any more; does not wait."""
        try:
            while self._connection.can_read():
                if isinstance(sock := self._connection._sock, PromptSocket):
                    sock.due = Deadline(self._seconds)
                _, _, text = self._connection.read_response()
                if text.partition(" ")[0] == self._master:
                    return True
        except (redis.RedisError, OSError, ValueError, TypeError):
            return True
        return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]


class _ToSentinel:
    MODE = SENTINEL


class _TcpSentinel(_ToSentinel, Tcp):
    pass


class _TlsSentinel(_ToSentinel, Tls):
    pass


class _ToMaster(Checked):
    """A connection to the master of this moment: `host` and `port` are asked for each time that it is opened."""

    def __init__(self, *, sentinels: _Sentinels, **made: Any) -> None:
        super().__init__(**made)
        self._sentinels = sentinels
        self._news: _News | None = None

    def _connect(self) -> Any:
        self._forget()
        (self.host, self.port), self._news = self._sentinels.find()
        return super()._connect()

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        if self.role != "master":
            raise redis.ConnectionError(NOT_THE_MASTER)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._news is not None and self._news.moved():
            self.disconnect()
            raise redis.ConnectionError(MOVED)
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)
        except redis.exceptions.ReadOnlyError:
            # It was made a replica by other means.
            self.disconnect()
            raise redis.ConnectionError(NOT_THE_MASTER) from None

    def disconnect(self, *arguments: Any, **options: Any) -> None:
        super().disconnect(*arguments, **options)  # type: ignore[no-untyped-call]
        self._forget()

    def _forget(self) -> None:
        if self._news is not None:
            self._news.close()
            self._news = None


class _TcpMaster(_ToMaster, Tcp):
    pass


class _TlsMaster(_ToMaster, Tls):
    pass


def _address(match: re.Match[str] | None) -> tuple[str, int]:
    if match is None:
        raise ValueError
    return match[1].strip("[]"), int(match[2] or PORT)


_SENTINELS: Mapping[type, type] = {Tcp: _TcpSentinel, Tls: _TlsSentinel}
_MASTERS: Mapping[type, type] = {Tcp: _TcpMaster, Tls: _TlsMaster}
