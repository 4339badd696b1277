"""What an action is. One file each in this folder; see docs/responder.md."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from common.yaml_files import Strict
from responder.choices import Choice
from responder.config import Config, Content, Field
from responder.contract_functions import ContractFunctions
from responder.endpoints import EndpointClient
from responder.errors import SkipError
from responder.figures import shown
from responder.ledger.claims import Claim, Incident, State
from responder.placeholders import PlaceholderError, fill, names, promql, values_of
from responder.playbooks import Playbooks
from responder.prometheus import Prometheus, PrometheusError
from responder.settings import Settings

logger = logging.getLogger(__name__)

P = TypeVar("P", bound=Strict)


@dataclass(frozen=True)
class Services:
    """Everything that actions act through."""

    config: Config
    playbooks: Playbooks
    contract: ContractFunctions
    settings: Settings
    http: EndpointClient
    prometheus: Prometheus


@dataclass(frozen=True)
class Task:
    """One try of an action.

    Attributes:
        claim: of the ledger.
        services: to act through.
        news: what there is to tell of the incident, line by line; for actions that tell.
        choices: what a person can decide about it by a click; likewise.
        remember: writes down for the next try what this one is about to do, as `claim.after`; raises like `confirm`.
        fence: grows with every write to what the action changes; an older one writes nothing any more.
        confirm: raises when the claim is another worker's by now. To be called between reading and writing what has
            no idempotency of its own.
    """

    claim: Claim
    services: Services
    news: tuple[str, ...]
    choices: tuple[Choice, ...]
    remember: Callable[[State], None]
    fence: int
    confirm: Callable[[], None]

    @property
    def incident(self) -> Incident:
        """Why it is done."""
        return self.claim.incident

    @property
    def correlation_id(self) -> str:
        """Of the incident."""
        return str(self.incident.correlation_id)

    @property
    def too_late(self) -> bool:
        """Whether it was to be done while the incident lasted, and that is over."""
        return self.claim.phase == "firing" and self.incident.closed

    @property
    def key(self) -> str:
        """Of this very action, the same in every try: what makes a second request harmless."""
        return f"{self.correlation_id}:{self.claim.phase}:{self.claim.position}"

    def configured(self, field: Field[Content]) -> Content:
        """What the configuration says in a field that the action needs.

        Raises:
            SkipError: nothing.
        """
        content = self.services.config.get(field)
        if content is None:
            raise SkipError(f"{field.name} is not configured")
        return content

    def fill(self, text: str, quote: Callable[[str], str] = str) -> str:
        """A text of the playbook with its placeholders filled.

        Args:
            text: of the playbook.
            quote: applied to what is filled in.

        Raises:
            PlaceholderError: the alert has no text for one of them.
        """
        asked = {name.removeprefix("figures.") for name in names(text) if name.startswith("figures.")}
        figures = {f"figures.{name}": figure for name, figure in self.figures(asked).items()}
        return fill(text, self._values() | figures, quote)

    def figures(self, asked: Collection[str] | None = None) -> dict[str, str]:
        """What figures of the playbook are now, all by default: as text, "unknown" when Prometheus does not say.

        A text is not worth waiting for: once Prometheus has not answered, it is not asked again.
        """
        playbook = self.services.playbooks.get(self.incident.playbook)
        expressions = playbook.figures if playbook is not None else {}
        found = dict.fromkeys(expressions if asked is None else asked, "unknown")
        for name in found.keys() & expressions.keys():
            try:
                figure = self.services.prometheus.number(fill(expressions[name], self._values(), promql))
            except PlaceholderError:
                continue
            except PrometheusError as error:
                logger.warning("incident %s: figures: %s", self.correlation_id, error)
                break
            found[name] = shown(figure)
        return found

    def _values(self) -> dict[str, str]:
        incident = self.incident
        return values_of(incident.labels, incident.annotations, incident.playbook, self.correlation_id)


class Declaration(Generic[P]):
    """What every action says of itself.

    Attributes:
        parameters: the fields that a playbook gives, besides `action`, `dry_run`, `expires` and `cool_down`.
        needs: fields of the configuration; while one of them is not there, the action is skipped.
        uses: fields that it can do without.
        records: whether it only records, or tells: then it is done although a person lets the incident do no more.
        tells: whether it tells people what the others came to. Then it is done again when that changes, in the phase
            `follow_up`.
    """

    parameters: type[P]
    needs: tuple[Field[Any], ...] = ()
    uses: tuple[Field[Any], ...] = ()
    records: bool = False
    tells: bool = False

    def effect(self, before: State | None, after: State) -> str:  # noqa: ARG002
        """What has been done, in words for people.

        Args:
            before: what was found, of an action that reverts.
            after: what came of it.
        """
        return "done"


class Action(Declaration[P], ABC):
    """Something that is done to the platform or told to somebody. Doing it again must change nothing."""

    @abstractmethod
    def apply(self, task: Task, parameters: P) -> State:
        """Do it, absolutely (set to, never add to).

        Returns:
            What came of it, as JSON, for the ledger.

        Raises:
            RefusedError, RetryError, SkipError: see there.
        """

    def is_done_again(self, parameters: P) -> bool:  # noqa: ARG002
        """Whether it is done again when the alert is repeated: somebody may have undone it meanwhile."""
        return False

    def preview(self, task: Task, parameters: P) -> str:  # noqa: ARG002
        """What a dry run says it would have done; asks, and changes nothing."""
        return "would have been done"


class RevertingAction(Declaration[P], ABC):
    """Something that is changed while an incident lasts, and put back to what was found.

    What is found and what it is changed to are written down before the change: a crash in between leaves enough to
    go on, or to put it back. While several incidents hold the same target, the strictest state is in force, and the
    last one puts it back. What an operator makes of it meanwhile stays, and is what later incidents put back.
    """

    @abstractmethod
    def target(self, task: Task, parameters: P) -> str:
        """What is changed, by a name that is the same for all who change it."""

    @abstractmethod
    def observe(self, task: Task, parameters: P) -> State:
        """The state that the target is in."""

    @abstractmethod
    def plan(self, task: Task, parameters: P, before: State) -> State:
        """The state that it is to be in, absolutely.

        Args:
            task: the try.
            parameters: of the playbook.
            before: what the operator has made it, whatever other incidents make of it now.

        Raises:
            SkipError: it may stay as it is.
        """

    @abstractmethod
    def strictest(self, states: Sequence[State]) -> State:
        """The one of these states that does for all who want one of them; what was found is among them."""

    def cost(self, task: Task, from_: State, to: State) -> str | None:  # noqa: ARG002
        """What the change will mean for the platform's users, in words for people; None when nobody knows."""
        return None

    @abstractmethod
    def change(self, task: Task, parameters: P, from_: State, to: State) -> bool:
        """Change the target, if it is in the one state, to the other; nothing when it is there already.

        Returns:
            False when it is in a third state, because somebody else has changed it at this moment.

        Raises:
            RefusedError, RetryError: see there.
        """


AnyAction = Action[Any] | RevertingAction[Any]
