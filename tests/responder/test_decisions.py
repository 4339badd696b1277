"""What people decide about an incident while it lasts: it is done once, at once, and recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import yaml

from common.yaml_files import ConfigError
from responder import playbook_file
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import REPOSITORY, TOKEN, ResponderProcess, wait_until

KEY = "config:fraud_threshold"
THRESHOLD = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}
LOCK = {"action": "lock_account", "account": "${labels.account}", "reason": "r"}
RECORD = {"action": "record_siem", "severity": "LOW", "event_type": "t", "message": "m"}


def playbooks(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    book = {"max_per_hour": 9, "ends_when": {"for": "300ms"}, "on_firing": list(steps), **more}
    return {"FraudRateSpike": book, "UnauthorizedAdminAccess": book}


def decide(responder: ResponderProcess, decision: str, **more: Any) -> requests.Response:
    content = {"correlation_id": responder.incident()["correlation_id"], "decision": decision, "by": "alice", **more}
    return responder.post(content, path="/decisions")


def command(responder: ResponderProcess, *arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RESPONDER_URL": responder.url, "RESPONDER_TOKEN": token}
    return subprocess.run(
        [sys.executable, "-m", "responder", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def tightened(world: World, responder: ResponderProcess) -> None:
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: world.redis.get(KEY) == "0.50")
    responder.settled()


def test_undo_puts_back_at_once_and_the_alert_does_not_do_it_again(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks(THRESHOLD, on_end=[RECORD]))
    tightened(world, responder)
    assert decide(responder, "undo").json() == {"decided": "undone by alice (api)"}
    wait_until(lambda: world.redis.get(KEY) == "0.60")
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "reverted")
    for _ in range(3):
        responder.post(message(firing(FRAUD)))
    assert responder.incident()["state"] == "open"
    # The end is recorded all the same, and the next episode is another incident.
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: responder.incident()["state"] == "closed")
    wait_until(lambda: world.sql("SELECT count(*) FROM monitoring.security_events") == [(1,)])
    assert world.redis.get(KEY) == "0.60"
    responder.post(message(firing(FRAUD, started=5)))
    wait_until(lambda: world.redis.get(KEY) == "0.50")
    decisions = responder.incidents()[1]["decisions"]
    assert [(one["decision"], one["by"], one["via"]) for one in decisions] == [("undo", "alice", "api")]


def test_undo_is_decided_once_whoever_says_it_and_to_which_responder(world: World, start: Start) -> None:
    books = playbooks(THRESHOLD)
    first, second = start(playbooks=books), start(playbooks=books)
    tightened(world, first)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: decide((first, second)[n % 2], "undo", by=f"person-{n}"), range(8)))
    accepted = [one for one in answers if one.status_code == 200]
    refused = [one for one in answers if one.status_code == 409]
    assert (len(accepted), len(refused)) == (1, 7)
    who = accepted[0].json()["decided"]
    assert {one.json()["error"] for one in refused} == {f"already {who}"}
    wait_until(lambda: world.redis.get(KEY) == "0.60")
    # What somebody sets afterwards is not touched again.
    world.redis.set(KEY, "0.50")
    second.post(message(resolved(FRAUD)))
    wait_until(lambda: first.incident()["state"] == "closed")
    assert world.redis.get(KEY) == "0.50"


def test_undo_while_it_is_being_done_is_heeded(world: World, start: Start) -> None:
    world.monitoring.trouble.delay = 1
    responder = start(playbooks=playbooks({**THRESHOLD, "only_while": "evidence"}), pace={"lease": "10s"})
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "running")
    assert decide(responder, "undo").status_code == 200
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] in ("reverted", "skipped"))
    assert world.redis.get(KEY) == "0.60"


def test_undo_survives_a_kill(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks(THRESHOLD))
    tightened(world, responder)
    world.redis.set("responder:stop", "1")
    wait_until(lambda: responder.metric("ticketing_responder_stopped") == 1)
    decide(responder, "undo")
    responder.kill9()
    world.redis.delete("responder:stop")
    responder.start()
    wait_until(lambda: world.redis.get(KEY) == "0.60")


def test_what_is_not_done_yet_is_not_done_after_a_stop_and_what_is_done_stays(world: World, start: Start) -> None:
    world.prometheus.values["evidence"] = None
    late = {**THRESHOLD, "value": 0.4, "only_while": "evidence"}
    responder = start(playbooks=playbooks(LOCK, late))
    responder.post(message(firing(ADMIN)))
    assert responder.settled()["set_fraud_threshold"]["state"] == "skipped"
    assert decide(responder, "stop").json() == {"decided": "stopped by alice (api)"}
    world.prometheus.values["evidence"] = 1.0
    world.sql("UPDATE platform.admin_accounts SET locked_at = NULL WHERE account = 'alice.ops'")
    responder.post(message(firing(ADMIN)))
    responder.post(message(firing(ADMIN)))
    states = {name: one["state"] for name, one in responder.settled().items()}
    assert states == {"lock_account": "done", "set_fraud_threshold": "skipped"}
    assert (world.redis.get(KEY), world.locked()) == ("0.60", False)


def test_what_only_records_is_done_after_an_undo(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks(LOCK, RECORD))
    world.redis.set("responder:stop", "1")
    wait_until(lambda: responder.metric("ticketing_responder_stopped") == 1)
    responder.post(message(firing(ADMIN)))
    decide(responder, "undo")
    world.redis.delete("responder:stop")
    actions = responder.settled()
    assert (actions["lock_account"]["state"], actions["lock_account"]["reason"]) == ("skipped", "undone by alice (api)")
    assert actions["record_siem"]["state"] == "done"
    assert not world.locked()


def test_what_is_over_cannot_be_undone(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks(THRESHOLD))
    tightened(world, responder)
    responder.post(message(resolved(FRAUD)))
    wait_until(lambda: world.redis.get(KEY) == "0.60")
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "reverted")
    refused = decide(responder, "undo")
    assert (refused.status_code, refused.json()) == (409, {"error": "the incident is over, and nothing is left of it"})


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"decision": "undo", "by": "a", "correlation_id": str(uuid4())}, 404),
        ({"decision": "unlock", "by": "a", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "a\nb", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "a\n", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "a\u2028b", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "\u202eb", "correlation_id": str(uuid4())}, 400),
        ({"decision": "approve", "by": "a", "action": "a\0", "correlation_id": str(uuid4())}, 400),
        ({"decision": "approve", "by": "a", "action": "a" * 51, "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "a", "via": "chat", "correlation_id": str(uuid4())}, 400),
        ({"decision": "undo", "by": "a", "correlation_id": "x"}, 400),
        (b"[", 400),
    ],
)
def test_what_is_no_decision_is_refused(start: Start, content: Any, status: int) -> None:
    responder = start()
    refused = responder.post(content, path="/decisions")
    assert refused.status_code == status
    assert refused.json()["error"]
    assert responder.post(content, path="/decisions", token=None).status_code == 401


def test_a_terminal_lists_shows_and_undoes(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks(THRESHOLD))
    tightened(world, responder)
    correlation_id = responder.incident()["correlation_id"]
    assert command(responder, "incidents").stdout.startswith(correlation_id)
    assert "set_fraud_threshold: done" in command(responder, "show", correlation_id).stdout
    undone = command(responder, "undo", correlation_id, "--by", "bob")
    assert (undone.returncode, undone.stdout) == (0, "undone by bob (cli)\n")
    again = command(responder, "undo", correlation_id)
    assert (again.returncode, again.stderr) == (1, "ticketing-responder: already undone by bob (cli)\n")
    wait_until(lambda: world.redis.get(KEY) == "0.60")
    assert "undo by bob (cli)" in command(responder, "show", correlation_id).stdout
    stranger = command(responder, "undo", correlation_id, token="x" * 16)
    assert (stranger.returncode, TOKEN in stranger.stderr) == (1, False)


def approval(**more: Any) -> dict[str, Any]:
    return {"approval": {"from": ["cli", "api"], "within": "1h", "otherwise": "skip", **more}}


def waits(responder: ResponderProcess, name: str = "lock_account") -> None:
    assert responder.actions()[name]["state"] == "waiting"


def test_what_needs_approval_is_done_once_it_is_approved(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval()}, RECORD))
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["record_siem"]["state"] == "done")  # it holds up nothing
    waits(responder)
    responder.post(message(firing(ADMIN)))
    responder.kill9()
    responder.start()
    waits(responder)
    assert responder.metric("ticketing_responder_oldest_pending_seconds") == 0
    assert decide(responder, "approve", action="lock_account").json() == {"decided": "approved by alice (api)"}
    wait_until(lambda: responder.actions()["lock_account"]["state"] == "done")
    assert world.locked()
    again = decide(responder, "decline", by="bob")
    assert (again.status_code, again.json()) == (409, {"error": "already approved by alice (api)"})
    (decision,) = responder.incident()["decisions"]
    assert (decision["decision"], decision["action"], decision["by"]) == ("approve", "lock_account", "alice")


def test_what_is_declined_is_not_done(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval(otherwise="do")}))
    responder.post(message(firing(ADMIN)))
    correlation_id = responder.incident()["correlation_id"]
    declined = command(responder, "decline", correlation_id, "lock_account", "--by", "bob")
    assert (declined.returncode, declined.stdout) == (0, "declined by bob (cli)\n")
    wait_until(lambda: responder.actions()["lock_account"]["state"] == "skipped")
    assert responder.actions()["lock_account"]["reason"] == "declined by bob (cli)"
    responder.post(message(firing(ADMIN)))
    assert responder.settled()["lock_account"]["state"] == "skipped"
    assert not world.locked()


@pytest.mark.parametrize(("otherwise", "state"), [("skip", "skipped"), ("do", "done")])
def test_what_nobody_approves_in_time_is_skipped_or_done(
    world: World, start: Start, otherwise: str, state: str
) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval(within="1s", otherwise=otherwise)}))
    responder.post(message(firing(ADMIN)))
    waits(responder)
    wait_until(lambda: responder.actions()["lock_account"]["state"] == state)
    assert world.locked() == (otherwise == "do")
    late = decide(responder, "approve")
    assert (late.status_code, late.json()) == (409, {"error": "nothing waits for this decision, or its time is over"})


def test_approval_is_decided_once_whoever_says_it_and_to_which_responder(world: World, start: Start) -> None:
    books = playbooks({**LOCK, **approval()})
    first, second = start(playbooks=books), start(playbooks=books)
    first.post(message(firing(ADMIN)))
    with ThreadPoolExecutor(8) as pool:
        said = [("approve", "decline")[n % 2] for n in range(8)]
        answers = list(pool.map(lambda n: decide((first, second)[n // 4], said[n], by=f"person-{n}"), range(8)))
    (accepted,) = (one.json()["decided"] for one in answers if one.status_code == 200)
    assert {one.json()["error"] for one in answers if one.status_code != 200} == {f"already {accepted}"}
    settled = "done" if accepted.startswith("approved") else "skipped"
    wait_until(lambda: first.actions()["lock_account"]["state"] == settled)
    assert world.locked() == (settled == "done")


def test_approval_the_wrong_way_is_refused(start: Start) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval(**{"from": "cli"})}))
    responder.post(message(firing(ADMIN)))
    refused = decide(responder, "approve")
    assert refused.json() == {"error": "lock_account can be approved and declined by cli only"}
    waits(responder)


def test_an_undo_ends_the_waiting(world: World, start: Start) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval()}))
    responder.post(message(firing(ADMIN)))
    decide(responder, "undo")
    wait_until(lambda: responder.actions()["lock_account"]["state"] == "skipped")
    assert responder.actions()["lock_account"]["reason"] == "undone by alice (api)"
    assert decide(responder, "approve").status_code == 409
    assert not world.locked()


def test_what_would_only_be_said_needs_no_approval(start: Start) -> None:
    responder = start(playbooks=playbooks({**LOCK, **approval(), "dry_run": True}))
    responder.post(message(firing(ADMIN)))
    assert responder.settled()["lock_account"]["reason"].startswith("dry run: would lock")


@pytest.mark.parametrize(
    ("phase", "step", "problem"),
    [
        ("on_firing", {**RECORD, **approval()}, "approval: is for actions that change something"),
        ("on_end", {**LOCK, **approval()}, "approval: is for on_firing"),
        ("on_firing", {**LOCK, **approval(**{"from": []})}, "approval.from: names no way to approve it"),
        ("on_firing", {**LOCK, **approval(**{"from": "mail"})}, "approval.from"),
        ("on_firing", {**LOCK, "approval": {"from": "cli", "within": "1m"}}, "approval"),
    ],
)
def test_an_approval_that_cannot_be_is_refused(tmp_path: Path, phase: str, step: dict[str, Any], problem: str) -> None:
    file = tmp_path / "playbooks.yml"
    book = {"max_per_hour": 1, "on_firing": [LOCK], phase: [step]}
    file.write_text(yaml.safe_dump({"FraudRateSpike": book}))
    with pytest.raises(ConfigError, match=r"playbooks.yml: FraudRateSpike.*") as caught:
        playbook_file.load(file)
    assert problem in str(caught.value)
