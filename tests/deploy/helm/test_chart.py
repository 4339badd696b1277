"""The chart as files: without Helm, which takes minutes to build."""

import re
import tomllib
from collections.abc import Callable

import jsonschema
import pytest
import yaml

from tests.deploy.helm.chart import CHART, ROOT, VALUES, Manifest, schema, values

LIMITS = set(re.findall(r"limit: (\w+)", (ROOT / "prometheus" / "rules" / "limits.yml").read_text()))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_says_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (PROJECT["version"], PROJECT["version"])


def test_copies_nothing() -> None:
    assert {file.name: file.resolve().relative_to(ROOT).as_posix() for file in (CHART / "files").iterdir()} == {
        "config": "deploy/kubernetes/base/config",
        "dashboards": "grafana/dashboards",
        "prometheus.yml": "prometheus/prometheus.yml",
        "rules": "prometheus/rules",
    }
    assert all(file.is_symlink() for file in (CHART / "files").iterdir())


@pytest.mark.parametrize("name", VALUES)
def test_values_follow_the_schema(name: str) -> None:
    jsonschema.validate(values(name), schema())


def test_the_guides_example_follows_the_schema() -> None:
    guide = (ROOT / "docs" / "deploy-kubernetes.md").read_text()
    (example,) = re.findall(r"(?ms)^```yaml\n(platform: .*?)^```$", guide)
    changed = yaml.safe_load(example)
    jsonschema.validate(changed, schema())
    assert changed["prometheusRules"]["limits"].keys() <= LIMITS


def test_limits_of_values_files_exist() -> None:
    for name in VALUES:
        assert values(name)["prometheusRules"]["limits"].keys() <= LIMITS


def test_every_value_is_in_the_schema_and_has_a_default() -> None:
    assert _paths(values("defaults")) == _paths_of_schema(schema()) - {"global"}


def _paths(content: Manifest, prefix: str = "") -> set[str]:
    found = set()
    for key, value in content.items():
        inner = _paths(value, f"{prefix}{key}.") if isinstance(value, dict) and f"{prefix}{key}" not in OPEN else set()
        found |= inner or {f"{prefix}{key}"}
    return found


#: Maps whose keys are the user's.
OPEN = {
    *(f"{part}.resources.{of}" for part in ("exporter", "responder") for of in ("requests", "limits")),
    *(f"dashboards.{of}" for of in ("labels", "annotations")),
}


def _paths_of_schema(content: Manifest, prefix: str = "") -> set[str]:
    found = set()
    for key, value in content["properties"].items():
        if (reference := value.get("$ref")) and reference.endswith("/image"):
            value = schema()["$defs"]["image"]
        found |= _paths_of_schema(value, f"{prefix}{key}.") if "properties" in value else {f"{prefix}{key}"}
    return found


def test_every_value_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    switches = [number for number, line in enumerate(lines) if re.match(r" *(enabled|create\w*|config|limits): ", line)]
    assert all(lines[number - 1].lstrip().startswith("#") for number in switches if "{cpu" not in lines[number])


BROKEN: list[Callable[[Manifest], None]] = [
    lambda it: it.update(exporters={}),
    lambda it: it.update(platform="Main Platform"),
    lambda it: it["exporter"].update(replica=2),
    lambda it: it["exporter"].update(replicas=0),
    lambda it: it["exporter"].update(enabled="yes"),
    lambda it: it["exporter"]["image"].update(digest="latest"),
    lambda it: it["responder"]["existingSecret"].update(token="secret"),
    lambda it: it["responder"].update(extraArgs=["log.level"]),
    lambda it: it["networkPolicies"].update(prometheus=[{}]),
    lambda it: it["networkPolicies"].update(platform=[{"ipBlock": "10.0.0.0/8"}]),
    lambda it: it["prometheusRules"].update(limits={"mfa_failures": "5"}),
]


@pytest.mark.parametrize("damage", BROKEN, ids=range(len(BROKEN)))
def test_the_schema_refuses_what_would_be_overlooked(damage: Callable[[Manifest], None]) -> None:
    broken = values("defaults")
    damage(broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema())


def test_holds_no_secret() -> None:
    """Secrets are named, never made: values end in a release, and that in backups."""
    assert not [file for file in (CHART / "templates").iterdir() if "kind: Secret" in file.read_text()]
