"""A message to people about what was done, with the correlation ID to follow it by."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from common.redaction import redactor
from common.secret_text import SecretError, read_secret_file
from common.yaml_files import Strict
from responder.actions.base import Action, Task
from responder.config import Config, Endpoint, Field, Pace
from responder.endpoints import EndpointError
from responder.errors import RefusedError, RetryError
from responder.labels import subject
from responder.ledger.claims import State
from responder.ledger.telling import FOLLOW_UP


class Chat(Strict, frozen=True, kw_only=True):
    """A chat that takes `{"text": …}`, as Slack's incoming webhooks do.

    Attributes:
        url_file: file that holds the webhook's address, which is a secret.
        signing_secret_file: file that holds the signing secret of Slack's app; both secrets, one a line, during a
            rotation. With it, messages have buttons.
        people: Slack member IDs of the people whose clicks count.
    """

    url_file: str
    signing_secret_file: str | None = None
    people: tuple[str, ...] = ()


def _check(chat: Chat, pace: Pace) -> None:  # noqa: ARG001
    if (chat.signing_secret_file is None) != (not chat.people):
        raise ValueError("signing_secret_file and people are needed together, for buttons")


CHAT = Field[Chat]("chat", Chat, _check)
MOST_COPIES = 2
# Slack's limits: characters of a section, blocks of a message, elements of a block.
LONGEST_SECTION = 3000
MOST_SECTIONS = 45
MOST_BUTTONS = 25
_UNCLEAR = "the chat never said whether it took the message: it may have come twice, or not at all"


def has_buttons(config: Config) -> bool:
    """Whether people can decide by clicks in the chat."""
    chat = config.get(CHAT)
    return chat is not None and chat.signing_secret_file is not None


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        text: first line of the message. The result of each action and the correlation ID follow. Follow-up messages
            have a first line of their own.
    """

    text: str


class Notify(Action[Parameters]):
    """A chat knows no idempotency: where its answer is unclear, or a crash left none, the message is sent once more.

    Follow-ups are messages of their own: an incoming webhook changes none, and nobody reads again what was changed.
    """

    parameters = Parameters
    needs = (CHAT,)
    tells = True
    records = True

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        try:
            url = read_secret_file(Path(task.configured(CHAT).url_file), "chat.url_file")
        except SecretError as error:
            raise RetryError(str(error)) from None
        redactor.learn(url)
        copies = (task.claim.after or {}).get("copies", 0)
        if copies >= MOST_COPIES:
            raise RefusedError(_UNCLEAR)
        text = _text(task, parameters)
        body: dict[str, Any] = {"text": text}
        if has_buttons(task.services.config) and task.choices:
            body["blocks"] = [*_sections(text), _buttons(task)]
        # Before it is sent: after a crash nobody knows whether it was.
        task.remember({"copies": copies + 1})
        try:
            task.services.http.request("POST", Endpoint(url=url), body=body, attempts=1)
        except EndpointError as error:
            if not error.unclear:
                task.remember({"copies": copies})
                raise
            if copies + 1 >= MOST_COPIES:
                raise RefusedError(f"{_UNCLEAR}: {error}") from None
            # A moment later its answer would be as unclear.
            error.retry_after = max(error.retry_after, task.services.config.pace.retry_longest)
            raise
        return {"told": text}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would write: {_text(task, parameters)}"


def _text(task: Task, parameters: Parameters) -> str:
    first = _follow_up(task) if task.claim.phase == FOLLOW_UP else task.fill(parameters.text)
    # Labels may come from an attacker. Slack reads <…> as a link or a call to everybody, unless it is written so.
    return escape("\n".join([first, *task.news, f"Correlation ID {task.correlation_id}"]), quote=False)


def _sections(text: str) -> list[dict[str, Any]]:
    """The text as blocks, which the buttons stand below."""
    parts = [""]
    for line in text.splitlines():
        if len(parts[-1]) + len(line) >= LONGEST_SECTION and parts[-1]:
            parts.append("")
        parts[-1] += f"{line[: LONGEST_SECTION - 1]}\n"
    return [{"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in parts[:MOST_SECTIONS]]


def _buttons(task: Task) -> dict[str, Any]:
    buttons = []
    for choice in task.choices[:MOST_BUTTONS]:
        words = " ".join(word for word in (choice.kind, choice.action) if word)
        value = " ".join(word for word in (choice.kind, task.correlation_id, choice.action) if word)
        text = {"type": "plain_text", "text": words[:75].capitalize()}
        buttons.append({"type": "button", "text": text, "action_id": words[:255], "value": value})
    return {"type": "actions", "elements": buttons}


def _follow_up(task: Task) -> str:
    return f"{subject(task.incident.alertname, task.incident.labels)}: what has changed"
