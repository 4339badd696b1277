"""The sections, one file each."""

from __future__ import annotations

from exporter.absence import SECTIONS
from exporter.collectors import fraud, freshness, health, kpis, model, security, traffic

__all__ = ["METRICS", "SECTIONS"]

METRICS = (
    *kpis.METRICS,
    *fraud.METRICS,
    *traffic.METRICS,
    *model.METRICS,
    *health.METRICS,
    *security.METRICS,
    *freshness.METRICS,
)
"""Every metric of every section."""
