"""The manifests of deploy/kubernetes, those that it writes included, and the schemas that they follow."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from deploy.kubernetes.__main__ import files

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = [KUBERNETES, *(KUBERNETES / name for name in ("base", "platform"))]
CRDS = Path(__file__).parent / "crds"
OPERATOR = "monitoring.coreos.com/v1"

Manifest = dict[str, Any]


def documents(file: Path) -> list[Manifest]:
    """What is in a YAML file."""
    return list(yaml.safe_load_all(file.read_text()))


def kustomization(directory: Path) -> Manifest:
    (content,) = documents(directory / "kustomization.yaml")
    return content


@cache
def manifests() -> dict[tuple[str, str], Manifest]:
    """Each by its kind and name."""
    committed = [
        directory / name
        for directory in KUSTOMIZATIONS
        for name in kustomization(directory)["resources"]
        if (directory / name).is_file()
    ]
    found = [manifest for file in committed for manifest in documents(file)]
    found += [
        manifest
        for name, text in files().items()
        if name != "kustomization.yaml"
        for manifest in yaml.safe_load_all(text)
    ]
    by_name = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in found}
    assert len(by_name) == len(found)
    return by_name


def get(kind: str, name: str) -> Manifest:
    """A copy, to break."""
    return copy.deepcopy(manifests()[kind, name])


def pod(name: str) -> Manifest:
    """The Pod of a Deployment."""
    spec: Manifest = get("Deployment", name)["spec"]["template"]["spec"]
    return spec


def container(name: str) -> Manifest:
    (only,) = pod(name)["containers"]
    content: Manifest = only
    return content


def validate(manifest: Manifest, version: str) -> None:
    """Compare with the schema of a version of Kubernetes, or of the operator; unknown fields are errors.

    Raises:
        jsonschema.ValidationError: it does not follow it.
    """
    if manifest["apiVersion"] == OPERATOR:
        jsonschema.validate(manifest, _operator_schema(manifest["kind"]), cls=jsonschema.Draft7Validator)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


@cache
def _operator_schema(kind: str) -> Manifest:
    (crd,) = documents(CRDS / f"monitoring.coreos.com_{kind.lower()}s.yaml")
    (version,) = crd["spec"]["versions"]
    assert (crd["spec"]["names"]["kind"], version["name"]) == (kind, "v1")
    schema: Manifest = version["schema"]["openAPIV3Schema"]
    _prepare(schema["properties"]["spec"])
    return schema


def _prepare(schema: Any) -> None:
    """Refuse unknown fields, as the API server does for `kubectl apply`; flags of Go's expressions go to the front."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in schema:
            schema.setdefault("additionalProperties", False)
        if isinstance(pattern := schema.get("pattern"), str):
            schema["pattern"] = pattern.replace("^(?i)", "(?i)^")
        for part in schema.values():
            _prepare(part)
    elif isinstance(schema, list):
        for part in schema:
            _prepare(part)
