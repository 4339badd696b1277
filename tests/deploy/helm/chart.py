"""The chart: its files, and what the real Helm makes of it."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "ticketing-monitor"
#: The namespace and the release of all tests.
NAMESPACE, RELEASE = "ticketing-monitor", "monitor"
#: By name: the values file, or none for the defaults.
VALUES: dict[str, Path | None] = {
    "defaults": None,
    **{file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").glob("*-values.yaml"))},
}

Manifest = dict[str, Any]


def values(name: str) -> Manifest:
    """The defaults with what a values file changes in them, as Helm puts them together."""
    merged: Manifest = yaml.safe_load((CHART / "values.yaml").read_text())
    if file := VALUES[name]:
        _merge(merged, yaml.safe_load(file.read_text()))
    return merged


def _merge(under: Manifest, over: Manifest) -> None:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(under.get(key), dict):
            _merge(under[key], value)
        else:
            under[key] = value


def schema() -> Manifest:
    """What values may be."""
    content: Manifest = json.loads((CHART / "values.schema.json").read_text())
    return content


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the real one, which is built first where it is missing."""
    command = [ROOT / "tools" / "helm.sh", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)


@cache
def rendered(name: str, version: str) -> dict[tuple[str, str], Manifest]:
    """What a cluster of this version of Kubernetes would be given, by kind and name."""
    chosen = [f"--values={file}"] if (file := VALUES[name]) else []
    result = helm("template", RELEASE, CHART, f"--namespace={NAMESPACE}", f"--kube-version={version}.0", *chosen)
    assert result.returncode == 0, result.stderr
    found = [manifest for manifest in yaml.safe_load_all(result.stdout) if manifest]
    by_name = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}
    assert len(by_name) == len(found)
    return by_name
