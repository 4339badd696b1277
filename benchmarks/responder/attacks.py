"""Attacks on many accounts, and when each of them was locked."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import psycopg2
import psycopg2.extensions
import requests

# Told at the commit of the lock, so that its time is that at which everybody sees it.
_TELL = """
CREATE OR REPLACE FUNCTION platform.tell_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('locked', NEW.account);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tell_lock AFTER UPDATE OF locked_at ON platform.admin_accounts
    FOR EACH ROW WHEN (OLD.locked_at IS NULL AND NEW.locked_at IS NOT NULL)
    EXECUTE FUNCTION platform.tell_lock();
"""


class Locks:
    """Monotonic times at which accounts were locked.

    Args:
        dsn: of the platform.
    """

    def __init__(self, dsn: str) -> None:
        self.at: dict[str, float] = {}
        self._connection = psycopg2.connect(dsn)
        self._connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        with self._connection.cursor() as cursor:
            cursor.execute(_TELL)
            cursor.execute("LISTEN locked")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait_for(self, accounts: Sequence[str], seconds: float) -> None:
        """Return when all are locked.

        Raises:
            TimeoutError: one is not in time.
        """
        deadline = time.monotonic() + seconds
        while not all(account in self.at for account in accounts):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{sum(account not in self.at for account in accounts)} accounts are not locked")
            time.sleep(0.001)

    def close(self) -> None:
        """Listen no more."""
        self._ending.set()
        self._thread.join()
        self._connection.close()

    def _listen(self) -> None:
        while not self._ending.is_set():
            if select.select([self._connection], [], [], 0.1)[0]:
                self._connection.poll()
                now = time.monotonic()
                while self._connection.notifies:
                    self.at[self._connection.notifies.pop().payload] = now


@contextmanager
def listening(dsn: str) -> Iterator[Locks]:
    """Locks as they happen."""
    locks = Locks(dsn)
    try:
        yield locks
    finally:
        locks.close()


def prepare(dsn: str, accounts: Sequence[str]) -> None:
    """Make the accounts, each with failed second factors from two addresses."""
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        for account in accounts:
            cursor.execute("INSERT INTO platform.admin_accounts (account) VALUES (%s)", (account,))
            cursor.execute(
                "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)"
                " SELECT now(), 'HIGH', 'mfa_failed', 'm', %s, ip::inet"
                " FROM unnest(ARRAY['203.0.113.7', '203.0.113.8']) AS ip",
                (account,),
            )
    connection.close()


def attack(
    accounts: Sequence[str], locks: Locks, addresses: Sequence[str], token: str, *, at_once: int, pause: float
) -> tuple[list[float], list[float]]:
    """Deliver one firing message an account to each address, and wait for the locks.

    Args:
        accounts: whom.
        locks: listening.
        addresses: of responders; several get each message, as from a pair of Alertmanagers.
        token: theirs.
        at_once: deliveries side by side.
        pause: seconds between two of them.

    Returns:
        Seconds from the sending of each account's first message to its answer, and to its lock.
    """
    sessions = threading.local()

    def deliver(account: str) -> tuple[float, float]:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        began = time.monotonic()
        answered = 0.0
        for address in addresses:
            answer = sessions.session.post(
                f"{address}/alerts", json=_message(account), headers={"Authorization": f"Bearer {token}"}, timeout=10
            )
            answered = answered or time.monotonic()
            answer.raise_for_status()
        time.sleep(pause)
        return began, answered

    with ThreadPoolExecutor(at_once) as senders:
        times = list(senders.map(deliver, accounts))
    locks.wait_for(accounts, 60)
    return (
        [answered - began for began, answered in times],
        [locks.at[account] - began for account, (began, _) in zip(accounts, times, strict=True)],
    )


def _message(account: str) -> dict[str, Any]:
    labels = {
        "alertname": "UnauthorizedAdminAccess",
        "playbook": "UnauthorizedAdminAccess",
        "severity": "critical",
        "section": "security",
        "source_job": "ticketing-critical",
        "account": account,
    }
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"Repeated MFA failures of admin {account}"},
        "startsAt": datetime.now(UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": sha256(account.encode()).hexdigest()[:16],
    }
    return {"version": "4", "alerts": [alert], "externalURL": "http://alertmanager", "groupKey": account}
