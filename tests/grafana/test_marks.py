"""The marks of alerts are asked for by every supported Grafana: its own data source says how it reads an annotation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from testbed.viewer.board import UIDS, Json, dashboard

#: Of the line of 10.4 there is a build alone; what matters changed between 11.6 and 12.1.
VERSIONS = ("10.4.0-161545", "11.6.0", "12.1.0", "13.2.3")


def marks() -> list[Json]:
    """The annotations that Prometheus answers."""
    return [
        each
        for uid in UIDS
        for each in dashboard(uid)["annotations"]["list"]
        if each["datasource"]["type"] == "prometheus"
    ]


def test_marks_have_their_query_where_each_version_looks() -> None:
    found = marks()
    assert found
    for each in found:
        assert each["expr"] == each["target"]["expr"] != ""


def package(version: str, directory: Path) -> Path:
    """The modules of that version of the data source, from npm."""
    command = ["npm", "pack", "--silent", f"@grafana/prometheus@{version}"]
    packed = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=120)
    with tarfile.open(directory / packed.stdout.strip()) as archive:
        archive.extractall(directory, filter="data")
    return directory / "package" / "dist" / "esm"


def asked_by(annotations: Path, mark: Json) -> str:
    """The query that Grafana's own code makes of an annotation."""
    code = re.sub(r"^(import|export) .*$", "", annotations.read_text(), flags=re.MULTILINE)
    script = (
        "const Observable = null, of = null, rangeUtil = null, renderLegendFormat = null, AnnotationQueryEditor = null;"
        f"\n{code}\nconst made = PrometheusAnnotationSupport({{}}).prepareAnnotation({json.dumps(mark)});"
        "console.log(JSON.stringify(made.target.expr));"
    )
    run = subprocess.run(["node", "--eval", script], check=True, capture_output=True, text=True, timeout=60)
    found: str = json.loads(run.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_marks_reach_prometheus(version: str, tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    root = package(version, tmp_path)
    for mark in marks():
        if (root / "annotations.mjs").exists():
            assert asked_by(root / "annotations.mjs", mark) == mark["expr"]
        else:
            # Before 12.1 the data source asks by the annotation itself.
            (datasource,) = root.glob("datasource.*js")
            assert 'const { expr = "" } = annotation;' in datasource.read_text()
            assert mark["expr"]
