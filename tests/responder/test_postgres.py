"""Locks that somebody else holds."""

from __future__ import annotations

import pytest

from common.secret_text import SecretText
from responder.postgres import LockedError, Postgres
from tests.responder.conftest import World
from tests.responder.ledger_session import Session


def test_a_lock_that_somebody_holds_is_no_trouble_of_postgresql(
    world: World, sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", world.database.responder_dsn)
    postgres = Postgres(SecretText("POSTGRES_DSN"), "test")
    with sessions[0].connection, sessions[0].connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('responder:redis key', 0))")
        with pytest.raises(LockedError), postgres.lock("redis key", 30):
            pass
    with postgres.lock("redis key", 30):
        pass
