"""`POST /slack/actions`: a click on a button in the chat, signed by Slack.

The signature is HMAC-SHA256 over `v0:timestamp:body` with the app's signing secret; it is good for five minutes:
https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from responder.ledger.decisions import Decision
from responder.web.decisions import LONGEST_BY, parse_click

WINDOW_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class ForgedError(Exception):
    """The request is not Slack's, or not of now."""


class StrangerError(Exception):
    """Who has clicked may not decide."""


class _User(msgspec.Struct, frozen=True):
    id: str
    username: str = ""


class _Action(msgspec.Struct, frozen=True):
    value: str


class _Payload(msgspec.Struct, frozen=True):
    type: str
    user: _User
    actions: list[_Action]


def verify(secrets: Iterable[str], timestamp: str, signature: str, body: bytes, now: float) -> None:
    """Check that Slack has signed a request, and has done so just now.

    Args:
        secrets: the app's signing secrets; while one is being rotated there are two.
        timestamp: header X-Slack-Request-Timestamp, seconds since 1970.
        signature: header X-Slack-Signature.
        body: as it was sent.
        now: seconds since 1970.

    Raises:
        ForgedError: it has not.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > WINDOW_SECONDS:
        raise ForgedError("the timestamp is missing, or not of the last 5 minutes")
    signed = b"v0:" + timestamp.encode() + b":" + body
    good = False
    for secret in secrets:
        expected = "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        good |= hmac.compare_digest(expected.encode(), signature.encode("latin-1", "replace"))
    if not good:
        raise ForgedError("the signature is not that of the app")


def decision_of(body: bytes, people: Iterable[str]) -> Decision:
    """What a click decides.

    Args:
        body: a form whose field `payload` has the interaction as JSON.
        people: Slack's IDs of those who may decide.

    Raises:
        StrangerError: somebody else has clicked.
        ValueError: it is no click on a button of the responder.
    """
    (text,) = parse_qs(body.decode(), strict_parsing=True, max_num_fields=10).get("payload", [""])
    payload: Any = msgspec.json.decode(text, type=_Payload)
    if payload.type != "block_actions" or len(payload.actions) != 1:
        raise ValueError("no click on a button")
    if payload.user.id not in people:
        raise StrangerError(f"{payload.user.id[:30]!a} is none of chat.people")
    # The name is for people to read, and chosen by whom it names; the ID is who it was.
    name = "".join(filter(str.isprintable, payload.user.username))[: LONGEST_BY - 40]
    return parse_click(payload.actions[0].value, f"{name} {payload.user.id}".strip())
