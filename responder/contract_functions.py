"""The functions of the contract: what the platform's database does for the responder."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from common.postgres import PostgresError
from responder.postgres import Cursor, Postgres


class ContractError(Exception):
    """A function was not carried out.

    Attributes:
        passing: whether it may be later.
        answered: whether the database said anything of it.
    """

    def __init__(self, message: str, *, passing: bool, answered: bool) -> None:
        super().__init__(message)
        self.passing = passing
        self.answered = answered


_FINAL = ("22", "23", "42", "P0", "3F")
"""Classes of SQLSTATE in which the same call fails again: what the data are, who may, what is there."""
_AWAY = ("08", "53", "57P")
"""Of a server that is not there for anybody: no connection, no room, stopping or starting."""


class ContractFunctions:
    """Calls the functions as the role `monitoring_responder`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def record_security_event(
        self,
        severity: str,
        event_type: str,
        message: str,
        account: str | None,
        source_ip: str | None,
        correlation_id: str,
    ) -> None:
        """Record an event, once for a type and a correlation ID."""
        self._call(
            "SELECT monitoring.record_security_event(%s, %s, %s, %s, %s, %s)",
            (severity, event_type, message, account, source_ip, correlation_id),
        )

    def lock_admin_account(self, account: str, reason: str, correlation_id: str) -> bool:
        """Lock an account; whether it is there and locked now."""
        rows = self._call("SELECT monitoring.lock_admin_account(%s, %s, %s)", (account, reason, correlation_id))
        return bool(rows[0][0])

    def add_threat_indicator(self, source_ip: str, reason: str, correlation_id: str) -> None:
        """Add an address to the feed, once for a correlation ID."""
        self._call("SELECT monitoring.add_threat_indicator(%s, %s, %s)", (source_ip, reason, correlation_id))

    def schedule_retraining(self, reason: str, due_by: datetime, correlation_id: str) -> None:
        """Ask for retraining by then, once for a correlation ID."""
        self._call("SELECT monitoring.schedule_retraining(%s, %s, %s)", (reason, due_by, correlation_id))

    def failed_sign_in_sources(self, account: str, since: datetime) -> list[str]:
        """Addresses from which sign-ins of an account failed, at most a hundred."""
        rows = self._call("SELECT monitoring.failed_sign_in_sources(%s, %s)", (account, since))
        return [row[0] for row in rows]

    def _call(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        def work(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

        try:
            return self._postgres.run(work)
        except PostgresError as error:
            code = error.code or ""
            passing, answered = code[:2] not in _FINAL, bool(code) and not code.startswith(_AWAY)
            raise ContractError(str(error), passing=passing, answered=answered) from None
