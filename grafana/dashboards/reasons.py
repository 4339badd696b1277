"""Why there is no value: the platform does not have it, by its operator's word, or its history is still being read.

A title says so by a variable that nobody sees; a panel without a title says it in place of its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grafana.dashboards.looks import GREY, columns_like, words
from grafana.dashboards.promql import as_label, named, sentence, series
from grafana.dashboards.queries import PROMETHEUS, Json, Promql

HERE = "not on this platform"
READING = "reading history"

SECTIONS = ("kpis", "fraud", "traffic", "model", "health", "security")
WITH_HISTORY = ("kpis", "fraud", "model", "security")
"""Those that read history after a start; traffic and health know what is now."""
PARTS = {
    "fraud_predictions": "fraud_predictions",
    "requests": "traffic:requests",
    "clients": "clients",
    "rate_limits": "ratelimit:limits",
    "labels": "labels",
    "drift": "drift",
}
"""Of sections, what a panel is about: its variable's name, and what `ticketing_platform_has` calls it."""


def absent(part: str) -> str:
    """1 while the platform does not have it, else nothing."""
    matcher = f'part="{part}"'
    return f"max({series('ticketing:platform:absent', matcher)})"


def reading(section: str) -> str:
    """How much of a section's history the best exporter has read, below 1; nothing when that is all."""
    matcher = f'collector="{section}"'
    return f"(max({series('ticketing_exporter_history_complete_ratio', matcher)}) < 1)"


def instead(parts: Sequence[str], queries: Sequence[Promql], what: str = "") -> list[Promql]:
    """Queries of a panel that shows values and names, with the reason in place of all of them.

    Args:
        parts: without one of them there is no value.
        queries: of the values.
        what: they are, where the panel has others.
    """
    gone = f"({' or '.join(map(absent, parts))})"
    kept = [replace(query, expr=f"({query.expr}) unless on () {gone}") for query in queries]
    return [*kept, Promql(named(gone, "reason", f"{what} {HERE}".lstrip()), "{{reason}}")]


INSTEAD = columns_like(f".*{HERE}", unit="none", mappings=[words({1: ("—", GREY)})])
"""The override that goes with `instead`."""


def of(name: str) -> str:
    """What a title ends with: see `VARIABLES`."""
    return f"${{why_{name}}}"


@dataclass(frozen=True)
class ReasonVariable:
    """What a title ends with: the reason, or a space.

    Attributes:
        name: of a section, or of `PARTS`.
    """

    name: str

    def json(self) -> Json:
        """As `templating.list` has it."""
        gone = named(absent(PARTS.get(self.name, self.name)), "why", f" · {HERE}")
        whys = [gone]
        if self.name in WITH_HISTORY:
            percent = as_label(f"floor(100 * {reading(self.name)})", "percent")
            whys.append(sentence(percent, f" · {READING}, {{percent}}% is read", "why"))
        query = f"query_result({' or on () '.join([*whys, named('vector(1)', 'why', ' ')])})"
        return {
            "type": "query",
            "name": f"why_{self.name}",
            "label": "",
            "datasource": PROMETHEUS,
            "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
            "regex": '/why="([^"]*)"/',
            # How much history is read is asked with each refresh of the dashboard; what a platform has changes with its
            # configuration.
            "refresh": 2 if self.name in WITH_HISTORY else 1,
            "sort": 0,
            "hide": 2,
            "multi": False,
            "includeAll": False,
            "skipUrlSync": True,
            "current": {"text": " ", "value": " ", "selected": True},
            "options": [],
        }


VARIABLES = tuple(ReasonVariable(name) for name in (*SECTIONS, *PARTS))
"""For the titles of sections and panels."""
