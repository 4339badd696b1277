"""Actions of other packages: entry points of the group `ticketing_responder.actions`.

Each names a class of `Action` or `RevertingAction`; the name of the entry point is that of the action in playbooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from common.yaml_files import ConfigError, Strict
from responder.actions.base import Action, AnyAction, RevertingAction
from responder.config import Config

GROUP = "ticketing_responder.actions"
# A label of metrics.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")


def installed(shipped: Mapping[str, AnyAction]) -> dict[str, AnyAction]:
    """The actions that are installed besides those that are shipped, by name.

    Raises:
        ConfigError: one of them cannot be used, or is in the way of another; the message names its entry point.
    """
    known = dict(shipped)
    for entry_point in entry_points(group=GROUP):
        place = f"entry point {entry_point.name} = {entry_point.value} of {GROUP}"
        if entry_point.name in known:
            raise ConfigError(f"{place}: the action {entry_point.name} already exists")
        if not _NAME.fullmatch(entry_point.name):
            raise ConfigError(f"{place}: the name must have small letters, digits and _ only, 50 at most")
        action = _loaded(entry_point, place)
        for problem in _problems(action, known):
            raise ConfigError(f"{place}: {problem}")
        known[entry_point.name] = action
    return {name: action for name, action in known.items() if name not in shipped}


def _loaded(entry_point: EntryPoint, place: str) -> AnyAction:
    try:
        found = entry_point.load()()
    except Exception as error:
        raise ConfigError(f"{place}: cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(found, Action | RevertingAction):
        raise ConfigError(f"{place}: is not a class of Action or RevertingAction")
    return found


def _problems(action: AnyAction, known: Mapping[str, AnyAction]) -> Iterator[str]:
    parameters = getattr(action, "parameters", None)
    if not (isinstance(parameters, type) and issubclass(parameters, Strict)):
        yield "parameters must be a class of Strict"
    declared = {field.name: field for other in known.values() for field in (*other.needs, *other.uses)}
    for field in (*action.needs, *action.uses):
        outermost = field.name.partition(".")[0]
        if outermost in Config.__struct_fields__:
            yield f"the field {outermost} of the configuration is the responder's own"
        if any(_overlap(field.name, name) for name, other in declared.items() if other is not field):
            yield f"the field {field.name} of the configuration is another action's"


def _overlap(one: str, other: str) -> bool:
    """Whether two fields are the same, or one of them is within the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
