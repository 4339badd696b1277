"""Every manifest follows the published schemas, of an old and of a new Kubernetes."""

from collections.abc import Callable

import jsonschema
import pytest

from tests.deploy.kubernetes.manifests import (
    KUBERNETES,
    KUSTOMIZATIONS,
    Manifest,
    get,
    kustomization,
    manifests,
    validate,
)

VERSIONS = ("1.27", "1.37")


@pytest.mark.parametrize("version", VERSIONS)
def test_all_are_valid(version: str) -> None:
    for manifest in manifests().values():
        validate(manifest, version)


def _misspelt(field: str) -> Callable[[Manifest], None]:
    return lambda manifest: manifest["spec"].__setitem__(field, 1)


BROKEN: list[tuple[str, str, Callable[[Manifest], None]]] = [
    ("Deployment", "exporter", lambda it: it["spec"]["template"]["spec"]["containers"][0].pop("name")),
    ("Deployment", "responder", lambda it: it["spec"]["template"]["spec"].update(runAsUser=10001)),
    ("PodDisruptionBudget", "exporter", _misspelt("minAvailble")),
    ("NetworkPolicy", "responder", lambda it: it["spec"]["ingress"][0]["ports"][0].update(protocol=6)),
    ("Role", "ticketing-responder", lambda it: it["rules"][0].update(verbs="get")),
    ("ServiceMonitor", "exporter", lambda it: it["spec"]["endpoints"][0].update(interval="1 s")),
    ("ServiceMonitor", "exporter", lambda it: it["spec"]["endpoints"][0].update(scrape_timeout="1s")),
    ("PrometheusRule", "ticketing-fraud", lambda it: it["spec"]["groups"][0]["rules"][0].update(labels={"a": 1})),
    ("PrometheusRule", "ticketing-fraud", lambda it: it["spec"]["groups"][0]["rules"][0].pop("expr")),
    ("ConfigMap", "dashboard-ticketing", lambda it: it["data"].update(number=1)),
]


@pytest.mark.parametrize(("kind", "name", "damage"), BROKEN, ids=[f"{kind}-{n}" for n, (kind, *_) in enumerate(BROKEN)])
def test_a_broken_one_is_noticed(kind: str, name: str, damage: Callable[[Manifest], None]) -> None:
    manifest = get(kind, name)
    damage(manifest)
    with pytest.raises(jsonschema.ValidationError):
        validate(manifest, VERSIONS[-1])


def test_every_file_is_used_once() -> None:
    used = [
        (directory / name).resolve() for directory in KUSTOMIZATIONS for name in kustomization(directory)["resources"]
    ]
    used += [
        (directory / name).resolve()
        for directory in KUSTOMIZATIONS
        for generator in kustomization(directory).get("configMapGenerator", [])
        for name in generator["files"]
    ]
    files = {path for path in KUBERNETES.rglob("*.y*ml") if path.name != "kustomization.yaml"}
    assert sorted(used) == sorted(files | set(KUSTOMIZATIONS[1:]))
