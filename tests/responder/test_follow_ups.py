"""What people are told after the first message: each outcome that changes, and the end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from testbed.counterparts.server import Reply, Request
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

KEY = "config:fraud_threshold"
EVIDENCE = "lower_bound > limit"


@dataclass
class Chat:
    """Takes every message, and answers as it is told: 0 hangs up."""

    statuses: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/chat":
            return None
        self.texts.append(request.json()["text"])
        status = self.statuses.pop(0) if self.statuses else 200
        return Reply(status, b"<html>Internal Server Error</html>" if status != 200 else b"ok", "text/plain")

    def lines(self, number: int) -> list[str]:
        """Of a message, without the correlation ID."""
        *lines, last = self.texts[number].splitlines()
        assert last.startswith("Correlation ID ")
        return lines


@pytest.fixture
def chat(world: World) -> Chat:
    chat = Chat()
    world.outside.counterparts.append(chat)
    return chat


@pytest.fixture
def config(world: World, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "chat").write_text(f"{world.outside.url}/chat\n")
    return {"chat": {"url_file": str(tmp_path / "chat")}}


def playbooks(*steps: dict[str, Any], on_end: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    notify = {"action": "notify", "text": "${alertname}: automatic response"}
    book = {"max_per_hour": 9, "ends_when": {"for": "300ms"}, "on_firing": [*steps, notify], "on_end": on_end or []}
    return {"FraudRateSpike": book, "UnauthorizedAdminAccess": book}


def threshold(**more: Any) -> dict[str, Any]:
    return {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h", **more}


LOCK = {"action": "lock_account", "account": "${labels.account}", "reason": "r"}


def told(chat: Chat, count: int, responder: ResponderProcess) -> None:
    wait_until(lambda: len(chat.texts) >= count, what=lambda: str(chat.texts) + responder.log())


def test_the_end_is_told_with_what_was_put_back(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks(threshold()))
    responder.post(message(firing(FRAUD)))
    told(chat, 1, responder)
    assert chat.lines(0) == ["FraudRateSpike: automatic response", f"• set_fraud_threshold: {KEY} is 0.50, was 0.60"]
    responder.post(message(resolved(FRAUD)))
    told(chat, 2, responder)
    assert chat.lines(1) == ["FraudRateSpike: what has changed", "• set_fraud_threshold: put back", "It is over."]
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: all(one["state"] != "pending" for one in responder.incident()["actions"]))
    assert len(chat.texts) == 2


def test_what_is_put_back_later_is_said_at_the_end_and_when_it_is(
    start: Start, chat: Chat, config: dict[str, Any]
) -> None:
    responder = start(config, playbooks=playbooks(threshold(cool_down="3s")))
    responder.post(message(firing(FRAUD)))
    told(chat, 1, responder)
    responder.post(message(resolved(FRAUD)))
    told(chat, 3, responder)
    first, second, over = chat.lines(1)
    assert (first, over) == ("FraudRateSpike: what has changed", "It is over.")
    assert second.startswith(f"• set_fraud_threshold: {KEY} is 0.50, was 0.60, to be put back at ")
    assert chat.lines(2) == ["FraudRateSpike: what has changed", "• set_fraud_threshold: put back"]


def test_what_expires_is_told_although_the_incident_goes_on(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks(threshold(expires="1s")))
    responder.post(message(firing(FRAUD)))
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == ["• set_fraud_threshold: put back: its time was up"]


def test_what_was_skipped_and_is_done_at_the_repeat_is_told(
    world: World, start: Start, chat: Chat, config: dict[str, Any]
) -> None:
    world.prometheus.values[EVIDENCE] = None
    responder = start(config, playbooks=playbooks(threshold(only_while=EVIDENCE)))
    responder.post(message(firing(FRAUD)))
    told(chat, 1, responder)
    assert chat.lines(0)[1:] == ["• set_fraud_threshold: not done for now: only_while is false or unknown"]
    # Again in vain: nothing new.
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "skipped")
    world.prometheus.values[EVIDENCE] = 1.0
    responder.post(message(firing(FRAUD)))
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == [f"• set_fraud_threshold: {KEY} is 0.50, was 0.60"]


def test_locked_is_said_when_it_is_locked(world: World, start: Start, chat: Chat, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks(LOCK), pace={"lease": "10s"})
    platform = psycopg2.connect(world.database.dsn)
    platform.cursor().execute("LOCK TABLE platform.admin_accounts")
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    assert chat.lines(0)[1].startswith("• lock_account: not done yet, tried again: PostgreSQL: ")
    assert "is locked" not in chat.texts[0]
    platform.close()
    told(chat, 2, responder)
    assert chat.lines(1) == [
        "UnauthorizedAdminAccess of alice.ops: what has changed",
        "• lock_account: alice.ops is locked",
    ]
    assert world.locked()


@dataclass
class Refuses:
    status: int

    def answer(self, request: Request) -> Reply | None:
        return Reply(self.status, b"<html>no</html>", "text/html") if request.path == "/refuses" else None


def test_what_failed_is_told_in_words_and_not_as_an_answer(
    world: World, start: Start, chat: Chat, config: dict[str, Any]
) -> None:
    world.outside.counterparts.append(Refuses(422))
    record = {"action": "open_siem_incident", "severity": "HIGH", "title": "t"}
    config["siem"] = {"incidents": {"url": f"{world.outside.url}/refuses"}}
    responder = start(config, playbooks=playbooks(record))
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    host = world.outside.url.removeprefix("http://")
    assert chat.lines(0)[1:] == [f"• open_siem_incident: failed: POST {host}: answered 422"]
    assert responder.actions()["open_siem_incident"]["reason"].endswith("answered 422; it said: <html>no</html>")


def test_what_is_given_up_is_told(world: World, start: Start, chat: Chat, config: dict[str, Any]) -> None:
    world.outside.counterparts.append(Refuses(503))
    config["siem"] = {"incidents": {"url": f"{world.outside.url}/refuses"}}
    record = {"action": "open_siem_incident", "severity": "HIGH", "title": "t"}
    responder = start(config, playbooks=playbooks(record), pace={"give_up": "2s"})
    responder.post(message(firing(ADMIN)))
    told(chat, 2, responder)
    assert "• open_siem_incident: not done yet, tried again: " in chat.texts[0]
    assert "• open_siem_incident: failed: given up after " in chat.texts[1]


@pytest.mark.parametrize("statuses", [[500, 200], [500] * 50])
def test_there_are_two_copies_at_most_when_the_answer_is_unclear(
    start: Start, chat: Chat, config: dict[str, Any], statuses: list[int]
) -> None:
    chat.statuses = list(statuses)
    responder = start(config, playbooks=playbooks())
    responder.post(message(firing(ADMIN)))
    notified = responder.settled()["notify"]
    assert notified["state"] == ("done" if 200 in statuses else "failed")
    assert len(chat.texts) == 2
    assert chat.texts[0] == chat.texts[1]
    # What changes later is told all the same.
    chat.statuses = []
    responder.post(message(resolved(ADMIN)))
    told(chat, 3, responder)
    assert chat.lines(2)[1:] == ["It is over."]


def test_there_are_two_copies_at_most_when_it_is_killed_while_it_waits_for_the_answer(
    start: Start, chat: Chat, config: dict[str, Any]
) -> None:
    held = threading.Event()
    taken = chat.answer

    def slow(request: Request) -> Reply | None:
        reply = taken(request)
        if reply is not None:
            held.wait(10)
        return reply

    chat.answer = slow  # type: ignore[method-assign]
    responder = start(config, playbooks=playbooks(), pace={"lease": "1s"})
    responder.post(message(firing(ADMIN)))
    for count in (1, 2):
        told(chat, count, responder)
        responder.kill9()
        responder.start()
    failed = responder.settled()["notify"]
    held.set()
    assert (failed["state"], len(chat.texts)) == ("failed", 2)
    assert failed["reason"].startswith("the chat never said whether it took the message")


def test_two_responders_tell_each_change_once(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    books = {**playbooks(LOCK), "FraudRateSpike": playbooks(threshold())["FraudRateSpike"]}
    both = start(config, playbooks=books), start(config, playbooks=books)
    alerts = [FRAUD, ADMIN, {**ADMIN, "account": "bob.ops"}, {**ADMIN, "account": "nobody"}]
    for number, labels in enumerate(alerts):
        both[number % 2].post(message(firing(labels)))
    told(chat, len(alerts), both[0])
    for number, labels in enumerate(alerts):
        both[1 - number % 2].post(message(resolved(labels)))
    for incident in both[0].incidents():

        def mine(news: str, correlation_id: str = incident["correlation_id"]) -> int:
            return sum(correlation_id in text and news in text.splitlines() for text in chat.texts)

        ends = ["It is over."]
        if incident["playbook"] == "FraudRateSpike":
            ends.append("• set_fraud_threshold: put back")
        for end in ends:
            wait_until(lambda end=end, mine=mine: mine(end) > 0, what=lambda: str(chat.texts))  # type: ignore[misc]
    time.sleep(1)  # neither tells it again
    assert sum("It is over." in text for text in chat.texts) == len(alerts)
    assert sum("• set_fraud_threshold: put back" in text for text in chat.texts) == 1


def decide(responder: ResponderProcess, decision: str) -> None:
    content = {"correlation_id": responder.incident()["correlation_id"], "decision": decision, "by": "alice"}
    assert responder.post(content, path="/decisions").status_code == 200


def test_what_waits_for_approval_is_told_and_who_gave_it(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    needed = {"approval": {"from": ["cli", "api"], "within": "1h", "otherwise": "skip"}}
    responder = start(config, playbooks=playbooks({**LOCK, **needed}))
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    line = chat.lines(0)[1]
    assert line.startswith("• lock_account: waits until ")
    assert line.endswith(" UTC for somebody to approve it by cli or api; if nobody does, it is skipped")
    decide(responder, "approve")
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == ["• lock_account approved by alice (api)", "• lock_account: alice.ops is locked"]


def test_an_undo_is_told_with_who_said_it(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks(threshold()))
    responder.post(message(firing(FRAUD)))
    told(chat, 1, responder)
    decide(responder, "undo")
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == ["• undone by alice (api)", "• set_fraud_threshold: put back"]


def test_who_acknowledges_is_told(world: World, start: Start, chat: Chat, config: dict[str, Any]) -> None:
    world.prometheus.firing = [ADMIN]
    responder = start(config, playbooks=playbooks())
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    decide(responder, "ack")
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == [
        "• acknowledged by alice (api)",
        "• silence_alert: not done: alertmanagers is not configured",
    ]


def test_a_stop_is_told_although_nothing_comes_of_it(start: Start, chat: Chat, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks())
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    decide(responder, "stop")
    told(chat, 2, responder)
    assert chat.lines(1)[1:] == ["• stopped by alice (api)"]


def test_an_account_that_is_locked_again_is_told(
    world: World, start: Start, chat: Chat, config: dict[str, Any]
) -> None:
    responder = start(config, playbooks=playbooks(LOCK))
    responder.post(message(firing(ADMIN)))
    told(chat, 1, responder)
    world.sql("UPDATE platform.admin_accounts SET locked_at = NULL WHERE account = 'alice.ops'")
    for _ in range(2):
        responder.post(message(firing(ADMIN)))
        wait_until(world.locked)
        responder.settled()
    told(chat, 2, responder)
    again = "• lock_account: alice.ops is locked again: somebody had unlocked it while the attack goes on"
    assert chat.lines(1)[1:] == [again]
    time.sleep(1)
    assert len(chat.texts) == 2
