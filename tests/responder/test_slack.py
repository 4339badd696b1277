"""Buttons in the chat: clicks that Slack has signed count, once; whatever else comes to the same address does not."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from responder.web.bodies import LARGEST_CLICK
from responder.web.slack import ForgedError, verify
from tests.responder.actions.single import Receiver
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message
from tests.responder.process import ResponderProcess, wait_until

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
OLD_SECRET = "0123456789abcdef0123456789abcdef"
PERSON = "U2CERLKJA"
LOCK = {
    "action": "lock_account",
    "account": "${labels.account}",
    "reason": "r",
    "approval": {"from": ["chat"], "within": "1h", "otherwise": "skip"},
}
THRESHOLD = {"action": "set_fraud_threshold", "value": 0.5, "expires": "1h"}
# As documented: https://docs.slack.dev/authentication/verifying-requests-from-slack
EXAMPLE = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
EXAMPLE_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
EXAMPLE_TIME = 1531420618


def test_the_documented_signature_is_accepted_for_five_minutes() -> None:
    for now in (EXAMPLE_TIME - 300, EXAMPLE_TIME, EXAMPLE_TIME + 300):
        verify([SECRET], str(EXAMPLE_TIME), EXAMPLE_SIGNATURE, EXAMPLE, now)
    for now in (EXAMPLE_TIME - 301, EXAMPLE_TIME + 301):
        with pytest.raises(ForgedError, match="timestamp"):
            verify([SECRET], str(EXAMPLE_TIME), EXAMPLE_SIGNATURE, EXAMPLE, now)
    with pytest.raises(ForgedError, match="signature"):
        verify([OLD_SECRET], str(EXAMPLE_TIME), EXAMPLE_SIGNATURE, EXAMPLE, EXAMPLE_TIME)


@pytest.fixture
def chat(world: World) -> Receiver:
    chat = Receiver("/chat")
    world.outside.counterparts.append(chat)
    return chat


@pytest.fixture
def config(world: World, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "chat").write_text(f"{world.outside.url}/chat\n")
    (tmp_path / "secret").write_text(f"{OLD_SECRET}\n{SECRET}\n")
    secret = str(tmp_path / "secret")
    return {
        "chat": {"url_file": str(tmp_path / "chat"), "signing_secret_file": secret, "people": [PERSON, "U0"]},
        "alertmanagers": [{"url": world.outside.url}],
    }


def playbooks(*steps: dict[str, Any]) -> dict[str, Any]:
    notify = {"action": "notify", "text": "${alertname}: automatic response"}
    book = {"max_per_hour": 9, "ends_when": {"for": "300ms"}, "on_firing": [*steps, notify]}
    return {"FraudRateSpike": book, "UnauthorizedAdminAccess": book}


def buttons(sent: dict[str, Any]) -> dict[str, str]:
    """What the buttons of a message say, and the value of each."""
    if "blocks" not in sent:
        return {}
    *sections, actions = sent["blocks"]
    assert "".join(one["text"]["text"] for one in sections).rstrip("\n") == sent["text"]
    assert len({one["action_id"] for one in actions["elements"]}) == len(actions["elements"])
    return {one["text"]["text"]: one["value"] for one in actions["elements"]}


def form(value: str, user: str = PERSON, **more: Any) -> bytes:
    """The body of a click, with what else Slack says of it."""
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": "roadrunner", "name": "roadrunner", "team_id": "T1DC2JH3J"},
        "api_app_id": "A123",
        "token": "xyzz0WbapA4vBCDEFasx0q6G",
        "container": {"type": "message", "message_ts": "1548261231.000200"},
        "trigger_id": "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
        "response_url": "https://hooks.slack.com/actions/AABA1ABCD/1232321423432/D09sSasdasdAS9091209",
        "actions": [
            {"action_id": "a", "block_id": "b", "type": "button", "value": value, "action_ts": "1548426417.84"}
        ],
        "message": {"text": "x" * 20_000},
        **more,
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def sign(body: bytes, timestamp: object, secret: str = SECRET, version: str = "v0") -> str:
    signed = f"{version}:{timestamp}:".encode() + body
    return f"{version}=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def send(responder: ResponderProcess, body: bytes, timestamp: object, signature: str) -> requests.Response:
    return requests.post(
        f"{responder.url}/slack/actions",
        data=body,
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": str(timestamp),
            "X-Slack-Signature": signature,
        },
        timeout=10,
    )


def click(responder: ResponderProcess, value: str, user: str = PERSON) -> requests.Response:
    body, now = form(value, user), int(time.time())
    return send(responder, body, now, sign(body, now))


def test_a_click_approves_and_who_clicked_is_recorded(
    world: World, start: Start, chat: Receiver, config: dict[str, Any]
) -> None:
    responder = start(config, playbooks=playbooks(LOCK))
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: len(chat.received) == 1)
    offered = buttons(chat.received[0])
    assert list(offered) == ["Approve lock_account", "Decline lock_account", "Stop", "Ack"]
    assert not world.locked()
    assert click(responder, offered["Approve lock_account"]).status_code == 200
    wait_until(world.locked)
    (decision,) = responder.incident()["decisions"]
    assert (decision["by"], decision["via"]) == (f"roadrunner {PERSON}", "chat")
    wait_until(lambda: len(chat.received) == 2)
    told = chat.received[1]
    assert f"• lock_account approved by roadrunner {PERSON} (chat)\n• lock_account: alice.ops is" in told["text"]
    assert list(buttons(told)) == ["Stop", "Ack"]


def test_a_click_undoes_once(world: World, start: Start, chat: Receiver, config: dict[str, Any]) -> None:
    books = playbooks(THRESHOLD)
    both = start(config, playbooks=books), start(config, playbooks=books)
    both[0].post(message(firing(FRAUD)))
    wait_until(lambda: len(chat.received) == 1)
    undo = buttons(chat.received[0])["Undo"]
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda n: click(both[n % 2], undo, (PERSON, "U0")[n // 3]).status_code, range(6)))
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    wait_until(lambda: world.redis.get("config:fraud_threshold") == "0.60")
    wait_until(lambda: len(chat.received) == 2)
    assert list(buttons(chat.received[1])) == ["Ack"]


def test_without_a_signing_secret_there_are_no_buttons_and_no_address(
    start: Start, chat: Receiver, config: dict[str, Any]
) -> None:
    del config["chat"]["signing_secret_file"], config["chat"]["people"]
    responder = start(config, playbooks=playbooks(THRESHOLD))
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: len(chat.received) == 1)
    assert list(chat.received[0]) == ["text"]
    assert click(responder, "undo x").status_code == 404


# Each gives the body, the timestamp and the signature of a click for the time that is now and the body of a good one.
Forgery = Callable[[int, bytes], tuple[bytes, object, str]]
FORGED: dict[str, Forgery] = {
    "no signature": lambda now, body: (body, now, ""),
    "the signature of nothing": lambda now, body: (body, now, sign(b"", now)),
    "another secret": lambda now, body: (body, now, sign(body, now, "f" * 32)),
    "an empty secret": lambda now, body: (body, now, sign(body, now, "")),
    "both secrets as one": lambda now, body: (body, now, sign(body, now, f"{OLD_SECRET}\n{SECRET}")),
    "half a signature": lambda now, body: (body, now, sign(body, now)[:35]),
    "a signature in capitals": lambda now, body: (body, now, "v0=" + sign(body, now)[3:].upper()),
    "a signature with more": lambda now, body: (body, now, sign(body, now) + "0"),
    "no version": lambda now, body: (body, now, sign(body, now)[3:]),
    "another version": lambda now, body: (body, now, sign(body, now, version="v1")),
    "another version under this name": lambda now, body: (body, now, "v0" + sign(body, now, version="v1")[2:]),
    "a plain hash": lambda now, body: (body, now, "v0=" + hashlib.sha256(body + SECRET.encode()).hexdigest()),
    "another person in the body": lambda now, body: (body.replace(b"U2CERLKJA", b"U0"), now, sign(body, now)),
    "a body with more": lambda now, body: (body + b"&a=b", now, sign(body, now)),
    "no body": lambda now, body: (b"", now, sign(body, now)),
    "another timestamp": lambda now, body: (body, now - 1, sign(body, now)),
    "late": lambda now, body: (body, now - 310, sign(body, now - 310)),
    "an hour late": lambda now, body: (body, now - 3600, sign(body, now - 3600)),
    "from the future": lambda now, body: (body, now + 320, sign(body, now + 320)),
    "late with a new timestamp": lambda now, body: (body, now, sign(body, now - 310)),
    "no timestamp": lambda _, body: (body, "", sign(body, "")),
    "a negative timestamp": lambda now, body: (body, -now, sign(body, -now)),
    "a timestamp in words": lambda _, body: (body, "nan", sign(body, "nan")),
    "a timestamp with a fraction": lambda now, body: (body, f"{now}.0", sign(body, f"{now}.0")),
    "a long timestamp": lambda now, body: (body, f"{now:040}", sign(body, f"{now:040}")),
}


def test_what_is_forged_late_or_a_strangers_is_refused_and_what_is_replayed_does_nothing(
    world: World, start: Start, chat: Receiver, config: dict[str, Any]
) -> None:
    assert len(FORGED) >= 20
    responder = start(config, playbooks=playbooks(LOCK))
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: len(chat.received) == 1)
    approve = buttons(chat.received[0])["Approve lock_account"]
    for name, forge in FORGED.items():
        assert send(responder, *forge(int(time.time()), form(approve))).status_code == 401, name
    # Signed, and all the same nothing that may be done.
    stranger = click(responder, approve, "U666")
    assert (stranger.status_code, stranger.json()) == (403, {"error": "'U666' is none of chat.people"})
    kind, correlation_id, _ = approve.split(" ")
    odd = [
        form(""),
        form(kind),
        form(f"unlock {correlation_id}"),
        form(f"{kind} x"),
        form(approve, type="view_submission"),
        form(approve, actions=[]),
        b"payload=%5B",
        b"payload=" + b"%5B" * 50_000,
        b"\xff\xfe",
        b"",
    ]
    for body in odd:
        now = int(time.time())
        assert send(responder, body, now, sign(body, now)).status_code == 400, body[:100]
    assert responder.incident()["decisions"] == []
    assert not world.locked()
    # The old secret still counts while it is rotated. Repeated, word by word, it is too late.
    body, now = form(approve), int(time.time())
    good = (body, now, sign(body, now, OLD_SECRET))
    assert send(responder, *good).status_code == 200
    wait_until(world.locked)
    for _ in range(3):
        replayed = send(responder, *good)
        assert (replayed.status_code, replayed.json()["error"][:16]) == (409, "already approved")
    assert len(responder.incident()["decisions"]) == 1


def test_a_body_larger_than_any_click_is_refused_unread(start: Start, config: dict[str, Any]) -> None:
    responder = start(config, playbooks=playbooks(LOCK))
    with socket.create_connection(("127.0.0.1", responder.port), 10) as connection:
        # The answer comes, and the body never does.
        connection.sendall(
            f"POST /slack/actions HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_CLICK + 1}\r\n\r\n".encode()
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("missing", ["signing_secret_file", "people"])
def test_buttons_need_a_secret_and_people(start: Start, config: dict[str, Any], missing: str) -> None:
    del config["chat"][missing]
    with pytest.raises(Exception, match="are needed together, for buttons"):
        start(config)


@pytest.mark.parametrize("with_buttons", [True, False])
def test_an_approval_that_nobody_can_give_is_said_at_the_start(
    start: Start, config: dict[str, Any], *, with_buttons: bool
) -> None:
    if not with_buttons:
        del config["chat"]["signing_secret_file"], config["chat"]["people"]
    log = start(config, playbooks=playbooks(LOCK)).log()
    assert ("nobody can approve lock_account" in log) == (not with_buttons)
