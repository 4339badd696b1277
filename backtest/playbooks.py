"""What the responder would have done: its own playbooks and questions, asked of the past. Nothing is acted upon."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from backtest import promtool
from backtest.engine import Firing, Key, Source, Span
from backtest.rules import RuleSet
from responder.actions import actions
from responder.actions.base import RevertingAction
from responder.ledger.checks import Check
from responder.placeholders import PlaceholderError, fill, promql, values_of
from responder.playbooks import BRAKE_SECONDS, Playbook, Playbooks, Step
from responder.prometheus import Sample
from responder.verify import why_not_over

#: How long after an alert's end it is asked whether the incident is over. ResponderEndUnverified pages before.
VERIFIED_WITHIN = 7200
#: What was skipped for now is looked at again so often: repeat_interval of the route to the responder.
REPEATED_EVERY = 600
#: Gives the raw series of these names; words that are no metrics give nothing.
SourceOf = Callable[[frozenset[str]], Source]


@dataclass(frozen=True)
class Done:
    """One action of an incident.

    Attributes:
        action: its name.
        phase: firing or end.
        at: unix seconds; None when it is skipped.
        put_back: when what it changed is put back; None for what changes nothing, or is not put back in time.
        note: why it is skipped, or not put back.
    """

    action: str
    phase: str
    at: int | None
    put_back: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Incident:
    """What the responder would have called an incident.

    Attributes:
        playbook: its name.
        labels: of the alert.
        opened: unix seconds.
        closed: when its end would have been verified; None if not within the time, or not within `VERIFIED_WITHIN`.
        braked: whether max_per_hour left it to people.
        actions: in their order.
    """

    playbook: str
    labels: promtool.Labels
    opened: int
    closed: int | None
    braked: bool
    actions: list[Done] = field(default_factory=list)


def incidents(
    firings: Sequence[Firing], playbooks: Playbooks, rules: RuleSet, source_of: SourceOf, span: Span
) -> list[Incident]:
    """All incidents of alerts whose playbook there is.

    Args:
        firings: of the whole time.
        playbooks: of the responder.
        rules: under which they fired.
        source_of: gives the raw series of these names.
        span: the time.

    Raises:
        PromtoolError, ExpressionError: see there; and whatever the source raises.
    """
    mine = [one for one in firings if one.labels.get("playbook") in playbooks]
    answers = _Answers(rules, source_of, span)
    for one in mine:
        answers.add(one, playbooks[one.labels["playbook"]])
    answers.ask()
    return list(_with_actions(_opened(mine, playbooks, answers, span), playbooks, answers, span))


class _Answers:
    """What the engine says to each question at each instant at which the responder would have asked it."""

    def __init__(self, rules: RuleSet, source_of: SourceOf, span: Span) -> None:
        self._rules, self._source_of, self._span = rules, source_of, span
        self._questions: dict[str, set[int]] = {}
        self._alerts: set[str] = set()
        self._found: dict[tuple[str, int], list[Sample]] = {}

    def add(self, firing: Firing, playbook: Playbook) -> None:
        """Note what will be asked because of one alert."""
        self._alerts.add(firing.name)
        last = self._span.end if firing.end is None else firing.end
        for step in playbook.on_firing:
            if (expression := _guard(step, firing.labels)) is not None:
                self._questions.setdefault(expression, set()).update(_repeated(firing.start, last, self._span.step))
        if firing.end is None:
            return
        asked: list[str] = []

        def note(expression: str) -> list[Sample]:
            asked.append(expression)
            return [] if expression.startswith("ALERTS") else [Sample({}, 1.0)]

        why_not_over(note, check(firing.labels, playbook), playbook.ends_when)
        until = min(firing.end + VERIFIED_WITHIN, self._span.end)
        for expression in asked:
            self._questions.setdefault(expression, set()).update(range(firing.end, until + 1, self._span.step))

    def ask(self) -> None:
        """Ask everything, in one run for each stretch of time."""
        if not self._questions:
            return
        rules = self._rules.only(self._alerts, self._questions)
        source = self._source_of(rules.read | rules.raw(self._questions))
        instants = sorted(set[int]().union(*self._questions.values()))
        for first, last in _stretches(instants, max(self._span.warm_up, 3600)):
            begin = first - self._span.warm_up // self._span.step * self._span.step
            questions = [
                (expression, instant - begin)
                for expression, at in self._questions.items()
                for instant in sorted(at)
                if first <= instant <= last
            ]
            with tempfile.TemporaryDirectory(prefix="ticketing-backtest-") as directory:
                samples = promtool.run(
                    rules,
                    source(begin, last),
                    questions,
                    start=begin,
                    step=self._span.step,
                    directory=Path(directory),
                    timeout=max(600.0, 2.0 * (last - begin) / self._span.step),
                )
            for one in samples:
                at = (one.expression, begin + one.time)
                self._found.setdefault(at, []).append(Sample(dict(one.labels), one.value))

    def at(self, expression: str, instant: int) -> list[Sample]:
        """The vector that an expression gave."""
        return self._found.get((expression, instant), [])


def check(labels: Mapping[str, str], playbook: Playbook) -> Check:
    """What the responder asks about, of an alert with these labels."""
    name = labels.get("alertname", "")
    return Check(uuid.UUID(int=0), playbook.name, name, dict(labels), {}, datetime.fromtimestamp(0, UTC), None)


def _guard(step: Step, labels: promtool.Labels) -> str | None:
    """The step's only_while for an alert; None without one."""
    expression = step.parameters.get("only_while")
    if not isinstance(expression, str):
        return None
    try:
        return fill(expression, values_of(labels, {}, labels.get("playbook", ""), ""), promql)
    except PlaceholderError:
        return None


