"""The platform's database, asked one bounded question at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from common.deadline import Deadline, DeadlineExceededError
from common.postgres import PostgresError
from exporter.contract_check.finding import WRONG, Finding
from exporter.sources.postgres import CONTRACT_HINT, PostgresSource
from exporter.waiting import complete

SECONDS = 10.0
"""Each question may take so long."""
WHOLE_SECONDS = 120.0
"""All questions together may."""
SAMPLE_ROWS = 10_000
"""Of a view, its newest rows."""


class Database:
    """Asks questions one after the other.

    Args:
        postgres: a connection of its own.
    """

    def __init__(self, postgres: PostgresSource) -> None:
        self._postgres = postgres
        self._whole = Deadline(WHOLE_SECONDS)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a SELECT.

        Raises:
            PostgresError: it failed.
            DeadlineExceededError: it took too long.
        """
        left = self._whole.check("PostgreSQL")
        return complete(self._postgres.query(sql, parameters, Deadline(min(SECONDS, left))))

    def guarded(self, subject: str, find: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        """What one part finds; that it cannot be read is a finding, and costs the other parts nothing.

        Raises:
            PostgresError, DeadlineExceededError: nothing can be read any more.
        """
        try:
            yield from find()
        except (PostgresError, DeadlineExceededError) as error:
            self.rows("SELECT 1")
            yield _unreadable(subject, error)


def newest(view: str, time: str | None, columns: str, rows: int = SAMPLE_ROWS) -> str:
    """SQL for behind FROM: these columns of the newest rows of a view; of any rows where it has no time."""
    order = f"WHERE {time} IS NOT NULL ORDER BY {time} DESC" if time else ""
    return f"(SELECT {columns} FROM monitoring.{view} {order} LIMIT {rows}) AS newest"


def _unreadable(subject: str, error: Exception) -> Finding:
    if isinstance(error, DeadlineExceededError):
        mend = f"its newest rows must be found by an index within {SECONDS:g} s: see the lines about indexes"
    else:
        mend = (
            "the view's owner needs SELECT on what is beneath it, and every row must be readable: select it as reader"
        )
    return Finding(WRONG, subject, f"cannot be read: {reason(error)}", mend)


def reason(error: Exception) -> str:
    """An error without the hint to run what is running."""
    return str(error).removesuffix(CONTRACT_HINT)
