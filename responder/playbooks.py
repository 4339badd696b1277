"""What a playbook is: which actions an alert asks for, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from common.yaml_files import Duration, DurationOrZero, Strict

Via = Literal["chat", "cli", "api"]
"""How a person says what is decided."""


class Approval(Strict, frozen=True, kw_only=True):
    """The word of a person without which an action is not done.

    Attributes:
        from_: how it may be said; `from` in the file.
        within: the action waits for so long.
        otherwise: whether it is skipped or done when nobody has said anything by then.
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
        action: its name in `responder.actions.actions`.
        parameters: as in the file, checked.
        dry_run: it has no effect and says what it would have done.
        expires: what it changed is put back after so long, whatever happens; only of actions that revert.
        approval: what a person has to say first; None when it is done at once.
        cool_down: how long after the incident's end it is put back.
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
        all: PromQL expressions; each must give at least one series. No series means false or unknown.
        for_: how long, without interruption; `for` in the file.
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
