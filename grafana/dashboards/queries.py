"""Queries of panels and annotations, to the data sources that the viewer has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

# Each names its variable of `variables.SOURCES`, so that the dashboards work in any Grafana.
PROMETHEUS = {"type": "prometheus", "uid": "${prometheus}"}
POSTGRESQL = {"type": "grafana-postgresql-datasource", "uid": "${postgresql}"}


@dataclass(frozen=True)
class Promql:
    """A query to Prometheus.

    Attributes:
        expr: the expression; line breaks in it are of no meaning.
        legend: name of its series, with `{{label}}`.
        over_time: over the time range, instead of at its end.
        shape: time_series; table, with a column a label; or heatmap.
    """

    expr: str
    legend: str = ""
    over_time: bool = False
    shape: str = "time_series"

    datasource = PROMETHEUS

    def json(self, ref: str) -> Json:
        """The target, as a panel has it under the name `ref`."""
        return {
            "refId": ref,
            "datasource": self.datasource,
            "expr": " ".join(self.expr.split()),
            "legendFormat": self.legend or "__auto",
            "format": self.shape,
            "instant": not self.over_time,
            "range": self.over_time,
            "exemplar": False,
            "editorMode": "code",
            "hide": False,
        }


@dataclass(frozen=True)
class Sql:
    """A query to PostgreSQL, as role monitoring_reader.

    Attributes:
        text: one SELECT on views of schema monitoring, with Grafana's macros.
        time_series: one series a numeric column; by default a table.
    """

    text: str
    time_series: bool = False

    datasource = POSTGRESQL

    def json(self, ref: str) -> Json:
        """The target, as a panel has it under the name `ref`."""
        return {
            "refId": ref,
            "datasource": self.datasource,
            "rawSql": self.text.strip(),
            "rawQuery": True,
            "format": "time_series" if self.time_series else "table",
            "editorMode": "code",
            "hide": False,
        }


Query = Promql | Sql
