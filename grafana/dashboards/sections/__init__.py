"""The six sections, in the order in which the dashboard shows them."""

from grafana.dashboards.sections import fraud, health, kpis, model, security, traffic

SECTIONS = {
    "kpis": kpis.SECTION,
    "fraud": fraud.SECTION,
    "traffic": traffic.SECTION,
    "model": model.SECTION,
    "health": health.SECTION,
    "security": security.SECTION,
}
"""By the name that a section has in every layer."""
