"""Redis with time limits: several commands in one round trip, each with its own answer or error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from exporter.deadline import Deadline
from exporter.secrets import SecretError, SecretText, redactor

TIMEOUT_SECONDS = 1.0
MOST_CONNECTIONS = 8
INVALID_URL = "the URL is not valid; in a password, characters such as / ? # @ are written as %2F %3F %23 %40"

Command = tuple[Any, ...]


class RedisError(Exception):
    """A command or the connection failed; the message is one line, without secrets."""


class RedisSource:
    """A bounded pool of connections to one Redis.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it.
        name: told to the server as the connection's name.
    """

    def __init__(self, url: SecretText, name: str) -> None:
        self._url = url
        self._name = name
        self._client: redis.Redis | None = None
        self._revealed = ""
        self._lock = threading.Lock()

    def read(self, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        """The answers to read-only commands, in their order; a refused one is a `redis.ResponseError` in it.

        Raises:
            RedisError: there is no connection, or it failed or was too slow.
            DeadlineExceededError: no time is left to ask.
        """
        deadline.check("Redis")
        client = self._connected()
        try:
            with client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
                answers: list[Any] = pipeline.execute(raise_on_error=False)
        except (redis.RedisError, OSError, ValueError, UnicodeDecodeError) as error:
            raise RedisError(f"Redis: {describe(error)}") from None
        for answer in answers:
            # While it loads its data, Redis refuses every command.
            if isinstance(answer, redis.BusyLoadingError | redis.AuthenticationError):
                raise RedisError(f"Redis: {describe(answer)}")
        return answers

    def close(self) -> None:
        """Close all idle connections; the next read opens another."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _connected(self) -> redis.Redis:
        try:
            url = self._url.reveal()
        except SecretError as error:
            raise RedisError(f"Redis: {error}") from None
        with self._lock:
            if self._client is None or url != self._revealed:
                self._client = self._open(url)
                self._revealed = url
            return self._client

    def _open(self, url: str) -> redis.Redis:
        try:
            pool = redis.BlockingConnectionPool.from_url(
                url,
                timeout=TIMEOUT_SECONDS,
                client_name=self._name,
                # The newer protocol answers the same commands in other shapes, and not every server speaks it.
                protocol=2,
                decode_responses=True,
                encoding_errors="backslashreplace",
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                socket_keepalive=True,
                max_connections=MOST_CONNECTIONS,
                # Once more at once: an idle connection dies with a restart of the server.
                retry=Retry(NoBackoff(), 1),
                retry_on_error=[redis.ConnectionError],
            )
            return redis.Redis(connection_pool=pool)
        except ValueError:
            # Its message may quote a piece of the password.
            raise RedisError(f"Redis: {INVALID_URL}") from None


def describe(error: Exception) -> str:
    """One line, without secrets."""
    return redactor.redact(" ".join(str(error).split())) or type(error).__name__
