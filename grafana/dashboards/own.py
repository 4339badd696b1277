"""The metrics that an operator configures: one chart for each, whatever they are."""

from __future__ import annotations

from grafana.dashboards import links
from grafana.dashboards.dashboard_json import Dashboard, Panel, thresholds
from grafana.dashboards.layout import Section, line, stack
from grafana.dashboards.looks import BY_THRESHOLD, COLOUR_TEXT, GREY, UNKNOWN_IN_ROW, YELLOW, column
from grafana.dashboards.panels import table, time_series
from grafana.dashboards.promql import OWN_COLLECTORS, in_rows, series
from grafana.dashboards.queries import Promql
from grafana.dashboards.stack import OK
from grafana.dashboards.transformations import columns
from grafana.dashboards.variables import SeriesVariable

_OWN = f'collector=~"{OWN_COLLECTORS}"'
_METRIC = SeriesVariable(
    "metric",
    "Metric",
    'label_values({__name__=~"ticketing_own_.+",platform="$platform"}, __name__)',
    # What is made of a value since the start is for rates in alerts: the windows are shown.
    "/^(?!.*_(total|bucket|sum|count)$).*/",
)


def _chart() -> Panel:
    return time_series(
        101,
        "$metric",
        "A metric of the exporter's configuration, one line for each window and name. Its help text is on /metrics.",
        # Two exporters say the same.
        [Promql('max without (instance, job) ({__name__="$metric",platform="$platform"})', over_time=True)],
        unit="short",
        custom={"fillOpacity": 0},
        repeat="metric",
    )


def _states() -> Panel:
    queries = (
        f"min by (collector) ({series('ticketing_exporter_collector_success', _OWN)})",
        f"max by (collector) ({series('ticketing_exporter_rejected_values', _OWN)})",
    )
    return table(
        201,
        "Entries",
        "Each entry of the configuration's metrics: whether it was read, and how many values it leaves out because no"
        " sum can have them. The reasons are on the exporter's landing page.",
        [Promql(query, shape="table") for query in in_rows(" or ".join(queries), "collector", *queries)],
        transformations=columns(
            {"collector": "Entry", "Value #A": "State", "Value #B": "Left out"}, join_on="collector"
        ),
        overrides=[
            column("State", mappings=[OK, UNKNOWN_IN_ROW], custom__width=90, custom__cellOptions=COLOUR_TEXT),
            column("Left out", unit="locale", custom__width=90, custom__cellOptions=COLOUR_TEXT,
                   thresholds=thresholds(GREY, (1, YELLOW)), color=BY_THRESHOLD, mappings=[UNKNOWN_IN_ROW]),
        ],
        sort=[("Entry", False)],
    )  # fmt: skip


DASHBOARD = Dashboard(
    links.OWN,
    "Ticketing monitoring: metrics of your own",
    "One chart for each metric of the exporter's configuration, without a line of dashboard code.",
    stack(
        [],
        [
            Section(100, "Metrics of your own", [line(9, (24, _chart()))]),
            Section(200, "How they are read", [line(8, (24, _states()))]),
        ],
    ),
    variables=[_METRIC],
    links={"Ticketing monitoring": links.dashboard(links.TICKETING)},
    refresh="30s",
)
