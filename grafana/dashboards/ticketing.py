"""The dashboard on the wall: six sections in their order."""

from __future__ import annotations

from grafana.dashboards import links, reasons
from grafana.dashboards.dashboard_json import Annotation, Dashboard
from grafana.dashboards.header import alerts, header
from grafana.dashboards.layout import stack
from grafana.dashboards.looks import BLUE, PURPLE, RED, SEVERITIES
from grafana.dashboards.promql import BEGINS_IN_SECTION
from grafana.dashboards.queries import Promql, Sql
from grafana.dashboards.sections import SECTIONS
from grafana.dashboards.variables import ChoiceVariable

# Strictly what the alert links choose by: /d/ticketing/ticketing?var-section=fraud.
SECTION = ChoiceVariable("section", "Alerts of section", {name: name for name in SECTIONS})
SEVERITY = ChoiceVariable("severity", "Severity", {name: name.title() for name in SEVERITIES})

ALERTS = Annotation(
    "Alerts",
    Promql(BEGINS_IN_SECTION),
    RED,
    title="{{alertname}}",
    text="{{severity}} {{account}} {{feature}} {{probe}} {{collector}} {{kpi}} {{series}} {{action}} {{integration}}",
)
ACTIONS = Annotation(
    "Responder",
    Sql("""
SELECT timestamp AS time, concat_ws(' – ', replace(action, '_', ' '), nullif(subject, '')) AS text,
       alertname || ',' || state AS tags
FROM monitoring.responder_activity
WHERE $__timeFilter(timestamp)
ORDER BY timestamp DESC
LIMIT 100
"""),
    PURPLE,
)
LAUNCHES = Annotation(
    "Launches",
    Sql("""
SELECT starts_at AS time, ends_at AS timeend, 'Launch of ' || name AS text
FROM monitoring.event_launches
WHERE ends_at >= $__timeFrom()::timestamptz AND starts_at <= $__timeTo()::timestamptz
ORDER BY starts_at DESC
LIMIT 50
"""),
    BLUE,
)

_KPIS, *_OTHERS = SECTIONS.values()

DASHBOARD = Dashboard(
    links.TICKETING,
    "Ticketing monitoring",
    "KPIs, fraud, traffic, model, services and security of the ticketing platform, live.",
    stack(header(), [_KPIS, alerts(), *_OTHERS]),
    variables=[SECTION, SEVERITY],
    hidden_variables=reasons.VARIABLES,
    annotations=[ALERTS, ACTIONS, LAUNCHES],
    links={"Investigate": links.dashboard(links.INVESTIGATE), "Monitoring stack": links.dashboard(links.STACK)},
)
