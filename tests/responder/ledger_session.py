"""The ledger without a responder around it: one connection, each call a transaction."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg2

from responder.config import Pace
from responder.ledger import incidents
from responder.playbook_file import load
from responder.webhook import Alert
from testbed.servers.contract import ContractDatabase
from tests.responder.sql import rows

PLAYBOOKS = load(None)


class Session:
    """One responder's connection; each call is a transaction."""

    def __init__(self, database: ContractDatabase) -> None:
        self.database = database
        self.connection = psycopg2.connect(database.responder_dsn)

    def __call__(self, function: Any, *arguments: Any, **options: Any) -> Any:
        with self.connection, self.connection.cursor() as cursor:
            return function(cursor, *arguments, **options)

    def tell(self, *alerts: dict[str, Any]) -> list[str]:
        told = [
            incidents.Told(alert, PLAYBOOKS[alert.playbook], "test", dry_run=False)
            for alert in (msgspec.convert(one, Alert) for one in alerts)
        ]
        outcomes: list[str] = self(incidents.record, told, Pace())
        return outcomes

    def waits(self) -> bool:
        """Whether the connection waits for a lock of another one."""
        sql = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        return bool(rows(self.database.dsn, sql, self.connection.info.backend_pid))

    def close(self) -> None:
        self.connection.close()
