"""People, alerts, a chat in trouble and responders that are killed, in any order: in the end the chat has the truth."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from testbed.counterparts.server import Reply, Request
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import ResponderProcess, wait_until

ACCOUNTS = 6
STEPS = 120
KEY = "config:fraud_threshold"
NOTIFY = {"action": "notify", "text": "${alertname}: automatic response"}
APPROVAL = {"from": ["api"], "within": "4s", "otherwise": "skip"}
LOCK = {"action": "lock_account", "account": "${labels.account}", "reason": "r", "approval": APPROVAL}
THRESHOLD = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}
ALERTS = [FRAUD, *({**ADMIN, "account": f"admin-{number}"} for number in range(ACCOUNTS))]
DECISIONS = ("approve", "decline", "undo", "ack", "stop")
# What a line says of an action in this state, besides other words.
WORDS = {"done": (" is locked", "0.50"), "reverted": ("put back",), "skipped": ("not done",), "failed": ("failed",)}


class Chat:
    """Says nothing clear while it is in trouble; `texts` has what came, also then."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.trouble = 0
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply | None:
        if request.path != "/chat":
            return None
        status = self.trouble
        if status not in (429, 503):
            with self._lock:
                self.texts.append(request.json()["text"])
        return Reply(status or 200, b"", "text/plain")


@pytest.mark.parametrize("seed", [1])
def test_whatever_happens_the_chat_has_the_truth_in_the_end(
    world: World, start: Start, tmp_path: Path, seed: int
) -> None:
    _happen(world, start, tmp_path, seed, STEPS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 120))
def test_the_same_more_often(world: World, start: Start, tmp_path: Path, seed: int) -> None:
    _happen(world, start, tmp_path, seed, 3 * STEPS)


def _happen(world: World, start: Start, tmp_path: Path, seed: int, steps: int) -> None:
    rng, chat, accepted = random.Random(seed), Chat(), Counter[tuple[str, str]]()
    world.outside.counterparts.append(chat)
    for number in range(ACCOUNTS):
        world.sql("INSERT INTO platform.admin_accounts (account) VALUES (%s)", f"admin-{number}")
    (tmp_path / "chat").write_text(f"{world.outside.url}/chat\n")
    config = {"chat": {"url_file": str(tmp_path / "chat")}}
    end = {"max_per_hour": 1000, "ends_when": {"for": "300ms"}}
    books = {
        "FraudRateSpike": {**end, "on_firing": [THRESHOLD, NOTIFY]},
        "UnauthorizedAdminAccess": {**end, "on_firing": [LOCK, NOTIFY]},
    }
    pace = {"lease": "1s", "late": "0s"}
    both = [start(config, playbooks=books, pace=pace) for _ in range(2)]
    for _ in range(steps):
        _step(rng, both, chat, accepted)
    chat.trouble = 0
    for alert in ALERTS:
        _try(both[0].post, message(resolved(alert)))
    wait_until(lambda: _is_settled(world), 90, lambda: str(both[0].incidents()))
    _check(world, both[0].incidents(limit="500"), chat, accepted)


def _step(rng: random.Random, both: list[ResponderProcess], chat: Chat, accepted: Counter[tuple[str, str]]) -> None:
    responder, alert = rng.choice(both), rng.choice(ALERTS)
    kinds = ["fire"] * 5 + ["resolve"] * 3 + ["decide"] * 8 + ["trouble"] * 2 + ["kill"]
    match rng.choice(kinds):
        case "fire":
            _try(responder.post, message(firing(alert, started=0)))
        case "resolve":
            _try(responder.post, message(resolved(alert)))
        case "decide":
            for incident in rng.sample(found := responder.incidents(limit="8"), min(1, len(found))):
                kind = rng.choice(DECISIONS)
                content = {"correlation_id": incident["correlation_id"], "decision": kind, "by": "alice"}
                answers = [one.post(content, path="/decisions") for one in both]
                accepted[incident["correlation_id"], kind] += sum(one.status_code == 200 for one in answers)
        case "trouble":
            chat.trouble = rng.choice([0, 0, 429, 500, 503])
        case "kill":
            responder.kill9()
            responder.start()
    time.sleep(rng.uniform(0, 0.2))


def _try(post: Any, content: dict[str, Any]) -> None:
    with suppress(requests.RequestException):
        post(content)


def _is_settled(world: World) -> bool:
    """Whether nothing is due and nothing untold."""
    return world.sql(
        "SELECT (SELECT count(*) FROM monitoring.responder_incidents WHERE state <> 'closed' OR told = 'open')"
        " + (SELECT count(*) FROM monitoring.responder_actions WHERE due_at IS NOT NULL OR told <> state)"
        " + (SELECT count(*) FROM monitoring.responder_decisions WHERE NOT told)"
    ) == [(0,)]


def _check(world: World, incidents: list[dict[str, Any]], chat: Chat, accepted: Counter[tuple[str, str]]) -> None:
    assert len(incidents) >= len(ALERTS) / 2
    assert max(Counter(chat.texts).values()) <= 2
    for incident in incidents:
        texts = [text for text in chat.texts if incident["correlation_id"] in text]
        lines = [line for text in texts for line in text.splitlines()]
        assert "It is over." in lines, texts
        for action in incident["actions"]:
            if action["phase"] != "firing" or action["action"] == "notify":
                continue
            last = [line for line in lines if line.startswith(f"• {action['action']}: ")][-1]
            assert any(word in last for word in WORDS[action["state"]]), (action, texts)
        for decision in incident["decisions"]:
            accepted[incident["correlation_id"], decision["decision"]] -= 1
            assert any("by alice (api)" in line for line in lines), texts
        undone = {one["decision"] for one in incident["decisions"]} & {"undo", "decline"}
        locks = [one for one in incident["actions"] if one["action"] == "lock_account"]
        assert not ("decline" in undone and locks[0]["state"] == "done"), incident
    # Each decision that was accepted is there once, and no other.
    assert not [what for what, count in accepted.items() if count], accepted
    assert world.redis.get(KEY) == "0.60"
