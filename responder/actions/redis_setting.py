"""What the actions on settings in Redis share."""

from __future__ import annotations

from responder.actions.base import Task
from responder.errors import RetryError
from responder.ledger.claims import State


def read_setting(task: Task, key: str) -> State:
    """The value as it is now; None when the key is missing."""
    return {"value": task.services.settings.read(key)}


def change_setting(task: Task, key: str, from_: State, to: State) -> bool:
    """Write it, unless it has a third value: then False.

    Raises:
        RetryError: a newer claim has written; this one is not to be believed any more.
    """
    outcome = task.services.settings.write(
        key, to["value"], expected=(from_["value"], to["value"]), fence=task.claim.fence
    )
    if outcome == "fenced":
        raise RetryError("a newer claim has written the setting")
    return outcome == "written"
