"""What the viewer chooses at the top of a dashboard: grafanalib's variables can never select All."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from grafana.dashboards.queries import POSTGRESQL, PROMETHEUS, Json


@dataclass(frozen=True)
class DataSourceVariable:
    """Which of the Grafana's data sources of a type is asked. Where the default is not there, its first one is.

    Attributes:
        name: as panels have it.
        label: as shown.
        plugin: type of the data sources.
        default: uid of the provisioned one.
        default_name: its name, by which Grafana before 11 looks for it.
    """

    name: str
    label: str
    plugin: str
    default: str
    default_name: str

    def json(self) -> Json:
        """As `templating.list` has it."""
        return {
            "type": "datasource",
            "name": self.name,
            "label": self.label,
            "query": self.plugin,
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "skipUrlSync": False,
            "current": {"text": self.default_name, "value": self.default, "selected": True},
            "options": [],
        }


@dataclass(frozen=True)
class LabelVariable:
    """A value of a label of Prometheus, one at a time.

    Attributes:
        name: as queries have it.
        label: as shown.
        query: `label_values(SELECTOR, LABEL)`.
        default: chosen where it is one of the values; else the first one is.
    """

    name: str
    label: str
    query: str
    default: str

    def json(self) -> Json:
        """As `templating.list` has it."""
        return _asked(self.name, self.label, self.query) | {
            "multi": False,
            "includeAll": False,
            "current": {"text": self.default, "value": self.default, "selected": True},
        }


@dataclass(frozen=True)
class ChoiceVariable:
    """A list of which the viewer chooses several or all.

    Attributes:
        name: as queries and links have it.
        label: as shown.
        choices: value and text.
    """

    name: str
    label: str
    choices: Mapping[str, str]

    def json(self) -> Json:
        """As `templating.list` has it."""
        # Without allValue, All stands for every value, so that queries need no special case.
        every = {"text": ["All"], "value": ["$__all"], "selected": True}
        options = [{"text": text, "value": value, "selected": False} for value, text in self.choices.items()]
        query = ", ".join(f"{text} : {value}" for value, text in self.choices.items())
        return {
            "type": "custom",
            "name": self.name,
            "label": self.label,
            "query": query,
            "hide": 0,
            "multi": True,
            "includeAll": True,
            "allValue": None,
            "skipUrlSync": False,
            "current": every,
            "options": [{**every, "text": "All", "value": "$__all"}, *options],
        }


@dataclass(frozen=True)
class SeriesVariable:
    """Names of series, of which the viewer chooses several or all.

    Attributes:
        name: as queries have it.
        label: as shown.
        query: `label_values(SELECTOR, __name__)`.
        regex: which of the names, as Grafana takes it.
    """

    name: str
    label: str
    query: str
    regex: str

    def json(self) -> Json:
        """As `templating.list` has it."""
        return _asked(self.name, self.label, self.query) | {
            "regex": self.regex,
            "multi": True,
            "includeAll": True,
            "allValue": None,
            "current": {"text": ["All"], "value": ["$__all"], "selected": True},
        }


@dataclass(frozen=True)
class TextVariable:
    """What the viewer types, or a link fills in."""

    name: str
    label: str

    def json(self) -> Json:
        """As `templating.list` has it."""
        nothing = {"text": "", "value": "", "selected": True}
        return {
            "type": "textbox",
            "name": self.name,
            "label": self.label,
            "query": "",
            "hide": 0,
            "skipUrlSync": False,
            "current": nothing,
            "options": [nothing],
        }


class Variable(Protocol):
    """Any of them."""

    def json(self) -> Json:
        """As `templating.list` has it."""


PLATFORM = LabelVariable(
    "platform",
    "Platform",
    # The rules know a platform for some hours after its last exporter: then it has alerts to show, and no figures.
    'label_values({__name__=~"ticketing_exporter_build_info|ticketing:platform:known"}, platform)',
    "main",
)
"""Whose figures every dashboard shows."""

SOURCES = (
    DataSourceVariable("prometheus", "Metrics", PROMETHEUS["type"], "ticketing-prometheus", "Prometheus"),
    DataSourceVariable("postgresql", "Rows", POSTGRESQL["type"], "ticketing-postgresql", "Ticketing platform"),
)
"""Which data sources the queries of every dashboard go to."""


def _asked(name: str, label: str, query: str) -> Json:
    """What variables have in common whose values Prometheus is asked for."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": "",
        # When the dashboard is loaded: what is refreshed with the time range asks again every five seconds.
        "refresh": 1,
        "sort": 1,
        "hide": 0,
        "skipUrlSync": False,
        "options": [],
    }
