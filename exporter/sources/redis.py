"""Redis with deadlines: several commands in one round trip, each with its own answer or error."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Mapping, Sequence
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
from exporter.sources.replication import RedisReplica
from exporter.sources.status import SourceStatus
from exporter.waiting import Wait

TIMEOUT_SECONDS = 1.0
"""However much time there is: Redis answers within milliseconds or not at all."""

STATUS_SECONDS = 1.0
"""What Redis says of itself holds for so long: one scrape may read several times."""

Command = tuple[Any, ...]

_TIME: Command = ("TIME",)
_REPLICATION: Command = ("INFO", "replication")


class RedisError(Exception):
    """A command or the connection failed; the message is one line, without secrets."""


class RedisSource:
    """Asks one Redis on a connection of its own, opened when needed, dropped as soon as anything is odd about it.

    A connection of redis-py is used without its client and pool, which wait in ways that cannot be shared with others.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it; read again with each new connection.
        name: told to the server as the connection's name.
        status: what it last said of itself; one that believes everything by default.
    """

    def __init__(self, url: SecretText, name: str, status: SourceStatus | None = None) -> None:
        self.status = status or SourceStatus("redis")
        self.refused: set[str] = set()
        """What it may not be asked of itself, on this connection."""
        self._replica = RedisReplica()
        self._status_due = 0.0
        self._url = url
        self._name = name
        self._connection: AbstractConnection | None = None
        self._connecting = BackgroundThread(f"connect {name}")
        self._lock = threading.Lock()

    async def read(self, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        """The answers to read-only commands, in their order; a refused one is a `redis.ResponseError` in it.

        Raises:
            RedisError: there is no connection, or it failed, or what it has is too old to be believed.
            DeadlineExceededError: no answer in time.
        """
        if not commands:
            return []
        answers = await self._answers(commands, deadline)
        if late := self.status.late():
            raise RedisError(f"Redis: {late}")
        return answers

    async def now(self, deadline: Deadline) -> int | None:
        """Its unix time in microseconds, asked for once; later it comes along with answers. None when it does not say.

        Raises:
            RedisError, DeadlineExceededError: see `read`.
        """
        if self.status.now() is None and _TIME[0] not in self.refused:
            await self.read([("PING",)], deadline)
        return self.status.now()

    async def _answers(self, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
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
                return await self._ask(self._connection, commands, deadline)
            except (redis.ConnectionError, OSError):
                # Idle connections die with a restart of the server.
                self._close()
        self._connection = await self._connecting.run(self._connect, deadline, "Redis")
        self.refused.clear()
        self._status_due = 0.0
        return await self._ask(self._connection, commands, deadline)

    async def _ask(self, connection: AbstractConnection, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        sent = time.monotonic()
        if sent < self._status_due:
            answers = await _exchange(connection, commands, deadline)
            self.status.repeat()
            return answers
        questions = [command for command in (_TIME, _REPLICATION) if command[0] not in self.refused]
        answers = await _exchange(connection, [*commands, *questions], deadline)
        self._status_due = sent + STATUS_SECONDS
        told = answers[len(commands) :]
        self._hear(dict(zip(questions, told, strict=True)), sent)
        return answers[: len(commands)]

    def _hear(self, told: Mapping[Command, Any], sent: float) -> None:
        received = time.monotonic()
        for question, answer in told.items():
            if isinstance(answer, redis.ResponseError):
                # Each refusal would be another line in the server's own log of them.
                self.refused.add(question[0])
            elif question is _TIME:
                seconds, microseconds = answer
                self.status.hear_time(int(seconds) + int(microseconds) / 1_000_000, sent, received)
            else:
                self.status.hear_lag(self._replica.lag(answer))
        if _REPLICATION[0] in self.refused:
            self.status.lag = None

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
