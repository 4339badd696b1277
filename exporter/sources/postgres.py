"""PostgreSQL with deadlines: one connection, opened when needed, dropped as soon as anything is odd about it."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg2
import psycopg2.extensions

from common import postgres
from common.deadline import Deadline, DeadlineExceededError
from common.postgres import Parameters, PostgresError
from common.secret_text import SecretText
from exporter.background_thread import BackgroundThread
from exporter.sources import any_bytes
from exporter.sources.replication import PostgresReplica
from exporter.sources.status import SourceStatus
from exporter.waiting import Wait, complete

CONTRACT_HINT = " (ticketing-exporter --contract.check tells more)"
"""Ends the messages of errors that the contract check explains better."""
# What the contract check explains better than PostgreSQL's one line does.
_CONTRACT_ERRORS = {
    "42P01",  # undefined table
    "42703",  # undefined column
    "42883",  # undefined function or operator: mostly a column of another type
    "42804",  # datatype mismatch
    "42501",  # insufficient privilege
    "3F000",  # invalid schema name
}
# The server stops a query a little before the client gives up on it.
_SERVER_MARGIN_SECONDS = 0.05
# pg_stat_statements keeps each different SET as a statement of its own, and has room for a few thousand.
_TIMEOUT_STEP_MILLISECONDS = 100


class PostgresLateError(PostgresError):
    """What it has is too old to be believed."""


class _ConnectionLostError(Exception):
    """The connection broke, so that the query may be tried on a new one."""


class PostgresSource:
    """Runs one query at a time on a connection of its own.

    The connection is asynchronous, so that a server that does not answer at all (stopped, or beyond a broken
    network) costs no more than the deadline. A query that is merely slow is cancelled in the database by the
    statement timeout that is sent along with it, in the same round trip; so nothing is left running there even
    when this process dies.

    Args:
        dsn: a libpq connection string or URL; several hosts are tried in turn.
        name: told to the server as `application_name`.
        status: what it last said of itself; one that believes everything by default.
    """

    def __init__(self, dsn: SecretText, name: str, status: SourceStatus | None = None) -> None:
        self.status = status or SourceStatus("postgresql")
        self._replica = PostgresReplica(self.status)
        self._times = (0.0, 0.0)
        self._dsn = dsn
        self._name = name
        self._connection: psycopg2.extensions.connection | None = None
        self._connecting = BackgroundThread(f"connect {name}")
        self._lock = threading.Lock()

    async def query(self, sql: str, parameters: Sequence[Any], deadline: Deadline) -> list[tuple[Any, ...]]:
        """The rows of a SELECT.

        Raises:
            PostgresError: there is no connection to be had, or the query failed or was cancelled.
            DeadlineExceededError: no answer in time.
        """
        if not self._lock.acquire(timeout=max(0.0, deadline.remaining())):
            raise DeadlineExceededError(f"PostgreSQL: busy with another query for {deadline.seconds:.1f} s")
        if deadline.remaining() <= 0:
            # Nothing was sent: the connection is as good as before.
            self._lock.release()
            raise deadline.exceeded("PostgreSQL")
        try:
            return await self._query(sql, parameters, deadline)
        except psycopg2.Error as error:
            self._close()
            raise PostgresError(_describe(error)) from None
        except _ConnectionLostError as error:
            self._close()
            raise PostgresError(f"connection lost: {error}") from None
        except BaseException:
            self._close()
            raise
        finally:
            self._lock.release()

    async def query_now(self, sql: str, keys: int, others: int, deadline: Deadline) -> list[tuple[Any, ...]]:
        """The rows of a SELECT as `PostgresReplica.question` takes it, unless they are late; for one caller at a time.

        Raises:
            PostgresLateError: it is a standby, and too late.
            PostgresError, DeadlineExceededError: see `query`.
        """
        rows = None
        while rows is None:
            try:
                answer = await self.query(self._replica.question(sql, keys, others), (), deadline)
            except PostgresError as error:
                if not self._replica.may_go_on_without(str(error)):
                    raise
                continue
            rows = self._replica.hear(answer, keys, *self._times)
        if late := self.status.late():
            raise PostgresLateError(f"PostgreSQL: {late}")
        return rows

    async def check(self, deadline: Deadline) -> None:
        """Raise what `query_now` would."""
        await self.query_now("SELECT 0, 0, 0 WHERE false", 0, 1, deadline)

    def close(self) -> None:
        """Drop the connection, unless a query is under way."""
        self._connecting.close()
        if self._lock.acquire(blocking=False):
            self._close()
            self._lock.release()

    async def _query(self, sql: str, parameters: Sequence[Any], deadline: Deadline) -> list[tuple[Any, ...]]:
        if self._connection is not None:
            try:
                return await self._run(self._connection, sql, parameters, deadline)
            except _ConnectionLostError:
                # Idle connections die with a restart or fail-over of the server.
                self._close()
            except psycopg2.errors.SerializationFailure:
                # A standby has removed rows that its primary no longer has: now the query sees those that are left.
                return await self._run(self._connection, sql, parameters, deadline)
        self._connection = await self._connecting.run(lambda: self._connect(deadline), deadline, "PostgreSQL")
        return await self._run(self._connection, sql, parameters, deadline)

    async def _run(
        self,
        connection: psycopg2.extensions.connection,
        sql: str,
        parameters: Sequence[Any],
        deadline: Deadline,
    ) -> list[tuple[Any, ...]]:
        milliseconds = max(1, int((deadline.check("PostgreSQL") - _SERVER_MARGIN_SECONDS) * 1000))
        if milliseconds > _TIMEOUT_STEP_MILLISECONDS:
            milliseconds -= milliseconds % _TIMEOUT_STEP_MILLISECONDS
        cursor = connection.cursor()
        sent = time.monotonic()
        try:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}; {sql}", parameters or None)
            await _answer(connection, deadline)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if isinstance(error, psycopg2.errors.QueryCanceled):
                raise DeadlineExceededError(f"PostgreSQL: query cancelled after {milliseconds / 1000:.1f} s") from None
            if connection.closed or error.pgcode is None or error.pgcode.startswith("57P"):
                raise _ConnectionLostError(_describe(error)) from None
            raise
        self._times = (sent, time.monotonic())
        return cursor.fetchall()

    def _connect(self, deadline: Deadline) -> psycopg2.extensions.connection:
        return postgres.connect(self._dsn.reveal(), self._name, deadline, _open)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _open(parameters: Parameters, deadline: Deadline) -> psycopg2.extensions.connection:
    connection: psycopg2.extensions.connection = psycopg2.connect(async_=1, **parameters)
    try:
        complete(_answer(connection, deadline))
    except BaseException:
        connection.close()
        raise
    keeps_any_bytes = connection.get_parameter_status("server_encoding") == any_bytes.ENCODING
    if keeps_any_bytes and parameters["client_encoding"] != any_bytes.ENCODING:
        # It checks what it sends, and would refuse to send what is not UTF-8.
        connection.close()
        return _open({**parameters, "client_encoding": any_bytes.ENCODING}, deadline)
    return connection


async def _answer(connection: psycopg2.extensions.connection, deadline: Deadline) -> None:
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        event = select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT
        # libpq may go on to another socket, with another kind of encryption for instance.
        await Wait(connection.fileno(), event, deadline, "PostgreSQL")


def _describe(error: Exception) -> str:
    text = postgres.describe(error)
    return text + CONTRACT_HINT if getattr(error, "pgcode", None) in _CONTRACT_ERRORS else text
