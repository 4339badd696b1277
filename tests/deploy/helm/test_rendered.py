"""What the real Helm makes of the chart. Building Helm takes minutes the first time, so this is slow."""

import base64
import gzip
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.helm.chart import CHART, NAMESPACE, ROOT, VALUES, Manifest, helm, rendered
from tests.deploy.helm.test_chart import PROJECT
from tests.deploy.kubernetes import manifests as kustomize
from tests.deploy.kubernetes.test_schemas import VERSIONS
from tests.prometheus.promtool import promtool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
NEW = VERSIONS[-1]
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
every_values = pytest.mark.parametrize("name", VALUES)


@pytest.mark.parametrize("version", VERSIONS)
@every_values
def test_follows_the_published_schemas(name: str, version: str) -> None:
    for manifest in rendered(name, version).values():
        kustomize.validate(manifest, version)


@every_values
def test_is_clean_for_helms_own_linter(name: str) -> None:
    chosen = [f"--values={file}"] if (file := VALUES[name]) else []
    result = helm("lint", "--strict", f"--kube-version={NEW}.0", CHART, *chosen)
    assert result.returncode == 0, result.stdout + result.stderr


def test_is_clean_for_checkov_once_images_are_pinned(tmp_path: Path) -> None:
    unpinned = {"CKV_K8S_15", "CKV_K8S_43"}  # pull policy and digest are values
    assert checkov(tmp_path, "production") == set()
    assert checkov(tmp_path, "defaults") == unpinned


def checkov(directory: Path, name: str) -> set[str]:
    file = directory / f"{name}.yaml"
    file.write_text(yaml.safe_dump_all(rendered(name, NEW).values()))
    command = [str(ROOT / "tools" / "checks.sh"), str(file)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert "Passed checks" in result.stdout, result.stderr
    return set(re.findall(r"^Check: (\w+)", result.stdout, re.MULTILINE))


def test_refuses_a_misspelt_value() -> None:
    result = helm("template", CHART, f"--kube-version={NEW}.0", "--set=exporter.replica=3")
    assert result.returncode != 0
    assert "replica" in result.stderr


def test_refuses_an_account_without_a_name() -> None:
    result = helm("template", CHART, f"--kube-version={NEW}.0", "--set=exporter.serviceAccount.create=false")
    assert result.returncode != 0
    assert "exporter.serviceAccount.name" in result.stderr


#: What Helm has and kustomize has not, or has otherwise.
OF_HELM = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",  # kustomize adds it when it builds
    "checkov.io/skip1",  # here pull policy and digest are values
    "checkov.io/skip2",
    "checksum/config",  # kustomize changes the name of the ConfigMap
    "helm.sh/chart",
}


def comparable(manifest: Any, prefix: str = "") -> Any:
    """Without labels of one of the two, empty maps, and what begins each name."""
    if isinstance(manifest, dict):
        parts = {key: comparable(value, prefix) for key, value in manifest.items() if key not in OF_HELM}
        return {key: value for key, value in parts.items() if value != {}}
    if isinstance(manifest, list):
        return [comparable(part, prefix) for part in manifest]
    return manifest.removeprefix(prefix) if isinstance(manifest, str) else manifest


def from_kustomize() -> dict[tuple[str, str], Manifest]:
    found = {key: comparable(manifest) for key, manifest in kustomize.manifests().items()}
    del found["Namespace", NAMESPACE]  # Helm's --create-namespace
    for role in ("Role", "RoleBinding"):
        manifest = found[role, "responder"] = found.pop((role, "ticketing-responder"))
        manifest["metadata"]["name"] = "responder"
    found["RoleBinding", "responder"]["roleRef"]["name"] = "responder"
    for part in ("exporter", "responder"):
        found["Deployment", part]["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
        found["ConfigMap", part] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": part, "labels": {"app.kubernetes.io/name": part}},
            "data": {f"{part}.yml": (kustomize.KUBERNETES / "base" / "config" / f"{part}.yml").read_text()},
        }
    for manifest in found.values():
        manifest["metadata"].setdefault("namespace", NAMESPACE)  # kustomize adds it when it builds
    return found


def test_says_what_kustomize_says() -> None:
    ours = {
        (kind, name.removeprefix("parity-")): comparable(manifest, "parity-")
        for (kind, name), manifest in rendered("kustomize", NEW).items()
    }
    theirs = from_kustomize()
    for key in [key for key in ours if key[0] == "PrometheusRule"]:
        ours[key[0], f"ticketing-{key[1]}"] = manifest = ours.pop(key)
        manifest["metadata"]["name"] = f"ticketing-{key[1]}"
    assert ours.keys() == theirs.keys()
    for manifests in (ours, theirs):
        for manifest in manifests.values():
            understand(manifest)
    ours["ConfigMap", "responder"]["data"]["responder.yml"].pop("platform")  # the default in the other
    for key, manifest in ours.items():
        assert manifest == theirs[key], key


