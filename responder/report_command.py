"""`ticketing-responder report ID`: an incident as Markdown, with what Prometheus knows of its figures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.yaml_files import ConfigError
from responder import playbook_file
from responder.config import Config, Endpoint
from responder.endpoints import EndpointClient
from responder.incident_figures import Known, ask
from responder.incident_report import report
from responder.prometheus import Prometheus

SECONDS = 60.0
"""For the questions to Prometheus."""


def add_to(command: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    command.add_argument("id", help="the correlation ID")
    address = os.environ.get("PROMETHEUS_URL") or "http://localhost:9090"
    command.add_argument(
        "--prometheus",
        metavar="URL",
        default=address,
        help="address of Prometheus; default: the variable PROMETHEUS_URL, or http://localhost:9090",
    )
    command.add_argument(
        "--playbooks.file",
        dest="playbooks_file",
        type=Path,
        metavar="FILE",
        help="playbooks of the responder, if it does not use the shipped ones",
    )
    command.add_argument(
        "--charts",
        type=Path,
        metavar="DIRECTORY",
        help="write charts of the figures there, as SVG; needs the extra report",
    )


def lines(incident: dict[str, Any], flags: argparse.Namespace) -> Iterator[str]:
    """The report. What Prometheus does not say is unknown in it, and said on standard error.

    Raises:
        ConfigError: the playbooks cannot be read, or --prometheus is no address, or the charts cannot be drawn
            or written.
    """
    playbook = playbook_file.load(flags.playbooks_file).get(incident["playbook"])
    known = ask(incident, playbook, _prometheus(flags.prometheus), curves=flags.charts is not None, seconds=SECONDS)
    if known.missing is not None:
        print(f"ticketing-responder: figures or charts are missing: {known.missing}", file=sys.stderr)  # noqa: T201
    chart = None
    if known.curves and known.missing is None:
        chart = _chart(flags.charts / f"{incident['correlation_id']}.svg", known)
    yield from report(incident, known.figures, chart)


def _prometheus(url: str) -> Prometheus:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"--prometheus: {url[:100]!a} is not an http(s):// address")
    endpoint = Endpoint(url=url)
    return Prometheus(EndpointClient(Config(prometheus=endpoint)), endpoint)


def _chart(file: Path, known: Known) -> str:
    """Its address, once it is written."""
    try:
        from responder.charts import svg
    except ImportError as error:
        raise ConfigError(f"--charts needs pip install 'ticketing-monitor[report]': {error}") from None
    picture = svg(known.curves, known.marks, known.step)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
    except OSError as error:
        raise ConfigError(f"--charts: {error}") from None
    return file.as_posix()
