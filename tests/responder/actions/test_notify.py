"""Messages to a chat, which knows no idempotency."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.responder.actions.single import Receiver, crash_before_it_is_written_down, one, outcome, tried
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message

NOTIFY = one("notify", ADMIN, text="${alertname} of ${labels.account}")


@pytest.fixture
def chat(world: World) -> Receiver:
    chat = Receiver("/services/T0/B0/x1y2z3")
    world.outside.counterparts.append(chat)
    return chat


def chatting(world: World, directory: Path, host: str | None = None) -> dict[str, Any]:
    """The configuration, with the chat's address in a file."""
    file = directory / "chat"
    file.write_text(f"{host or world.outside.url}/services/T0/B0/x1y2z3\n")
    return {"chat": {"url_file": str(file)}}


def test_people_read_what_was_done_and_by_what_to_follow_it(
    world: World, start: Start, chat: Receiver, tmp_path: Path
) -> None:
    playbooks = one("notify", ADMIN, text="${alertname} of ${labels.account}")
    lock = {"action": "lock_account", "account": "${labels.account}", "reason": "r"}
    playbooks["UnauthorizedAdminAccess"]["on_firing"].insert(0, lock)
    responder = start(chatting(world, tmp_path), playbooks=playbooks)
    # Whoever signs in chooses the name of the account.
    responder.post(message(firing({**ADMIN, "account": "<!channel> & <http://evil.example|x>"})))
    assert outcome(responder, "notify")["state"] == "done"
    account = "&lt;!channel&gt; &amp; &lt;http://evil.example|x&gt;"
    escaped = f"no account '{account}', or a person has unlocked it since this incident locked it"
    assert chat.received == [
        {
            "text": f"UnauthorizedAdminAccess of {account}\n• lock_account: failed: {escaped}\n"
            f"Correlation ID {responder.incident()['correlation_id']}"
        }
    ]


def test_a_chat_that_refuses_has_failed_and_its_address_is_not_shown(
    world: World, start: Start, chat: Receiver, tmp_path: Path
) -> None:
    responder = start(chatting(world, tmp_path), playbooks=NOTIFY)
    world.outside.trouble.status = 404
    responder.post(message(firing(ADMIN)))
    failed = outcome(responder, "notify")
    assert (failed["state"], failed["attempts"], chat.received) == ("failed", 1, [])
    assert failed["reason"].endswith("answered 404; it said: in trouble")
    assert "x1y2z3" not in failed["reason"] + responder.log()


def test_a_chat_that_fails_for_a_while_hears_of_it_later(
    world: World, start: Start, chat: Receiver, tmp_path: Path
) -> None:
    responder = start(chatting(world, tmp_path), playbooks=NOTIFY)
    world.outside.trouble.status = 429
    responder.post(message(firing(ADMIN)))
    tried(responder, "notify", "answered 429")
    world.outside.trouble.status = 0
    assert outcome(responder, "notify")["state"] == "done"
    assert len(chat.received) == 1


def test_an_answer_that_is_lost_costs_a_second_message_and_never_the_only_one(
    world: World, start: Start, chat: Receiver, tmp_path: Path
) -> None:
    responder = start(chatting(world, tmp_path), playbooks=NOTIFY)
    responder.post(message(firing(ADMIN)))
    outcome(responder, "notify")
    crash_before_it_is_written_down(world, responder)
    responder.start()
    assert outcome(responder, "notify")["state"] == "done"
    assert len(chat.received) == 2
    assert chat.received[0] == chat.received[1]


def test_a_chat_whose_address_is_missing_is_told_once_it_is_there(
    world: World, start: Start, chat: Receiver, tmp_path: Path
) -> None:
    config = chatting(world, tmp_path)
    address = (tmp_path / "chat").read_text()
    (tmp_path / "chat").unlink()
    responder = start(config, playbooks=NOTIFY)
    responder.post(message(firing(ADMIN)))
    tried(responder, "notify", f"chat.url_file: {tmp_path}/chat: No such file or directory")
    (tmp_path / "chat").write_text(address)
    assert outcome(responder, "notify")["state"] == "done"
    assert len(chat.received) == 1


def test_a_host_that_is_not_allowed_is_not_called(world: World, start: Start, tmp_path: Path) -> None:
    """The chat's address is in a file, so that it is not known when the configuration is read."""
    responder = start(chatting(world, tmp_path, "http://localhost:1"), playbooks=NOTIFY)
    responder.post(message(firing(ADMIN)))
    assert outcome(responder, "notify")["reason"] == "localhost:1 is not in allowed_hosts"
