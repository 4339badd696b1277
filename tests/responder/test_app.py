"""Decisions where the connection breaks with the commit, and where nobody is told."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from common.secret_text import SecretText
from responder import postgres
from responder.app import Responder
from responder.config import Config
from responder.ledger.decisions import Decision, NotDecidedError
from responder.playbook_file import load
from tests.responder.conftest import World
from tests.responder.ledger_session import Session
from tests.responder.messages import FRAUD, firing


def test_who_has_decided_is_not_told_that_it_was_decided_already(
    world: World, sessions: tuple[Session, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions[0].tell(firing(FRAUD))
    ((identifier,),) = world.sql("SELECT correlation_id FROM monitoring.responder_incidents")
    monkeypatch.setenv("POSTGRES_DSN", world.database.responder_dsn)
    monkeypatch.setenv("REDIS_URL", world.redis_url)
    dsn, redis_url = SecretText("POSTGRES_DSN"), SecretText("REDIS_URL")
    responder = Responder(Config(), load(None), postgres_dsn=dsn, redis_url=redis_url)
    transaction = postgres._transaction
    broken: list[Any] = []

    def breaks_once(connection: Any, work: Any) -> Any:
        result = transaction(connection, work)
        if not broken:
            broken.append(connection)
            connection.close()
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        return result

    monkeypatch.setattr(postgres, "_transaction", breaks_once)
    responder.decide(Decision(identifier, "undo", "alice", "cli"))
    assert broken
    for again in ("alice", "bob"):
        with pytest.raises(NotDecidedError, match=r"already undone by alice \(cli\)"):
            responder.decide(Decision(identifier, "undo", again, "cli"))
    assert world.sql("SELECT told FROM monitoring.responder_decisions") == [(False,)]
    # Without anybody who tells it, it waits for nobody.
    world.sql("UPDATE monitoring.responder_actions SET state = 'skipped' WHERE action = 'notify'")
    responder.decide(Decision(identifier, "stop", "alice", "cli"))
    assert world.sql("SELECT told FROM monitoring.responder_decisions") == [(True,), (True,)]