def understand(manifest: Manifest) -> None:
    """Read what is text in a text, and order what has no order."""
    for name, text in manifest.get("data", {}).items():
        manifest["data"][name] = yaml.safe_load(text) if name.endswith(".yml") else json.loads(text)
    if manifest["kind"] == "PrometheusRule":
        for group in manifest["spec"]["groups"]:
            for rule in group["rules"]:
                rule["expr"] = float(rule["expr"]) if is_number(rule["expr"]) else rule["expr"]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@every_values
def test_rules_are_rules(name: str, tmp_path: Path) -> None:
    specs = {name: it["spec"] for (kind, name), it in rendered(name, NEW).items() if kind == "PrometheusRule"}
    for rule, spec in specs.items():
        (tmp_path / f"{rule}.yml").write_text(yaml.safe_dump(spec))
    if specs:
        result = promtool("check", "rules", *tmp_path.iterdir())
        assert result.returncode == 0, result.stderr


def test_limits_of_a_platform_are_records_with_its_name() -> None:
    (group,) = rendered("second-platform", NEW)["PrometheusRule", "monitor-limits-of-staging"]["spec"]["groups"]
    assert group["rules"] == [
        {
            "record": "ticketing:limit",
            "labels": {"limit": "transactions_per_hour_low", "platform": "staging"},
            "expr": "20",
        }
    ]
    (group,) = rendered("production", NEW)["PrometheusRule", "tickets-limits-of-main"]["spec"]["groups"]
    assert {rule["labels"]["limit"]: float(rule["expr"]) for rule in group["rules"]} == {
        "mfa_failures": 5,
        "feature_drift_nats": 0.2,
        "revenue_per_hour_usd_baseline": 1_250_000,
    }


def test_a_second_platform_is_another_platform_everywhere() -> None:
    found = rendered("second-platform", NEW)
    monitors = [it for (kind, _), it in found.items() if kind == "ServiceMonitor"]
    assert len(monitors) == 2
    for endpoint in (endpoint for monitor in monitors for endpoint in monitor["spec"]["endpoints"]):
        assert {"targetLabel": "platform", "replacement": "staging"} in endpoint["relabelings"]
    config = yaml.safe_load(found["ConfigMap", "monitor-responder"]["data"]["responder.yml"])
    assert config["platform"] == "staging"
    assert not [key for key in found if key[0] in ("Role", "RoleBinding") or "dashboard" in key[1]]
    assert ("PodDisruptionBudget", "monitor-responder") not in found  # of one it would stop every drain


def test_the_right_is_that_of_the_configured_backend() -> None:
    role = rendered("production", NEW)["Role", "tickets-responder"]
    assert role["metadata"]["namespace"] == "shop"
    assert role["rules"][0]["resourceNames"] == ["api"]


@pytest.mark.parametrize("part", ["exporter", "responder"])
@every_values
def test_the_programs_take_their_configuration(name: str, part: str, tmp_path: Path) -> None:
    for (kind, _), manifest in rendered(name, NEW).items():
        if kind == "ConfigMap" and f"{part}.yml" in manifest["data"]:
            file = tmp_path / f"{part}.yml"
            file.write_text(manifest["data"][file.name])
            command = [sys.executable, "-m", part, f"--config.file={file}", "--config.check"]
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    place = tmp_path_factory.mktemp("chart")
    result = helm("package", CHART, f"--destination={place}")
    assert result.returncode == 0, result.stderr
    return tarfile.open(place / f"ticketing-monitor-{PROJECT['version']}.tgz")


def test_the_package_has_all_that_is_read_and_nothing_else(package: tarfile.TarFile) -> None:
    sources = {
        **{f"files/rules/{file.name}": file for file in (ROOT / "prometheus" / "rules").glob("*.yml")},
        **{f"files/dashboards/{file.name}": file for file in DASHBOARDS},
        "files/prometheus.yml": ROOT / "prometheus" / "prometheus.yml",
        **{f"files/config/{file.name}": file for file in (kustomize.KUBERNETES / "base" / "config").iterdir()},
        **{f"templates/{file.name}": file for file in (CHART / "templates").iterdir()},
        **{name: CHART / name for name in (".helmignore", "values.yaml", "values.schema.json")},
    }
    names = {name.removeprefix("ticketing-monitor/") for name in package.getnames()}
    assert names == {*sources, "Chart.yaml"}
    for name, file in sources.items():
        member = package.extractfile(f"ticketing-monitor/{name}")
        assert member is not None
        assert member.read() == file.read_bytes(), name


def test_a_release_fits_into_its_secret(package: tarfile.TarFile) -> None:
    """Helm keeps chart and manifests, gzipped and in base64, in a Secret, which may have 1 MiB."""
    members = [package.extractfile(name) for name in package.getnames()]
    chart = b"".join(base64.b64encode(member.read()) for member in members if member)
    text = chart + json.dumps(list(rendered("defaults", NEW).values())).encode()
    assert len(base64.b64encode(gzip.compress(text))) < 700_000
