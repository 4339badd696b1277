"""The landing page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from common.version import VERSION
from exporter.absence import NOT_HERE, SECTIONS, Absence
from exporter.scrape import Status
from exporter.sources.report import SourceState

TELEMETRY_PATH = "/metrics"
"""Where the metrics are, unless somebody says otherwise."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ticketing exporter</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem; border-bottom: 1px solid #8884; vertical-align: top; }}
.ok {{ color: #1a7f37; }} .failed {{ color: #d1242f; }} .unknown {{ color: #888; }}
a {{ margin-right: 1.2rem; }}
</style>
</head>
<body>
<h1>Ticketing exporter</h1>
<p>Version {version}</p>
<p><a href="{metrics}">Metrics</a><a href="-/healthy">Healthy</a><a href="-/ready">Ready</a>
<a href="api/monitoring/kpis">KPIs</a><a href="api/monitoring/fraud_feed">Fraud feed</a></p>
<table>
<thead><tr><th>Section</th><th>State</th><th>Took</th><th>Last success</th><th>Problems</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{sources}
</body>
</html>
"""
_ROW = (
    '<tr><td><a href="{metrics}?collect[]={section}">{name}</a></td><td class="{style}">{state}</td>'
    "<td>{took}</td><td>{last_success}</td><td>{problems}</td></tr>"
)
_SOURCES = """<table>
<thead><tr><th>Source</th><th>State</th><th>Late</th><th>Clock of the exporter</th><th>Problems</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""
_SOURCE_ROW = (
    '<tr><td>{source}</td><td class="{style}">{state}</td><td>{lag}</td><td>{skew}</td><td>{problems}</td></tr>'
)


def page(
    statuses: dict[str, Status],
    sources: dict[str, SourceState],
    absence: Absence,
    collectors: Mapping[str, Sequence[str]],
    telemetry_path: str = TELEMETRY_PATH,
) -> str:
    """The page as HTML, from the state of each section and source as of its last scrape.

    Args:
        statuses: of sections and own metrics.
        sources: by name.
        absence: what the platform does not have.
        collectors: see `Scraper.collectors`; own metrics have a row below their section's.
        telemetry_path: where the metrics are.
    """
    metrics = escape(telemetry_path.removeprefix("/"))
    rows = "\n".join(
        _row(metrics, section, name, statuses.get(name), absent=absence.section(section))
        for section in SECTIONS
        for name in dict.fromkeys([section, *collectors.get(section, ())])
    )
    return _PAGE.format(metrics=metrics, version=escape(VERSION), rows=rows, sources=_sources(sources))


def _sources(sources: dict[str, SourceState]) -> str:
    rows = "\n".join(_source_row(source, state) for source, state in sources.items())
    return _SOURCES.format(rows=rows) if rows else ""


def _source_row(source: str, state: SourceState) -> str:
    known = state.lag is not None and math.isfinite(state.lag)
    return _SOURCE_ROW.format(
        source=source,
        style="failed" if state.problems else "ok",
        state="failed" if state.problems else "ok",
        lag=f"{state.lag:.1f} s" if known else "unknown",
        skew=f"{state.skew:+.3f} s" if state.skew is not None else "unknown",
        problems="<br>".join(map(escape, state.problems)),
    )


def _row(metrics: str, section: str, name: str, status: Status | None, *, absent: bool) -> str:
    if status is None or absent:
        state = NOT_HERE if absent else "not scraped yet"
        unknown = {"took": "", "last_success": "", "problems": ""}
        return _ROW.format(metrics=metrics, section=section, name=name, style="unknown", state=state, **unknown)
    last_success = (
        datetime.fromtimestamp(status.last_success, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        if status.last_success is not None
        else "never"
    )
    left_out = [f"left out: {count} × {reason}" for reason, count in sorted(status.rejected.items())]
    missing = status.history.missing / 3600
    reading = [f"still reading history: {missing:.1f} h are missing, and the windows that need them"] if missing else []
    good = "reading history" if missing else "ok"
    return _ROW.format(
        metrics=metrics,
        section=section,
        name=name,
        style="failed" if not status.success else "unknown" if missing else "ok",
        state=good if status.success else "failed",
        took=f"{status.seconds * 1000:.1f} ms",
        last_success=last_success,
        problems="<br>".join(map(escape, [*status.problems, *reading, *left_out])),
    )
