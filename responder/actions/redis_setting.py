"""What the actions on settings in Redis share."""

from __future__ import annotations

from responder.actions.base import Task
from responder.errors import RetryError, SkipError
from responder.ledger.claims import State


def read_setting(task: Task, key: str) -> State:
    """The value as it is now.

    Raises:
        SkipError: the key is missing. Nobody would heed it on a platform that never wrote it; after a loss it may come.
    """
    value = task.services.settings.read(key)
    if value is None:
        raise SkipError(f"the platform has no such key: {key}", wait=True)
    return {"value": value}


def change_setting(task: Task, key: str, from_: State, to: State) -> bool:
    """Write it, unless it has a third value: then False.

    Raises:
        RetryError: somebody has written since who came later; this one is not to be believed any more.
    """
    outcome = task.services.settings.write(key, to["value"], expected=(from_["value"], to["value"]), fence=task.fence)
    if outcome == "fenced":
        raise RetryError("a later change has been written")
    return outcome == "written"
