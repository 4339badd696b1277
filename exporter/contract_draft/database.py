"""Looking at a database that is somebody else's: read-only, briefly, and not for ever."""

from __future__ import annotations

from typing import Any

from common.deadline import Deadline, DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretText
from exporter.sources.postgres import CONTRACT_HINT, PostgresSource
from exporter.waiting import complete

QUERY_SECONDS = 10.0
ALL_SECONDS = 180.0
"""A database so slow that all of the questions take longer is asked no more of them."""
_CAREFULLY = (
    "SET LOCAL transaction_read_only = on; SET LOCAL search_path = pg_catalog;"
    " SET LOCAL lock_timeout = '1s'; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; "
)


class Database:
    """One connection; each query is a transaction of its own that can only read, with a time limit.

    Names in queries have to be qualified: the search path has `pg_catalog` alone.

    Args:
        dsn: of a role that may read what is looked at.
        seconds: for all of the queries together.
    """

    def __init__(self, dsn: SecretText, seconds: float = ALL_SECONDS) -> None:
        self._source = PostgresSource(dsn, "ticketing-exporter/draft")
        self._whole = Deadline(seconds)
        self.refused: list[str] = []

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a SELECT.

        Raises:
            PostgresError: there is no connection to be had, or the query failed.
            DeadlineExceededError: it took too long.
        """
        seconds = min(QUERY_SECONDS, self._whole.check("PostgreSQL, for all questions together"))
        return complete(self._source.query(_CAREFULLY + sql, parameters, Deadline(seconds)))

    def rows_or_none(self, what: str, sql: str, *parameters: Any) -> list[tuple[Any, ...]] | None:
        """The same; None when it cannot be had, which is noted in `refused` with what it was for."""
        try:
            return self.rows(sql, *parameters)
        except (PostgresError, DeadlineExceededError) as error:
            self.refused.append(f"{what}: {str(error).removesuffix(CONTRACT_HINT)}")
            return None

    def close(self) -> None:
        """Drop the connection."""
        self._source.close()
