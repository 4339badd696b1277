"""What is refused at the door, with a reason and a metric, and what is not."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import requests

from testbed.servers.ports import free_port
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import TOKEN, ResponderProcess, wait_until

HOSTILE = (
    "alice'; DROP TABLE platform.admin_accounts; --",
    "$(touch /tmp/owned) `id` | sh",
    "../../etc/passwd?x=1#http://evil.example",
    "${labels.account}%s%(x)s{0}",
    "Zoë \u202e\U0001f3ab",
)


@pytest.fixture(scope="module")
def door() -> Any:
    """A responder without any database: what it refuses, it refuses before it asks for one."""
    nowhere = f"127.0.0.1:{free_port()}"
    with ResponderProcess(f"postgresql://monitoring_responder@{nowhere}/x", f"redis://{nowhere}/0") as responder:
        yield responder


def changed(**fields: Any) -> dict[str, Any]:
    """A message whose one alert has other fields."""
    return message({**firing(ADMIN), **fields})


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "é", f" {TOKEN}x"])
def test_a_wrong_token_is_refused(door: ResponderProcess, token: str | None) -> None:
    for answer in (
        door.post(message(firing(ADMIN)), token=token and token.encode().decode("latin-1")),
        door.get("/incidents", token=token and token.encode().decode("latin-1")),
    ):
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    basic = requests.post(f"{door.url}/alerts", auth=("x", TOKEN), timeout=5)
    assert basic.status_code == 401


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b'{"version": "4", "alerts": ' + b"[" * 100_000, "malformed"),
        (b'{"other": ' + b'{"a":' * 100_000, "malformed"),
        (b"[]", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'{"alerts": []}', "unsupported_version"),
        (message(firing(ADMIN), version="5"), "unsupported_version"),
        (message(firing(ADMIN), version=4), "malformed"),
        ({"version": "4"}, "malformed"),
        ({"version": "4", "alerts": []}, "malformed"),
        (changed(status="maybe"), "malformed"),
        (changed(labels={"playbook": "UnauthorizedAdminAccess"}), "malformed"),
        (changed(labels={**ADMIN, "account": 7}), "malformed"),
        (changed(labels={**ADMIN, "account": "a\x00b"}), "malformed"),
        (json.dumps(changed(labels={**ADMIN, "account": "\ud800"})).encode(), "malformed"),
        (changed(labels={**ADMIN, "account": "x" * 9000}), "malformed"),
        (changed(startsAt="yesterday"), "malformed"),
        (changed(startsAt="2026-01-01T00:00:00"), "malformed"),
        (changed(fingerprint="'; --"), "malformed"),
        (message(firing(ADMIN), externalURL="http://a\x00b"), "malformed"),
        (message(firing({**ADMIN, "playbook": "Unknown"})), "unknown_playbook"),
        (message(firing({"alertname": "NoPlaybook"})), "unknown_playbook"),
    ],
)
def test_a_message_that_cannot_be_taken_is_a_clear_4xx(door: ResponderProcess, body: Any, reason: str) -> None:
    def counted() -> float:
        return door.metric("ticketing_responder_webhooks_total", outcome=reason) or 0

    before = counted()
    answer = door.post(body)
    assert answer.status_code == (422 if reason == "unknown_playbook" else 400)
    assert len(answer.json()["error"]) > 20
    assert counted() == before + 1


def test_an_oversized_body_is_refused(door: ResponderProcess) -> None:
    answer = door.post(b"x" * ((1 << 20) + 1))
    assert answer.status_code == 413
    assert door.metric("ticketing_responder_webhooks_total", outcome="too_large") == 1
    # Whoever announces more than that is not listened to at all.
    with socket.create_connection(("127.0.0.1", door.port), 5) as sender:
        head = (
            f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99999999999\r\n\r\n"
        )
        sender.sendall(head.encode())
        assert b" 413 " in sender.recv(1000)


def test_a_body_that_nobody_vouches_for_is_not_waited_for(door: ResponderProcess) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 5) as sender:
        sender.sendall(b"POST /alerts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        answer = sender.recv(1000)
        assert b" 401 " in answer
        assert b"Connection: close" in answer
        sender.sendall(b"y" * 999)  # which does not cost it the answer
        assert sender.recv(1000).startswith(b"{") or answer.endswith(b"}")


def test_a_body_without_a_length_is_refused(door: ResponderProcess) -> None:
    answer = requests.post(
        f"{door.url}/alerts", data=iter([b"{}"]), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
    )
    assert answer.status_code == 411


def test_a_body_that_breaks_off_is_refused(door: ResponderProcess) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 5) as sender:
        head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 500\r\n\r\n"
        sender.sendall(head.encode() + b"{}")
        sender.shutdown(socket.SHUT_WR)
        assert b" 400 " in sender.recv(1000)
    assert door.metric("ticketing_responder_webhooks_total", outcome="incomplete") == 1


def test_other_paths_and_methods(door: ResponderProcess) -> None:
    assert door.get("/nothing").status_code == 404
    assert door.get("/alerts").status_code == 405
    assert door.post(b"", path="/metrics").status_code == 405
    assert door.get("/").status_code == 200
    assert door.post(b"", path="/-/reload", token=None).status_code == 401


def test_without_its_database_it_lives_is_not_ready_and_takes_nothing(door: ResponderProcess) -> None:
    assert door.get("/-/healthy", token=None).status_code == 200
    ready = door.get("/-/ready", token=None)
    assert ready.status_code == 503
    assert "PostgreSQL" in ready.text
    assert door.post(message(firing(ADMIN))).status_code == 503
    assert door.get("/incidents").status_code == 503
    assert door.metric("ticketing_responder_ledger_up") == 0
    assert door.metric("ticketing_responder_oldest_pending_seconds") is None


def test_hostile_labels_are_only_text(world: World, start: Start) -> None:
    responder = start()
    for account in HOSTILE:
        labels = {**ADMIN, "account": account}
        world.sql("INSERT INTO platform.admin_accounts (account) VALUES (%s)", account)
        world.fail_sign_ins(account, "203.0.113.9")
        assert responder.post(message(firing(labels))).status_code == 202
    wait_until(lambda: all(world.locked(account) for account in HOSTILE), what=responder.log)
    assert not world.locked("alice.ops")
    assert not Path("/tmp/owned").exists()
    wait_until(
        lambda: (
            {one["title"] for one in world.siem.incidents.values()}
            >= {f"UnauthorizedAdminAccess: {account}" for account in HOSTILE}
        )
    )


def test_an_account_that_does_not_exist_is_a_failed_action_with_a_reason(world: World, start: Start) -> None:
    responder = start()
    responder.post(message(firing({**ADMIN, "account": "' OR true --"})))
    lock = responder.settled()["lock_account"]
    assert (lock["state"], lock["reason"][:10]) == ("failed", "no account")
    assert responder.metric("ticketing_responder_actions", action="lock_account", state="failed") == 1
    assert world.sql("SELECT count(*) FROM platform.admin_accounts WHERE locked_at IS NOT NULL") == [(0,)]


def test_a_missing_label_is_a_failed_action_with_a_reason(start: Start) -> None:
    responder = start()
    labels = {name: text for name, text in ADMIN.items() if name != "account"}
    responder.post(message(firing(labels)))
    lock = responder.settled()["lock_account"]
    assert (lock["state"], lock["reason"]) == ("failed", "the alert has no labels.account")


def test_what_is_known_is_done_although_another_alert_of_the_message_is_not(world: World, start: Start) -> None:
    responder = start()
    answer = responder.post(message(firing({**ADMIN, "playbook": "Unknown"}), firing(ADMIN), new_field={"x": [1]}))
    assert answer.status_code == 202
    assert answer.json() == {
        "alerts": ["opened"],
        "refused": ["'UnauthorizedAdminAccess': unknown playbook 'Unknown'"],
    }
    wait_until(world.locked)
    assert responder.metric("ticketing_responder_alerts_total", outcome="unknown_playbook") == 1


def test_tokens_are_rotated_by_listing_two(world: World, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("the-old-token-of-last-year\n")
    responder = start(environment={"RESPONDER_TOKEN": "", "RESPONDER_TOKEN_FILE": str(file)})
    old, new = "the-old-token-of-last-year", "the-new-token-of-this-year"
    assert [responder.get("/incidents", token=one).status_code for one in (old, new)] == [200, 401]
    file.write_text(f"{old}\n{new}\n")
    assert [responder.get("/incidents", token=one).status_code for one in (old, new)] == [200, 200]
    file.write_text(new)
    assert [responder.get("/incidents", token=one).status_code for one in (old, new)] == [401, 200]
    file.write_text(f"{new}\nshort\n")
    assert responder.get("/incidents", token=new).status_code == 503
    assert f"RESPONDER_TOKEN_FILE: {file}: a token is shorter than 16 characters" in responder.get("/-/ready").text
    file.unlink()
    assert responder.post(message(firing(ADMIN)), token=new).status_code == 503
    assert responder.get("/-/ready").status_code == 503
    assert not world.locked()


def test_no_secret_is_ever_shown(world: World, start: Start, tmp_path: Path) -> None:
    password = "pa55-w0rd%2Fx"
    world.database.server.execute("ALTER ROLE monitoring_responder PASSWORD 'pa55-w0rd/x'", world.database.name)
    dsn = world.database.responder_dsn.replace("monitoring_responder@", f"monitoring_responder:{password}@")
    siem_token, chat = tmp_path / "siem", tmp_path / "chat"
    siem_token.write_text("siem-secret-token")
    chat.write_text("http://127.0.0.1:1/services/chat-secret-path")
    config = {
        "siem": {"incidents": {"url": f"{world.outside.url}/siem/incidents", "token_file": str(siem_token)}},
        "chat": {"url_file": str(chat)},
    }
    redis_url = world.redis_url.replace("redis://", "redis://:redis-secret@")  # this Redis wants no password
    responder = start(
        config,
        environment={"POSTGRES_DSN": dsn, "REDIS_URL": redis_url},
        flags=["--log.level=debug"],
        pace={"give_up": "1s"},
    )
    responder.post(message(firing(ADMIN)))
    responder.post(message(firing(ADMIN)), token="wrong-token-" + TOKEN)
    wait_until(lambda: responder.actions()["notify"]["attempts"] >= 1)
    world.outside.trouble.status = 500
    responder.post(message(firing({**ADMIN, "account": "bob.ops"})))
    retried = {"action": "open_siem_incident", "outcome": "retry"}
    wait_until(lambda: bool(responder.metric("ticketing_responder_attempts_total", **retried)))
    assert "siem-secret-token" in str([one.headers for one in world.outside.requests])
    shown = [responder.log(), *(responder.get(path).text for path in ("/", "/metrics", "/incidents", "/-/ready"))]
    shown.append(str(world.sql("SELECT string_agg(a::text, ' ') FROM monitoring.responder_actions a")))
    for secret in (password, "pa55-w0rd/x", TOKEN, "siem-secret-token", "redis-secret", "chat-secret-path"):
        assert not [text for text in shown if secret in text], secret
