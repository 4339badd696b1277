"""`GET /incidents/ID/report`: the record of an incident, as Markdown or, for a browser, as a page that shows it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.web_application import Answer
from responder.incident_figures import Known, ask
from responder.incident_report import report
from responder.playbooks import Playbook
from responder.prometheus import Prometheus

logger = logging.getLogger(__name__)

FIGURES_SECONDS = 5.0
"""After which Prometheus is asked nothing more; who reads waits at most for the last answer, and for the chart."""
CHART_SECONDS = 10.0
_CHARTS = Path(__file__).parents[1] / "charts.py"
_TO_DRAW = ("HOME", "MPLCONFIGDIR", "PATH", "PYTHONPATH", "TMPDIR")
"""Of the environment, whose secrets are none of its business."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def answer(
    incident: Mapping[str, Any], playbook: Playbook | None, prometheus: Prometheus, *, for_browser: bool
) -> Answer:
    """The record; for a browser, with a chart of the figures where matplotlib is installed."""
    chart_wanted = for_browser and find_spec("matplotlib") is not None
    known = ask(incident, playbook, prometheus, curves=chart_wanted, seconds=FIGURES_SECONDS)
    if known.missing is not None:
        logger.warning("report of %s: figures are missing: %s", incident["correlation_id"], known.missing)
    text = "".join(f"{line}\n" for line in report(incident, known.figures, None))
    if not for_browser:
        return Answer(body=text.encode(), content_type="text/markdown; charset=utf-8")
    page = (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{escape(incident["alertname"])}</title>'
        f"<style>pre {{ white-space: pre-wrap }}</style><pre>{escape(text)}</pre>"
    )
    if known.curves and (picture := _drawn(known)) is not None:
        page += f'<img alt="The figures" src="data:image/svg+xml;base64,{b64encode(picture).decode()}">'
    headers = [("Content-Security-Policy", _POLICY)]
    return Answer(body=page.encode(), content_type="text/html; charset=utf-8", headers=headers)


def _drawn(known: Known) -> bytes | None:
    """The chart, drawn by another process: in this one, everything else would wait meanwhile."""
    content = {"curves": known.curves, "marks": known.marks, "step": known.step}
    try:
        return subprocess.run(
            [sys.executable, "-P", _CHARTS],
            input=json.dumps(content).encode(),
            env={name: os.environ[name] for name in _TO_DRAW if name in os.environ},
            capture_output=True,
            timeout=CHART_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("no chart of an incident: %s", error)
        return None
