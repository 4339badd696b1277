"""What came of it, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from backtest.engine import Firing, Key, Span
from backtest.playbooks import Incident

#: Labels that say how an alert is told, not what it is about: two rule sets may differ in them and mean the same.
_HOW = frozenset({"severity", "team", "section", "playbook"})
_SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True)
class Outcome:
    """What one rule set would have done.

    Attributes:
        rules: its directory.
        firings: of all alerts.
        incidents: of the responder.
    """

    rules: str
    firings: list[Firing]
    incidents: list[Incident]


@dataclass(frozen=True)
class Difference:
    """An alert that differs in the second rule set.

    Attributes:
        kind: added, removed, or moved: it begins or ends at another evaluation.
        before: under the first rule set.
        after: under the second one.
    """

    kind: str
    before: Firing | None
    after: Firing | None

    @property
    def start(self) -> int:
        """The earlier begin."""
        return min(one.start for one in (self.before, self.after) if one is not None)


def differences(first: Sequence[Firing], second: Sequence[Firing]) -> list[Difference]:
    """Alert by alert, in the order of time: those that overlap are one and the same."""
    left: dict[Key, list[Firing]] = {}
    for one in second:
        left.setdefault(_about(one), []).append(one)
    found = []
    for one in first:
        same = next((other for other in left.get(_about(one), ()) if _overlap(one, other)), None)
        if same is None:
            found.append(Difference("removed", one, None))
            continue
        left[_about(one)].remove(same)
        if (one.start, one.end) != (same.start, same.end):
            found.append(Difference("moved", one, same))
    found += [Difference("added", None, one) for rest in left.values() for one in rest]
    return sorted(found, key=lambda one: one.start)


def _about(one: Firing) -> Key:
    return tuple((name, text) for name, text in one.key if name not in _HOW)


def _overlap(one: Firing, other: Firing) -> bool:
    endless = float("inf")
    return one.start <= (other.end or endless) and other.start <= (one.end or endless)


def as_json(outcomes: Sequence[Outcome], span: Span, notes: Sequence[str]) -> str:
    """Everything, times as unix seconds."""
    content: dict[str, Any] = {"from": span.start, "to": span.end, "step": span.step, "notes": list(notes)}
    content["rule_sets"] = [
        {
            "rules": outcome.rules,
            "alerts": [asdict(one) for one in outcome.firings],
            "incidents": [asdict(one) for one in outcome.incidents],
        }
        for outcome in outcomes
    ]
    if len(outcomes) == 2:
        content["differences"] = [asdict(one) for one in differences(outcomes[0].firings, outcomes[1].firings)]
    return json.dumps(content, indent=2) + "\n"


def as_text(outcomes: Sequence[Outcome], span: Span, notes: Sequence[str]) -> str:
    """Everything that is of use on a terminal."""
    head = f"{_time(span.start)} to {_time(span.end)}, evaluated every {span.step} s"
    lines = [head, *(f"note: {note}" for note in notes)]
    for outcome in outcomes:
        lines += ["", f"Rules {outcome.rules}", *_alerts(outcome.firings), *_incidents(outcome.incidents)]
    if len(outcomes) == 2:
        lines += ["", f"What {outcomes[1].rules} does differently", *_differences(outcomes)]
    return "\n".join(lines) + "\n"


def _alerts(firings: Sequence[Firing]) -> Iterator[str]:
    loud = [one for one in firings if one.labels.get("severity") != "none"]
    if not loud:
        yield "  no alert would have fired"
    counts = {severity: sum(one.labels.get("severity") == severity for one in loud) for severity in _SEVERITIES}
    if loud:
        yield "  " + ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    for one in loud:
        yield f"  {_line(one)}"


def _incidents(incidents: Sequence[Incident]) -> Iterator[str]:
    if incidents:
        yield "  Playbooks"
    for one in incidents:
        over = "not verified to be over" if one.closed is None else f"over {_time(one.closed)}"
        yield f"    {_time(one.opened)}  {one.playbook}{_own(one.labels)}: {over}"
        for done in one.actions:
            what = f"      {done.action}: "
            if done.at is None:
                yield what + f"skipped, {done.note or 'dry run'}"
            elif done.put_back is not None:
                yield what + f"done {_time(done.at)}, put back {_time(done.put_back)}"
            else:
                yield what + f"done {_time(done.at)}" + (f", {done.note}" if done.note else "")


def _differences(outcomes: Sequence[Outcome]) -> Iterator[str]:
    found = differences(outcomes[0].firings, outcomes[1].firings)
    if not found:
        yield "  nothing"
    for one in found:
        if one.kind == "moved" and one.before is not None and one.after is not None:
            yield f"  ~ {_line(one.before)}, now {_times(one.after)}"
        elif one.before is not None:
            yield f"  - {_line(one.before)}"
        elif one.after is not None:
            yield f"  + {_line(one.after)}"


def _line(one: Firing) -> str:
    severity = one.labels.get("severity", "")
    return f"{_times(one)}  {severity:<8}  {one.name}{_own(one.labels)}"


def _times(one: Firing) -> str:
    start = f"{'before ' if one.since_before else ''}{_time(one.start)}"
    if one.end is None:
        return f"{start} …"
    minutes, seconds = divmod(one.end - one.start, 60)
    return f"{start} for {minutes} min{f' {seconds} s' if seconds else ''}"


def _own(labels: Any) -> str:
    """What tells an alert from others of its name."""
    left = {**labels}
    for name in (*_HOW, "alertname", "source_job"):
        left.pop(name, None)
    return f" {{{', '.join(f'{name}={text}' for name, text in sorted(left.items()))}}}" if left else ""


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
