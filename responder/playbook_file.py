"""The playbook file: which actions an alert asks for, with which parameters."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from common.yaml_files import ConfigError, Strict, decode, read_yaml
from responder.actions import actions
from responder.actions.base import RevertingAction
from responder.placeholders import PlaceholderError, check
from responder.playbooks import EndsWhen, Playbook, Playbooks, Step

SHIPPED = Path(__file__).with_name("playbooks.yml")
_FIGURE = re.compile(r"[a-z_][a-z0-9_]*")
_OF_EVERY_STEP = ("action", "dry_run", "expires", "cool_down", "approval")


class Section(Strict, frozen=True, kw_only=True):
    """One playbook of the file.

    Attributes:
        max_per_hour: incidents that act; more of them within an hour are recorded, and nothing is done for them.
        on_firing: actions when an incident opens, in this order.
        on_end: actions when its end is verified; what was changed is put back without an entry here.
        ends_when: what else must be true for the incident to be over.
        figures: PromQL by name; `${figures.NAME}` in a text becomes its value.
    """

    max_per_hour: Annotated[int, msgspec.Meta(gt=0)]
    on_firing: tuple[dict[str, Any], ...]
    on_end: tuple[dict[str, Any], ...] = ()
    ends_when: EndsWhen = EndsWhen()
    figures: dict[str, str] = msgspec.field(default_factory=dict)


def load(path: Path | None) -> Playbooks:
    """The playbooks of a file, or those that are shipped.

    Raises:
        ConfigError: it is not valid; the message names file, playbook, action and field.
    """
    path = path or SHIPPED
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError(f"{path}: must be a mapping of playbooks")
    return {name: _playbook(name, section, f"{path}: {name}") for name, section in content.items()}


def _playbook(name: str, content: Any, place: str) -> Playbook:
    section: Section = decode(content, Section, place)
    for position, expression in enumerate(section.ends_when.all):
        _check_text(expression, f"{place}.ends_when.all[{position}]")
    for figure, expression in section.figures.items():
        if not _FIGURE.fullmatch(figure):
            raise ConfigError(f"{place}.figures: {figure!r} must have small letters, digits and _ only")
        _check_text(expression, f"{place}.figures.{figure}")
    return Playbook(
        name=name,
        max_per_hour=section.max_per_hour,
        figures=section.figures,
        ends_when=section.ends_when,
        on_firing=tuple(_steps(section.on_firing, section.figures, f"{place}.on_firing")),
        on_end=tuple(_end_steps(section.on_end, section.figures, f"{place}.on_end")),
    )


def _steps(steps: Sequence[dict[str, Any]], figures: Collection[str], place: str) -> Iterator[Step]:
    for position, content in enumerate(steps):
        where = f"{place}[{position}]"
        name = content.get("action")
        if not isinstance(name, str) or name not in actions():
            raise ConfigError(f"{where}.action: {name!r} is none of {', '.join(actions())}")
        action, where = actions()[name], f"{where} ({name})"
        parameters = {key: value for key, value in content.items() if key not in _OF_EVERY_STEP}
        decode(parameters, action.parameters, where)
        _check_texts(parameters, where, figures)
        settings = {key: value for key, value in content.items() if key in _OF_EVERY_STEP}
        step: Step = decode({**settings, "parameters": parameters}, Step, where)
        if not isinstance(action, RevertingAction) and (step.expires is not None or step.cool_down):
            raise ConfigError(f"{where}: expires and cool_down are for actions that revert")
        if isinstance(action, RevertingAction) and not step.expires:
            raise ConfigError(f"{where}.expires: is missing: what is changed must end by itself")
        if step.approval is not None and action.records:
            raise ConfigError(f"{where}.approval: is for actions that change something")
        if step.approval is not None and not step.approval.ways:
            raise ConfigError(f"{where}.approval.from: names no way to approve it")
        yield step


def _end_steps(steps: Sequence[dict[str, Any]], figures: Collection[str], place: str) -> Iterator[Step]:
    for position, step in enumerate(_steps(steps, figures, place)):
        if isinstance(actions()[step.action], RevertingAction):
            where = f"{place}[{position}] ({step.action})"
            raise ConfigError(f"{where}: belongs in on_firing: what it changes lasts as long as the incident")
        if step.approval is not None:
            raise ConfigError(f"{place}[{position}] ({step.action}).approval: is for on_firing")
        yield step


def _check_texts(value: Any, place: str, figures: Collection[str]) -> None:
    """Check the placeholders in all texts, however deep."""
    if isinstance(value, str):
        _check_text(value, place, figures)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_texts(inner, f"{place}.{key}", figures)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check_texts(inner, f"{place}[{position}]", figures)


def _check_text(text: str, place: str, figures: Collection[str] = ()) -> None:
    try:
        check(text, figures)
    except PlaceholderError as error:
        raise ConfigError(f"{place}: {error}") from None
