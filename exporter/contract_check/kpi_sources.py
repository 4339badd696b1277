"""KPIs that do not come from the contract's keys: the rows of the view, and what is not looked at here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from contract.definition import KPI_UPDATED_AT
from exporter.collectors.kpis import VIEW
from exporter.contract_check.database import Database
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.kpis import check_values
from exporter.contract_check.schema import Columns
from exporter.kpi_sources import KPIS, FromPostgresql, FromPrometheus, FromView, Kpis

_ELSEWHERE = {
    FromPostgresql: "PostgreSQL's own count",
    FromPrometheus: "recorded by Prometheus: not looked at here",
}


def has_view(kpis: Kpis) -> bool:
    """Whether any of them comes from the view."""
    return any(isinstance(kpi.source(kpis), FromView) for kpi in KPIS)


def check_kpi_sources(database: Database, kpis: Kpis, usable: Columns) -> Iterator[Finding]:
    """The rows of the view, and a line for each KPI that is not looked at.

    Args:
        database: that has the view.
        kpis: as configured.
        usable: views that can be read.
    """
    for kpi in KPIS:
        if detail := _ELSEWHERE.get(type(kpi.source(kpis))):
            yield Finding(OK, f"kpis {kpi.name}", detail)
    if {"name", "value", "as_of"} <= usable.get("kpis", set()):
        yield from database.guarded("kpis", lambda: _rows(database, kpis, usable))


def _rows(database: Database, kpis: Kpis, usable: Columns) -> Iterator[Finding]:
    rows = database.rows(VIEW)
    values: dict[str, float] = {}
    subjects = {KPI_UPDATED_AT: "kpis.as_of"}
    for kpi in KPIS:
        if not isinstance(kpi.source(kpis), FromView):
            continue
        subjects[kpi.key] = subject = f"kpis {kpi.name}"
        found = [(value, as_of) for name, value, as_of in rows if name == kpi.name]
        if len(found) > 1:
            yield Finding(WRONG, subject, f"{len(found)} rows have this name", "one row for each name, the newest")
        elif not found or found[0][0] is None:
            detail = "is NULL" if found else "no row has this name"
            yield Finding(WARNING, subject, detail, "its alerts are blind until there is one")
        else:
            ((value, as_of),) = found
            values[kpi.key] = value * kpi.contract_divisor / kpi.divisor(kpis)
            yield Finding(OK, subject, f"{value:g}")
            if as_of is not None:
                values[KPI_UPDATED_AT] = min(as_of, values.get(KPI_UPDATED_AT, as_of))
    for finding in check_values(database, usable, values, time.time()):
        yield renamed(finding, subjects)


def renamed(finding: Finding, subjects: dict[str, str]) -> Finding:
    """A finding about a key of the contract, under the name that this platform has for it."""
    for key, name in subjects.items():
        if finding.subject == key or finding.subject.startswith(f"{key} "):
            return replace(finding, subject=name + finding.subject.removeprefix(key))
    return finding
