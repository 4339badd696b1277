"""What Prometheus knows of an incident's figures: when it began, when it was over, and the curves around that."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.deadline import Deadline
from responder.incident_report import Figure
from responder.placeholders import PlaceholderError, fill, promql, values_of
from responder.playbooks import Playbook
from responder.prometheus import Prometheus, PrometheusError

AROUND_SECONDS = 1800
"""Of the curves, before the incident and after it."""
POINTS = 300


@dataclass
class Known:
    """What Prometheus has told.

    Attributes:
        figures: of the playbook; what was not told is None.
        curves: of those that have one, by name.
        marks: instants to be marked in the curves.
        step: seconds between two points of a curve.
        missing: why something was not told, if that is so.
    """

    figures: list[Figure]
    marks: dict[str, float]
    step: float
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    missing: str | None = None


def ask(
    incident: Mapping[str, Any], playbook: Playbook | None, prometheus: Prometheus, *, curves: bool, seconds: float
) -> Known:
    """Ask for all figures of an incident, until one is not answered or the time is up.

    Args:
        incident: as the responder's `/incidents` gives it.
        playbook: its own, if it is known.
        prometheus: who is asked.
        curves: whether they are wanted, too.
        seconds: after which no further question is asked.
    """
    expressions = _expressions(incident, playbook)
    begin = _instant(incident["starts_at"])
    over = _instant(incident["closed_at"]) if incident["closed_at"] else None
    end = time.time() if over is None else over
    first, last = begin - AROUND_SECONDS, min(end + AROUND_SECONDS, time.time())
    known = Known(
        [Figure(name, None, None) for name in expressions],
        {"began": begin} | ({} if over is None else {"over": over}),
        max(1.0, (last - first) / POINTS),
    )
    deadline = Deadline(seconds)
    try:
        for index, (name, asked) in enumerate(expressions.items()):
            _check(deadline)
            known.figures[index] = Figure(name, prometheus.number(asked, begin), prometheus.number(asked, end))
        for name, asked in expressions.items() if curves else ():
            _check(deadline)
            if curve := prometheus.curve(asked, first, last, known.step):
                known.curves[name] = curve
    except PrometheusError as error:
        known.missing = str(error)
    return known


def _expressions(incident: Mapping[str, Any], playbook: Playbook | None) -> dict[str, str]:
    """PromQL by name of the figure, for this incident; without those that its alert has no labels for."""
    names = ("labels", "annotations", "playbook", "correlation_id")
    values = values_of(*(incident[name] for name in names))
    found = {}
    for name, text in (playbook.figures if playbook else {}).items():
        try:
            found[name] = fill(text, values, promql)
        except PlaceholderError:
            continue
    return found


def _check(deadline: Deadline) -> None:
    if deadline.remaining() <= 0:
        raise PrometheusError("Prometheus: its answers take too long")


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
