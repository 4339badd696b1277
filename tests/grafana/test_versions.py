"""Every Grafana that is supported reads units and transformations alike: its own library says so.

It fetches @grafana/data of each from npm, 100 MB, so `make test` leaves it out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.viewer.board import ROOT, UIDS, dashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: The first is the oldest that docs/dashboard.md names. Some versions on npm lack a package that they need.
VERSIONS = ("10.4.19", "11.6.16", "12.0.2", "12.4.0", "13.2.2")
PEERS = ("react@18.3.1", "react-dom@18.3.1", "jsdom@22.1.0")
CACHE = ROOT / ".cache" / "grafana-data"

# Reads units from standard input; prints how 12450 of each reads, and the transformations that there are.
SCRIPT = """
const {JSDOM} = require("jsdom");
const window = new JSDOM("", {url: "http://localhost/"}).window;
for (const name of ["window", "document", "navigator", "localStorage", "Element", "HTMLElement", "Node", "DOMParser"])
  Object.defineProperty(globalThis, name, {value: name === "window" ? window : window[name], configurable: true});
console.info = console.log = () => {};
const data = require("@grafana/data");
const units = JSON.parse(require("fs").readFileSync(0));
const texts = Object.fromEntries(
  units.map((unit) => [unit, data.formattedValueToString(data.getValueFormat(unit)(12450, 1))]));
const transformations = Object.values(data.standardTransformers).map((each) => each.id);
process.stdout.write(JSON.stringify({texts, transformations}));
"""


def installed(version: str) -> Path:
    """Where that version of the library is."""
    directory = CACHE / version
    if not (directory / "complete").exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "package.json").write_text('{"private": true}')
        packages = [f"@grafana/data@{version}", *PEERS]
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"]
        subprocess.run(["npm", "install", *options, *packages], cwd=directory, check=True, capture_output=True)
        (directory / "script.cjs").write_text(SCRIPT)
        (directory / "complete").touch()
    return directory


def read(version: str, units: list[str]) -> dict[str, Any]:
    """What the library of that version makes of the units, and the transformations that it has."""
    result = subprocess.run(
        ["node", "script.cjs"],
        cwd=installed(version), input=json.dumps(units), check=True, capture_output=True, text=True,
        env={**os.environ, "TZ": "UTC"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def units(value: Any) -> set[str]:
    """Every unit of a dashboard, of its fields and of its overrides."""
    if isinstance(value, dict):
        own = {value["unit"]} if isinstance(value.get("unit"), str) else set()
        own |= {value["value"]} if value.get("id") == "unit" else set()
        return own.union(*map(units, value.values()))
    return set().union(*map(units, value)) if isinstance(value, list) else set()


def test_units_and_transformations_are_those_of_every_supported_version() -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    used = sorted(set().union(*(units(dashboard(uid)) for uid in UIDS)))
    transformations = {
        each["id"] for uid in UIDS for panel in dashboard(uid)["panels"] for each in panel.get("transformations", ())
    }
    assert used
    newest = read(VERSIONS[-1], used)["texts"]
    for version in VERSIONS:
        found = read(version, used)
        assert found["texts"] == newest, version
        assert transformations <= set(found["transformations"]), version
