"""A message to people about what was done, with the correlation ID to follow it by."""

from __future__ import annotations

from html import escape
from pathlib import Path

from common.redaction import redactor
from common.secret_text import SecretError, read_secret_file
from common.yaml_files import Strict
from responder.actions.base import Action, Task
from responder.config import Endpoint, Field
from responder.errors import RetryError
from responder.ledger.claims import State


class Chat(Strict, frozen=True, kw_only=True):
    """A chat that takes `{"text": …}`, as Slack's incoming webhooks do.

    Attributes:
        url_file: holds the address, which is a secret.
    """

    url_file: str


CHAT = Field[Chat]("chat", Chat)


class Parameters(Strict, frozen=True, kw_only=True):
    """What the playbook gives; texts may have placeholders.

    Attributes:
        text: its first line; what each action came to, and the correlation ID, follow.
    """

    text: str


class Notify(Action[Parameters]):
    """A chat knows no idempotency: after a crash at the wrong moment the message may come twice, never not at all."""

    parameters = Parameters
    needs = (CHAT,)

    def apply(self, task: Task, parameters: Parameters) -> State:
        """See `Action`."""
        try:
            url = read_secret_file(Path(task.configured(CHAT).url_file), "chat.url_file")
        except SecretError as error:
            raise RetryError(str(error)) from None
        redactor.learn(url)
        task.services.http.request("POST", Endpoint(url=url), body={"text": _text(task, parameters)}, attempts=1)
        return {"told": True}

    def preview(self, task: Task, parameters: Parameters) -> str:
        """See `Action`."""
        return f"would write: {_text(task, parameters)}"


def _text(task: Task, parameters: Parameters) -> str:
    lines = [task.fill(parameters.text)]
    for action, state, reason in task.outcomes:
        lines.append(f"• {action}: {state}{f' ({reason})' if reason else ''}")
    # Labels may come from an attacker. Slack reads <…> as a link or a call to everybody, unless it is written so.
    return escape("\n".join([*lines, f"Correlation ID {task.correlation_id}"]), quote=False)
