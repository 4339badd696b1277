"""Redis with deadlines: several commands in one round trip, each with its own answer or error."""

from __future__ import annotations

import select
import threading
from collections.abc import Sequence
from typing import Any

import redis
from redis.connection import AbstractConnection

from common.deadline import Deadline
from common.redaction import describe
from common.redis import connect
from common.redis_connections import PromptSocket
from common.secret_text import SecretError, SecretText
from exporter.background_thread import BackgroundThread
from exporter.sources.byte_text import ERRORS
from exporter.sources.redis_text import packed
from exporter.waiting import Wait

TIMEOUT_SECONDS = 1.0
"""However much time there is: Redis answers within milliseconds or not at all."""

Command = tuple[Any, ...]


class RedisError(Exception):
    """A command or the connection failed; the message is one line, without secrets."""


class RedisSource:
    """Asks one Redis on a connection of its own, opened when needed, dropped as soon as anything is odd about it.

    A connection of redis-py is used without its client and pool, which wait in ways that cannot be shared with others.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it; read again with each new connection.
        name: told to the server as the connection's name.
    """

    def __init__(self, url: SecretText, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connecting = BackgroundThread(f"connect {name}")
        self._lock = threading.Lock()

    async def read(self, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        """The answers to read-only commands, in their order; a refused one is a `redis.ResponseError` in it.

        Raises:
            RedisError: there is no connection, or it failed.
            DeadlineExceededError: no answer in time.
        """
        if not commands:
            return []
        deadline = Deadline(min(TIMEOUT_SECONDS, deadline.check("Redis")))
        if not self._lock.acquire(timeout=max(0.0, deadline.remaining())):
            raise deadline.exceeded("Redis")
        try:
            return await self._read(commands, deadline)
        except (redis.RedisError, OSError, ValueError, SecretError) as error:
            self._close()
            raise RedisError(f"Redis: {describe(error)}") from None
        except BaseException:
            self._close()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Drop the connection, unless it is being used."""
        self._connecting.close()
        if self._lock.acquire(blocking=False):
            self._close()
            self._lock.release()

    async def _read(self, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        if self._connection is not None:
            try:
                return await _exchange(self._connection, commands, deadline)
            except (redis.ConnectionError, OSError):
                # Idle connections die with a restart of the server.
                self._close()
        self._connection = await self._connecting.run(self._connect, deadline, "Redis")
        return await _exchange(self._connection, commands, deadline)

    def _connect(self) -> AbstractConnection:
        return connect(self._url.reveal(), self._name, TIMEOUT_SECONDS, ERRORS)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()  # type: ignore[no-untyped-call]
            self._connection = None


async def _exchange(connection: AbstractConnection, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
    connection.send_packed_command([b"".join(map(packed, commands))])  # type: ignore[no-untyped-call]
    # redis-py has no public way to wait for several connections at once.
    sock = connection._sock
    if not isinstance(sock, PromptSocket):
        raise redis.ConnectionError("the connection was closed")
    sock.due = deadline
    await Wait(sock.fileno(), select.POLLIN, deadline, "Redis")
    answers = []
    for _ in commands:
        try:
            # The answers follow each other closely; should the rest not come, this is where it is waited for.
            answers.append(connection.read_response())
        except redis.ResponseError as error:
            answers.append(error)
    return answers
