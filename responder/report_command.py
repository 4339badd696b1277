"""`ticketing-responder report ID`: an incident as Markdown, with what Prometheus knows of its figures."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.yaml_files import ConfigError
from responder import playbook_file
from responder.config import Config, Endpoint
from responder.endpoints import EndpointClient
from responder.incident_report import Figure, report
from responder.placeholders import PlaceholderError, fill, promql, values_of
from responder.prometheus import Prometheus, PrometheusError

AROUND_SECONDS = 1800
"""Of the curves, before the incident and after it."""
POINTS = 300


def add_to(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument("id", help="the correlation ID")
    address = os.environ.get("PROMETHEUS_URL") or "http://localhost:9090"
    command.add_argument("--prometheus", metavar="URL", default=address, help="PROMETHEUS_URL, else %(default)s")
    command.add_argument(
        "--playbooks.file", dest="playbooks_file", type=Path, metavar="FILE", help="the responder's, if it has one"
    )
    command.add_argument(
        "--charts", type=Path, metavar="DIRECTORY", help="write the curves of the figures there, as SVG (extra report)"
    )


def lines(incident: dict[str, Any], flags: argparse.Namespace) -> Iterator[str]:
    """The report. What Prometheus does not say is unknown in it, and said on standard error.

    Raises:
        ConfigError: the playbooks cannot be read, or --prometheus is no address, or the charts cannot be drawn
            or written.
    """
    expressions = _expressions(incident, flags.playbooks_file)
    begin = _seconds(incident["starts_at"])
    end = _seconds(incident["closed_at"]) if incident["closed_at"] else time.time()
    prometheus = _prometheus(flags.prometheus)
    figures = [Figure(name, None, None) for name in expressions]
    chart = None
    try:
        figures = [
            Figure(name, prometheus.number(asked, begin), prometheus.number(asked, end))
            for name, asked in expressions.items()
        ]
        if flags.charts is not None and expressions:
            chart = _chart(flags.charts, incident, expressions, prometheus, begin, end)
    except PrometheusError as error:
        print(f"ticketing-responder: figures or charts are missing: {error}", file=sys.stderr)  # noqa: T201
    yield from report(incident, figures, chart)


def _expressions(incident: dict[str, Any], file: Path | None) -> dict[str, str]:
    """PromQL by name of the figure, for this incident; without those that its alert has no labels for."""
    playbook = playbook_file.load(file).get(incident["playbook"])
    names = ("labels", "annotations", "playbook", "correlation_id")
    values = values_of(*(incident[name] for name in names))
    found = {}
    for name, text in (playbook.figures if playbook else {}).items():
        try:
            found[name] = fill(text, values, promql)
        except PlaceholderError:
            continue
    return found


def _prometheus(url: str) -> Prometheus:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"--prometheus: {url[:100]!a} is no http(s):// address")
    endpoint = Endpoint(url=url)
    return Prometheus(EndpointClient(Config(prometheus=endpoint)), endpoint)


def _chart(
    directory: Path,
    incident: dict[str, Any],
    expressions: dict[str, str],
    prometheus: Prometheus,
    begin: float,
    end: float,
) -> str | None:
    try:
        from responder.charts import svg
    except ImportError as error:
        raise ConfigError(f"--charts needs pip install 'ticketing-monitor[report]': {error}") from None
    first, last = begin - AROUND_SECONDS, min(end + AROUND_SECONDS, time.time())
    step = max(1.0, (last - first) / POINTS)
    curves = {name: prometheus.curve(asked, first, last, step) for name, asked in expressions.items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    if not curves:
        return None
    marks = {"began": begin} | ({"over": end} if incident["closed_at"] else {})
    name = f"{incident['correlation_id']}.svg"
    picture = svg(curves, marks, step)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(picture)
    except OSError as error:
        raise ConfigError(f"--charts: {error}") from None
    return (directory / name).as_posix()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
