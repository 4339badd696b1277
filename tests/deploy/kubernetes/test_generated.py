"""What `make kubernetes` writes says the same as its sources."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes.__main__ import service_monitors
from tests.deploy.kubernetes.manifests import KUBERNETES, ROOT, documents, get, kustomization, manifests
from tests.prometheus.promtool import promtool

RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


def test_writes_a_kustomization_with_all_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.kubernetes", str(tmp_path / "new" / "monitoring")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    written = {file.name for file in (tmp_path / "new" / "monitoring").iterdir()}
    content = kustomization(tmp_path / "new" / "monitoring")
    assert written == {"kustomization.yaml", *content["resources"]}
    assert content["namespace"] == kustomization(KUBERNETES / "base")["namespace"]


def test_is_not_kept_twice() -> None:
    kinds = {manifest["kind"] for file in KUBERNETES.rglob("*.yaml") for manifest in documents(file)}
    assert not kinds & {"PrometheusRule", "ServiceMonitor"}


def test_every_rule_arrives_as_it_is(tmp_path: Path) -> None:
    # Without types: the operator wants the text of a limit, not its number.
    sources = {f"ticketing-{file.stem.replace('_', '-')}": text_only(file) for file in RULES}
    specs = {name: manifest["spec"] for (kind, name), manifest in manifests().items() if kind == "PrometheusRule"}
    assert specs == sources
    for name, spec in specs.items():
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump(spec))
    result = promtool("check", "rules", *tmp_path.iterdir())
    assert result.returncode == 0, result.stderr


def text_only(file: Path) -> Any:
    return yaml.load(file.read_text(), yaml.BaseLoader)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_dashboard_arrives_as_it_is(file: Path) -> None:
    config_map = get("ConfigMap", f"dashboard-{file.stem}")
    assert config_map["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert json.loads(config_map["data"].pop(file.name)) == json.loads(file.read_text())
    assert config_map["data"] == {}


@pytest.mark.parametrize("key", manifests(), ids="-".join)
def test_can_be_applied(key: tuple[str, str]) -> None:
    # A ConfigMap may have 1 MiB, but the copy that `kubectl apply` keeps in an annotation 256 KiB, and this is it.
    assert len(json.dumps(manifests()[key], separators=(",", ":"), ensure_ascii=False).encode()) < 250 * 1024


def test_a_setting_that_would_be_lost_is_refused() -> None:
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    config["scrape_configs"][1]["honor_labels"] = True
    with pytest.raises(ValueError, match=r"prometheus\.yml: job ticketing-live: .* honor_labels"):
        list(service_monitors(config))
