"""Metric families as text, in Prometheus's own format and in OpenMetrics.

prometheus_client renders any registry, at about 6 µs a sample. Sections are collected anew up to once a second,
and their label sets hardly change, so here the part of a line before its value is prepared once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Number = int | float

LONGEST_LABEL = 200
"""Characters of a label's value: one that is too long for Prometheus costs the whole scrape."""
LONGEST_UNCUT = LONGEST_LABEL - 1
"""Characters of what is shown as it is. One more could be what something longer is cut to."""


@dataclass(frozen=True, eq=False)
class Metric:
    """What is known of a metric before any value is.

    Attributes:
        name: as in queries; a counter's ends in `_total`.
        kind: its Prometheus type.
        help: one line of meaning, with the unit; without quotes and backslashes.
        labels: label names, in the order in which values are given.
        beside_gauge: of a counter: a gauge, of the same thing over a window, has its name without `_total`.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    beside_gauge: bool = False

    def header(self, *, openmetrics: bool) -> str:
        """The HELP and TYPE lines."""
        name, kind = self.name, str(self.kind)
        if openmetrics and kind == "counter":
            # A counter's family has no `_total` there. Where a gauge has that name already, the counter keeps its own,
            # of type unknown: two families may not share one.
            name, kind = (name, "unknown") if self.beside_gauge else (name.removesuffix("_total"), kind)
        return f"# HELP {name} {self.help}\n# TYPE {name} {kind}\n"


@dataclass
class Family:
    """A metric with its samples of one collection."""

    metric: Metric
    lines: list[str] = field(default_factory=list)
    not_finite: int = 0

    def add(self, value: Number, *labels: str) -> Family:
        """Add a sample; `labels` are the values of the metric's labels. One that is not finite is left out, counted."""
        if not math.isfinite(value):
            self.not_finite += 1
            return self
        self.lines.append(f"{_series(self.metric, '', labels)} {format_value(value)}\n")
        return self

    def add_histogram(self, bounds: Sequence[float], counts: Sequence[int], total: float, *labels: str) -> Family:
        """Add the samples of a histogram.

        Args:
            bounds: upper bounds in ascending order, without +Inf.
            counts: observations up to each bound and above the one before it, and last those above all.
            total: the sum of the observed values.
            labels: the values of the metric's labels.
        """
        cumulative = 0
        for bound, count in zip([*bounds, math.inf], counts, strict=True):
            cumulative += count
            series = _series(self.metric, "_bucket", (*labels, format_value(float(bound))))
            self.lines.append(f"{series} {cumulative}\n")
        self.lines.append(f"{_series(self.metric, '_sum', labels)} {format_value(total)}\n")
        self.lines.append(f"{_series(self.metric, '_count', labels)} {cumulative}\n")
        return self


Rendered = Sequence[tuple[Metric, str]]
"""Sample lines by metric, without headers; one metric may come in several pieces."""


def render(families: Iterable[Family]) -> Rendered:
    """The sample lines of each family that has any."""
    return [(family.metric, "".join(family.lines)) for family in families if family.lines]


def assemble(pieces: Iterable[Rendered], *, openmetrics: bool) -> bytes:
    """A whole answer: the pieces of each metric together, under one header."""
    lines: dict[Metric, str] = {}
    for piece in pieces:
        for metric, text in piece:
            lines[metric] = lines.get(metric, "") + text
    parts = [metric.header(openmetrics=openmetrics) + text for metric, text in lines.items()]
    if openmetrics:
        parts.append("# EOF\n")
    return "".join(parts).encode()


def format_value(value: Number) -> str:
    """A number as both formats write it."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return repr(value)


@lru_cache(maxsize=2048)
def _series(metric: Metric, suffix: str, values: tuple[str, ...]) -> str:
    names = (*metric.labels, "le") if suffix == "_bucket" else metric.labels
    if not names and not values:
        return metric.name + suffix
    labels = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return f"{metric.name}{suffix}{{{labels}}}"


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_UNCUT:
        return text
    # Two that begin alike stay two, whoever chose them: nobody can make two of the same hash.
    mark = f"…{hashlib.blake2b(text.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
    return text[: LONGEST_LABEL - len(mark)] + mark


def _escape(text: str) -> str:
    text = _shortened(text)
    # A lone surrogate cannot be encoded; a newline must not break a line.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
