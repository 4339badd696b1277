"""A platform where somebody tries a million names in a quarter of an hour, and a few accounts are really attacked."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import psycopg2

PER_SECOND = 1_000_000 / 900
BATCH_SECONDS = 0.1

# A name mostly once: in a window one in a thousand comes twice.
_FLOOD = """
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)
SELECT clock_timestamp(), 'LOW', 'login_failed', 'Failed sign-in',
       md5((CASE WHEN n %% 1000 = 0 THEN n - 500 ELSE n END)::text)
FROM generate_series(%s, %s) AS n
"""
_FAILURES = """
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)
SELECT clock_timestamp(), 'MEDIUM', 'login_failed', 'Failed sign-in', %s FROM generate_series(1, %s)
"""


class Flood:
    """Failed sign-ins under made-up names, from `with` to its end.

    Args:
        dsn: of the platform's database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.names = 0

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.monotonic()
        with closing(psycopg2.connect(self._dsn)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not self._ended.wait(BATCH_SECONDS):
                # What was late is made up for.
                due = int((time.monotonic() - started) * PER_SECOND)
                cursor.execute(_FLOOD, (self.names + 1, due))
                self.names = due


def fail(dsn: str, account: str, times: int) -> None:
    """Let an account's sign-in fail; committed when this returns."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_FAILURES, (account, times))
