"""What a server says that it is when a connection is opened: one that cannot be read rightly is refused by name."""

from __future__ import annotations

from typing import Any

import redis
from redis.connection import AbstractConnection

OLDEST = "Redis 6.2"
"""The oldest that will do. Compatible servers have numbers of their own, so all are asked for what came with it."""

STANDALONE, SENTINEL, CLUSTER = "standalone", "sentinel", "cluster"
A_CLUSTER = "this is a node of a Redis Cluster, which is not supported: it has a part of the keys"
_A_SENTINEL = (
    "this is a Sentinel, which has no keys: with redis+sentinel:// in place of redis://, and the name of the master"
    " behind the address, the URL leads to what it watches"
)
_NO_SENTINEL = "this is no Sentinel but a Redis"
_UNKNOWN = f"the server does not say what it is when asked by HELLO; {OLDEST} or newer is needed, or a server like it"
# What came with the oldest, and is relied on.
_NEWEST_COMMAND = "ZMSCORE"
_MOST_CHARACTERS = 40

_OF_CLUSTERS = (
    redis.exceptions.AskError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.ClusterCrossSlotError,
    redis.exceptions.TryAgainError,
)
"""Answers that no other server gives; `MovedError` is an `AskError`."""


class ServerError(redis.RedisError):
    """The server is not of a kind, or not so new, that it can be read rightly; trying again does not help."""


def check(connection: AbstractConnection, mode: str) -> str:
    """The role of the server, `master` or `replica`, which has answered once or is authenticated to.

    HELLO is the one command that no right of a user can take away.

    Args:
        connection: open.
        mode: what it has to be, `STANDALONE` or `SENTINEL`.

    Raises:
        ServerError: it is something else, or too old.
        redis.RedisError: it does not answer.
    """
    questions: list[tuple[Any, ...]] = [("HELLO", 2)]
    if mode == STANDALONE:
        questions.append(("COMMAND", "INFO", _NEWEST_COMMAND))
    connection.send_packed_command(connection.pack_commands(questions), check_health=False)  # type: ignore[no-untyped-call]
    hello, *known = [_answer(connection) for _ in questions]
    if not isinstance(hello, list):
        raise ServerError(_UNKNOWN)
    said = {str(name): str(value)[:_MOST_CHARACTERS] for name, value in zip(hello[::2], hello[1::2], strict=False)}
    if "mode" not in said:
        raise ServerError(_UNKNOWN)
    if said["mode"] == CLUSTER:
        raise ServerError(A_CLUSTER)
    if said["mode"] != mode:
        raise ServerError(_NO_SENTINEL if mode == SENTINEL else _A_SENTINEL)
    # A user may have no right to ask; then the command itself tells, when it is needed.
    if known == [[None]]:
        name = f"{said.get('server', '')} {said.get('version', '')}".strip()
        raise ServerError(f"this is {name}, without the command {_NEWEST_COMMAND}: {OLDEST} or newer is needed")
    return said.get("role", "")


def refuse_answers_of_a_cluster(error: redis.ResponseError) -> None:
    """Refuse the server that gave this answer if only a cluster gives it, whatever it said that it is.

    Raises:
        ServerError: it is.
    """
    if isinstance(error, _OF_CLUSTERS):
        raise ServerError(A_CLUSTER) from None


def _answer(connection: AbstractConnection) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error
