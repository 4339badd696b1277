"""The sections, one file each."""

from __future__ import annotations

from exporter.collectors import fraud, health, kpis, model, security, traffic

SECTIONS = ("kpis", "fraud", "traffic", "model", "health", "security")
"""The names of the sections, in the order of the dashboard."""

METRICS = (
    *kpis.METRICS,
    *fraud.METRICS,
    *traffic.METRICS,
    *model.METRICS,
    *health.METRICS,
    *security.METRICS,
)
"""Every metric of every section."""