def _repeated(first: int, last: int, step: int) -> range:
    return range(first, last + 1, -(-REPEATED_EVERY // step) * step)


def _stretches(instants: Iterable[int], gap: int) -> Iterator[tuple[int, int]]:
    """First and last of the instants that are not further from one another than a gap."""
    first = last = None
    for instant in instants:
        if first is None or last is None or instant - last > gap or instant - first > 86400:
            if first is not None and last is not None:
                yield first, last
            first = instant
        last = instant
    if first is not None and last is not None:
        yield first, last


def _opened(
    mine: Sequence[Firing], playbooks: Playbooks, answers: _Answers, span: Span
) -> list[tuple[Incident, list[Firing]]]:
    """Incidents in the order in which they open, each with the times of its alert; without actions yet."""
    found: list[tuple[Incident, list[Firing]]] = []
    newest: dict[Key, int] = {}
    for one in mine:
        playbook = playbooks[one.labels["playbook"]]
        position = newest.get(one.key)
        if position is not None:
            incident, times = found[position]
            if incident.closed is None or incident.closed > one.start:
                # Its alert is back before the end is verified.
                times.append(one)
                found[position] = (replace(incident, closed=_closed(one, playbook, answers, span)), times)
                continue
        recent = sum(
            1
            for other, _ in found
            if other.playbook == playbook.name and not other.braked and one.start - other.opened < BRAKE_SECONDS
        )
        braked = recent >= playbook.max_per_hour
        newest[one.key] = len(found)
        closed = _closed(one, playbook, answers, span)
        found.append((Incident(playbook.name, one.labels, one.start, closed, braked), [one]))
    return found


def _closed(one: Firing, playbook: Playbook, answers: _Answers, span: Span) -> int | None:
    """When it has been over for long enough, without interruption."""
    if one.end is None:
        return None
    asked, clear = check(one.labels, playbook), None
    for instant in range(one.end, min(one.end + VERIFIED_WITHIN, span.end) + 1, span.step):
        now = instant
        if why_not_over(lambda expression: answers.at(expression, now), asked, playbook.ends_when) is not None:  # noqa: B023
            clear = None
            continue
        clear = instant if clear is None else clear
        if instant - clear >= playbook.ends_when.for_:
            return instant
    return None


def _with_actions(
    found: Sequence[tuple[Incident, list[Firing]]], playbooks: Playbooks, answers: _Answers, span: Span
) -> Iterator[Incident]:
    acted: list[tuple[Incident, list[Done]]] = []
    for incident, times in found:
        playbook = playbooks[incident.playbook]
        done = [_fired(step, incident, times, answers, span) for step in playbook.on_firing]
        if incident.closed is not None and not incident.braked:
            done += [Done(step.action, "end", None if step.dry_run else incident.closed) for step in playbook.on_end]
        acted.append((incident, done))
    every = [one for _, done in acted for one in done]
    for incident, done in acted:
        yield replace(incident, actions=[_last_puts_back(one, every) for one in done])


def _fired(step: Step, incident: Incident, times: Sequence[Firing], answers: _Answers, span: Span) -> Done:
    if incident.braked:
        return Done(step.action, "firing", None, note="braked: max_per_hour is reached")
    at: int | None = incident.opened
    guard = _guard(step, incident.labels)
    if guard is not None:
        instants = [
            instant
            for one in times
            for instant in _repeated(one.start, span.end if one.end is None else one.end, span.step)
        ]
        at = next((instant for instant in instants if answers.at(guard, instant)), None)
        if at is None:
            return Done(step.action, "firing", None, note="only_while is false or unknown")
    if step.dry_run:
        return Done(step.action, "firing", None, note="dry run")
    if at is None or not isinstance(actions()[step.action], RevertingAction):
        return Done(step.action, "firing", at)
    ends = [at + round(step.expires)] if step.expires else []
    ends += [incident.closed + round(step.cool_down)] if incident.closed is not None else []
    back = min(ends, default=None)
    if back is None or back > span.end:
        return Done(step.action, "firing", at, note="not put back in this time")
    return Done(step.action, "firing", at, back)


def _last_puts_back(one: Done, every: Sequence[Done]) -> Done:
    """Of several incidents that want the same changed, the last one puts it back."""
    if one.at is None or one.put_back is None:
        return one
    later = any(
        other is not one
        and other.action == one.action
        and other.at is not None
        and other.at <= one.put_back
        and (other.put_back is None or other.put_back > one.put_back)
        for other in every
    )
    return replace(one, put_back=None, note="another incident still needs it") if later else one
