"""Behind PgBouncer with transaction pooling: what a transaction relies on is in force in each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.secret_text import SecretText
from responder.postgres import Cursor, Postgres
from testbed.servers.pgbouncer import PgBouncer
from testbed.servers.postgres import Postgres as Server
from tests.responder.conftest import World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import ResponderProcess

RELIED_ON = ("statement_timeout", "timezone", "synchronous_commit", "idle_in_transaction_session_timeout")


@pytest.fixture(scope="module")
def pooler(postgres: Server) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as pooler:
        yield pooler


def test_an_attacked_account_is_locked(world: World, pooler: PgBouncer) -> None:
    world.fail_sign_ins("alice.ops", "203.0.113.99")
    dsn = pooler.dsn("monitoring_responder", world.database.name)
    with ResponderProcess(dsn, world.redis_url, world.config()) as responder:
        assert responder.post(message(firing(ADMIN))).status_code == 202
        assert responder.settled()["lock_account"]["state"] == "done"
    assert world.locked()


def test_every_setting_is_in_force_on_whichever_connection_comes(world: World, pooler: PgBouncer) -> None:
    def settings(cursor: Cursor) -> list[str]:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in RELIED_ON))
        return list(cursor.fetchone() or ())

    pooled = Postgres(SecretText("DSN", {"DSN": pooler.dsn("monitoring_responder", world.database.name)}), "test")
    direct = Postgres(SecretText("DSN", {"DSN": world.database.responder_dsn}), "test")
    world.sql("ALTER ROLE monitoring_responder SET synchronous_commit = off")
    try:
        expected = ["4500ms", "UTC", "on", "10s"]
        assert [pooled.run(settings) for _ in range(3)] == [expected] * 3
        assert direct.run(settings) == expected
        # Nothing is left behind for others who get the same connection of the server.
        with pooled.lock("a", 5):
            assert pooled.run(settings) == expected
    finally:
        world.sql("ALTER ROLE monitoring_responder RESET synchronous_commit")
