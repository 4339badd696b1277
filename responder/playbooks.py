"""What a playbook is: which actions an alert asks for, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from common.yaml_files import Duration, DurationOrZero, Strict

Via = Literal["chat", "cli", "api"]
"""How a person says what is decided."""


class Approval(Strict, frozen=True, kw_only=True):
    """A person's approval, which the action waits for.

    Attributes:
        from_: ways in which a person may approve.
        within: how long the action waits.
        otherwise: whether the action is skipped or done when nobody has decided by then.
    """

    from_: tuple[Via, ...] | Via = msgspec.field(name="from")
    within: Duration
    otherwise: Literal["skip", "do"]

    @property
    def ways(self) -> tuple[Via, ...]:
        """`from_` as a list."""
        return self.from_ if isinstance(self.from_, tuple) else (self.from_,)


class Step(Strict, frozen=True, kw_only=True):
    """One action of a playbook.

    Attributes:
        action: name of the action.
        parameters: parameters of the action, checked.
        dry_run: the action has no effect and records what it would have done.
        expires: after this time the change is put back, whatever happens. Required for actions that revert, refused for
            others.
        approval: approval that the action waits for; without it the action runs at once.
        cool_down: time between the incident's end and putting the change back; only for actions that revert.
    """

    action: str
    parameters: dict[str, Any]
    dry_run: bool = False
    expires: Duration | None = None
    approval: Approval | None = None
    cool_down: DurationOrZero = DurationOrZero(0)


class EndsWhen(Strict, frozen=True, kw_only=True):
    """What must be true for an incident to be over, besides that its alert is gone and its source is up.

    Attributes:
        all: PromQL expressions, each of which must return at least one series. No series means false or unknown.
        for_: how long all of it must hold without interruption.
    """

    all: tuple[str, ...] = ()
    for_: DurationOrZero = msgspec.field(default=DurationOrZero(60), name="for")


class Playbook(Strict, frozen=True, kw_only=True):
    """A playbook.

    Attributes:
        name: the value of the alert's label `playbook`.
        max_per_hour: incidents that act; more of them within an hour are recorded and do nothing.
        figures: PromQL of one series each, by name: what `${figures.NAME}` stands for when a text is written.
        ends_when: see `EndsWhen`.
        on_firing: what is done when an incident opens.
        on_end: what is done when its end is verified; what was changed is put back without saying so here.
    """

    name: str
    max_per_hour: int
    figures: dict[str, str]
    ends_when: EndsWhen
    on_firing: tuple[Step, ...]
    on_end: tuple[Step, ...]


BRAKE_SECONDS = 3600
"""The hour of `max_per_hour`."""

Playbooks = Mapping[str, Playbook]
