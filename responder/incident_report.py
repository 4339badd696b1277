"""An incident as Markdown, for the record and for a post-mortem: what fired, the figures, what was done, by whom."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html import unescape
from typing import Any

from responder.actions import actions
from responder.figures import shown
from responder.labels import platform_of, subject
from responder.ledger.telling import FOLLOW_UP, Outcome
from responder.wording import words

Incident = Mapping[str, Any]
"""As the responder's `/incidents` gives it."""

# Within a word an underscore means nothing.
# Addresses that are not written as links are taken for some all the same.
_MARKDOWN = re.compile(r"([\\`*\[\]<>|#&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[\w./:#?=&%~+-]+")


@dataclass(frozen=True)
class Figure:
    """What a figure of the playbook was.

    Attributes:
        name: in the playbook.
        at_begin: when the alert began; None for unknown.
        at_end: when the incident was over, or now; likewise.
    """

    name: str
    at_begin: float | None
    at_end: float | None


@dataclass(frozen=True)
class Event:
    """A line of the timeline: who did what."""

    at: datetime
    who: str
    what: str


def report(incident: Incident, figures: Iterable[Figure], chart: str | None) -> Iterator[str]:
    """The lines of the report.

    Args:
        incident: with its actions and decisions.
        figures: of its playbook, which may be none.
        chart: address of a picture of them.
    """
    yield f"# {plain(subject(incident['alertname'], incident['labels']))}"
    yield ""
    yield from _table(("", ""), _facts(incident), links=("runbook",))
    figures = list(figures)
    if figures:
        over = "when it was over" if incident["closed_at"] else "now"
        yield "## Figures"
        yield ""
        yield from _table(
            ("figure", "when it began", over), [(one.name, shown(one.at_begin), shown(one.at_end)) for one in figures]
        )
    if chart is not None:
        yield f"![The figures of the playbook before, during and after the incident]({chart})"
        yield ""
    yield "## Timeline (UTC)"
    yield ""
    events = sorted(timeline(incident), key=lambda event: event.at)
    yield from _table(("time", "who", "what"), [(_clock(event.at), event.who, event.what) for event in events])
    yield "## For the post-mortem"
    yield ""
    yield from _summary(incident)


def timeline(incident: Incident) -> Iterator[Event]:
    """Everything that the ledger knows of, in no order."""
    yield Event(_time(incident["starts_at"]), "Prometheus", "the alert began")
    yield Event(_time(incident["opened_at"]), "responder", f"opened the incident, asked by {incident['requested_by']}")
    for action in incident["actions"]:
        yield from _of_action(action)
    for decision in incident["decisions"]:
        yield Event(_time(decision["at"]), f"{decision['by']} ({decision['via']})", decision["decision"])
    if incident["ended_at"]:
        yield Event(_time(incident["ended_at"]), "Alertmanager", "the alert is over")
    if incident["closed_at"]:
        yield Event(_time(incident["closed_at"]), "responder", "made sure with Prometheus that it is over")


def _of_action(action: Mapping[str, Any]) -> Iterator[Event]:
    outcome = _outcome(action)
    # Put back, or not: that is an event of its own.
    if action["reverted_at"]:
        yield Event(_time(action["reverted_at"]), "responder", f"{outcome.action}: {words(outcome, over=True)}")
        outcome = replace(outcome, state="done", reason=None)
    if action["finished_at"]:
        told = (outcome.after or {}).get("told")
        what = f"told the chat: {unescape(told)}" if told else f"{outcome.action}: {words(outcome, over=False)}"
        yield Event(_time(action["finished_at"]), "responder", what)


def _outcome(action: Mapping[str, Any]) -> Outcome:
    return Outcome(
        0,
        action["phase"],
        action["action"],
        action["state"],
        reason=action["reason"],
        before=action["before"],
        after=action["after"],
        next_at=None if action["next_at"] is None else _time(action["next_at"]),
    )


def _facts(incident: Incident) -> Iterator[tuple[str, str]]:
    labels, annotations = incident["labels"], incident["annotations"]
    yield "incident", f"{incident['correlation_id']}, {incident['state']}"
    yield "platform", platform_of(labels)
    for name in ("severity", "section"):
        if name in labels:
            yield name, labels[name]
    for name in ("summary", "description"):
        if annotations.get(name):
            yield name, annotations[name]
    yield "began", f"{_time(incident['starts_at']):%Y-%m-%d %H:%M:%S} UTC"
    over = incident["closed_at"]
    yield "over", f"{_time(over):%Y-%m-%d %H:%M:%S} UTC" if over else "not yet"
    yield "playbook", incident["playbook"]
    if annotations.get("runbook_url"):
        yield "runbook", annotations["runbook_url"]


def _summary(incident: Incident) -> Iterator[str]:
    began, opened = _time(incident["starts_at"]), _time(incident["opened_at"])
    # What only records or tells has answered nothing.
    answers = [one for one in incident["actions"] if one["phase"] != FOLLOW_UP and not _only_records(one["action"])]
    outcomes = [_outcome(action) for action in answers]
    finished = [
        _time(action["finished_at"])
        for action in answers
        if action["phase"] == "firing" and (action["state"] == "done" or action["reverted_at"])
    ]
    yield f"- **Detected:** the responder knew of it {_span(began, opened)} after the alert began."
    if finished:
        yield f"- **Answered:** the first action was done {_span(opened, min(finished))} later, the last one" + (
            f" {_span(opened, max(finished))} later."
        )
    else:
        yield "- **Answered:** no action was done."
    if incident["closed_at"]:
        yield f"- **Lasted:** {_span(began, _time(incident['closed_at']))}, until its end was verified."
    for outcome in outcomes:
        if outcome.state in ("failed", "skipped") and outcome.before is None:
            yield f"- **Not done:** {plain(f'{outcome.action}: {outcome.reason}')}"
    for outcome in outcomes:
        changed = outcome.before is not None
        if changed and (outcome.state == "failed" or (outcome.state == "done" and outcome.next_at is not None)):
            yield f"- **Still changed:** {plain(f'{outcome.action}: {words(outcome, over=True)}')}"
    for heading in ("Impact", "Cause", "What to change"):
        yield f"- **{heading}:** …"


def _only_records(name: str) -> bool:
    action = actions().get(name)
    return action is not None and (action.records or action.tells)


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]], links: Collection[str] = ()) -> Iterator[str]:
    yield _row(heading)
    yield _row(":--" for _ in heading)
    for row in rows:
        linked = row[0] in links
        yield _row(cell if linked and _ADDRESS.fullmatch(cell) else plain(cell) for cell in row)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """A text, which an attacker may have written, as Markdown of one line that shows it and means nothing else."""
    one_line = " ".join(text.split())
    return _MARKDOWN.sub(r"\\\1", "".join(one if one.isprintable() else ascii(one)[1:-1] for one in one_line))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _clock(at: datetime) -> str:
    return f"{at:%m-%d %H:%M:%S}"


def _span(begin: datetime, end: datetime) -> str:
    """Such as `4 min 5 s`."""
    seconds = max(0.0, (end - begin).total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"
