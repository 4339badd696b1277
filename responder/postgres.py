"""PostgreSQL with time limits: short transactions on a few connections."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from common import postgres
from common.deadline import Deadline, DeadlineExceededError
from common.postgres import Parameters, PostgresError
from common.secret_text import SecretError, SecretText

Result = TypeVar("Result")
Cursor = psycopg2.extensions.cursor

SECONDS = 5.0
"""A transaction may take so long, its connection included."""
MOST_CONNECTIONS = 8
# With every transaction, for behind a pooler the next one may be on another connection of the server.
# - The server stops a statement a little before the client gives up on it.
# - What was answered with 2xx, or done, must not be forgotten in a crash, whatever the platform does for its own rows.
# - Somebody who is gone must not keep his locks: a pause within a transaction ends it.
_SETTINGS = (
    "SET LOCAL statement_timeout = 4500; SET LOCAL timezone = 'UTC'; SET LOCAL synchronous_commit = 'on';"
    " SET LOCAL idle_in_transaction_session_timeout = 10000"
)


class LockedError(Exception):
    """Somebody else holds a lock for longer than one may wait for it."""


class Postgres:
    """A bounded pool of connections.

    Args:
        dsn: a libpq connection string or URL, read again with each new connection.
        name: told to the server as `application_name`.
    """

    def __init__(self, dsn: SecretText, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._idle: list[psycopg2.extensions.connection] = []
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def run(self, work: Callable[[Cursor], Result], seconds: float = SECONDS) -> Result:
        """The result of `work`, which is called with a cursor in a transaction.

        On a connection that broke, a new one is tried once more. So the work may have been committed already: it must
        be harmless twice.

        Raises:
            PostgresError: no connection, no answer in time, or the statement was refused.
        """
        with _time_limit(seconds), self._connection() as connection:
            try:
                return _transaction(connection, work)
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                if not _is_lost(connection, error):
                    raise
                connection.close()
            with self._connection(new=True) as fresh:
                return _transaction(fresh, work)

    @contextmanager
    def lock(self, key: str, longest: float) -> Iterator[None]:
        """Hold the lock of a name that all responders share.

        It goes with the connection when this process dies, and with the transaction, which the server ends, when this
        process hangs for longer than `longest` seconds.

        Raises:
            LockedError: somebody else holds it for too long.
            PostgresError: PostgreSQL does not answer.
        """
        with self._connection() as connection:
            try:
                with _time_limit(SECONDS), connection.cursor() as cursor:
                    cursor.execute(_SETTINGS)
                    try:
                        cursor.execute(_LOCK, (f"{1000 * longest:.0f}", key))
                    except psycopg2.errors.QueryCanceled:
                        raise LockedError from None
                yield
            finally:
                # Nothing is written under it. If this fails, the lock is gone with the connection.
                with suppress(psycopg2.Error, DeadlineExceededError), _time_limit(SECONDS):
                    connection.rollback()

    @contextmanager
    def _connection(self, *, new: bool = False) -> Iterator[psycopg2.extensions.connection]:
        if not new and not self._free.acquire(timeout=SECONDS):
            raise PostgresError(f"PostgreSQL: all {MOST_CONNECTIONS} connections are busy")
        connection = None
        try:
            connection = self._connect() if new else self._reuse()
            yield connection
        except (psycopg2.Error, DeadlineExceededError) as error:
            if connection is not None:
                connection.close()
            raise _described(error) from None
        except SecretError as error:
            raise PostgresError(f"PostgreSQL: {error}") from None
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        finally:
            if connection is not None and not connection.closed:
                self._idle.append(connection)
            if not new:
                self._free.release()

    def _reuse(self) -> psycopg2.extensions.connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return self._connect()

    def _connect(self) -> psycopg2.extensions.connection:
        with _time_limit(SECONDS) as deadline:
            try:
                return postgres.connect(self._dsn.reveal(), self._name, deadline, _open)
            except PostgresError as error:
                raise PostgresError(f"PostgreSQL: {error}") from None


_LOCK = (
    "SELECT set_config('idle_in_transaction_session_timeout', %s, true);"
    "SELECT pg_advisory_xact_lock(hashtextextended('responder:' || %s, 0))"
)


def limit_waiting() -> None:
    """Let the time limits of this module hold also for servers that do not answer at all; for the whole process."""
    psycopg2.extensions.set_wait_callback(_wait)


_limits = threading.local()


@contextmanager
def _time_limit(seconds: float) -> Iterator[Deadline]:
    """Let what is done within end after so many seconds, or with the limit around it."""
    before: Deadline | None = getattr(_limits, "deadline", None)
    if before is None or before.remaining() > seconds:
        _limits.deadline = Deadline(seconds)
    try:
        yield _limits.deadline
    finally:
        _limits.deadline = before


def _wait(connection: psycopg2.extensions.connection) -> None:
    deadline: Deadline | None = getattr(_limits, "deadline", None)
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        poller = select.poll()
        poller.register(
            connection.fileno(), select.POLLIN if state == psycopg2.extensions.POLL_READ else select.POLLOUT
        )
        poller.poll(None if deadline is None else deadline.check("PostgreSQL") * 1000)


def _open(parameters: Parameters, deadline: Deadline) -> psycopg2.extensions.connection:
    with _time_limit(deadline.remaining()):
        connection: psycopg2.extensions.connection = psycopg2.connect(**parameters)
    connection.autocommit = False
    return connection


def _transaction(connection: psycopg2.extensions.connection, work: Callable[[Cursor], Result]) -> Result:
    with connection, connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        return work(cursor)


def _is_lost(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    return bool(connection.closed) or error.pgcode is None or error.pgcode.startswith("57P")


def _described(error: Exception) -> PostgresError:
    text = postgres.LATE if isinstance(error, DeadlineExceededError) else postgres.describe(error)
    return PostgresError(f"PostgreSQL: {text}", getattr(error, "pgcode", None))
