"""A real API server takes every manifest, and gives the two accounts the rights they use and no others.

Building it takes a quarter of an hour the first time, so this is slow.
"""

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from responder.config import Config
from responder.endpoints import EndpointClient, EndpointError
from responder.errors import RetryError
from responder.scalers.kubernetes import Kubernetes, KubernetesScaler
from tests.deploy.helm.chart import VALUES, rendered
from tests.deploy.kubernetes.api_server import ApiServer, collection, running
from tests.deploy.kubernetes.manifests import CRDS, KUBERNETES, Manifest, documents, get, kustomization, manifests
from tests.responder.process import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
OURS = kustomization(KUBERNETES / "base")["namespace"]
PLATFORM = kustomization(KUBERNETES / "platform")["namespace"]
(CONFIG,) = documents(KUBERNETES / "base" / "config" / "responder.yml")
SCALE = f"/apis/apps/v1/namespaces/{PLATFORM}/deployments/backend/scale"
NEW = "1.37"


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str) -> Manifest:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": PLATFORM},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "it", "image": "example.com/it:1"}]},
            },
        },
    }


def placed(manifest: Manifest) -> Manifest:
    """With the namespace that kustomize gives it."""
    found = copy.deepcopy(manifest)
    if found["kind"] != "Namespace":
        found["metadata"].setdefault("namespace", OURS)
    return found


def is_there(server: ApiServer, path: str) -> bool:
    return server.ask("GET", path).ok


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With the operator's definitions, the platform's namespace and two Deployments in it, and all that is ours."""
    with running(tmp_path_factory.mktemp("cluster")) as server:
        for file in sorted(CRDS.glob("*.yaml")):
            (crd,) = documents(file)
            answer = server.apply(crd)
            assert answer.ok, answer.text
            kinds = {"apiVersion": "monitoring.coreos.com/v1", "kind": crd["spec"]["names"]["kind"]}
            path = collection({**kinds, "metadata": {"namespace": "default"}})
            wait_until(partial(is_there, server, path))
        for manifest in (namespace(PLATFORM), namespace("shop"), deployment("backend"), deployment("other")):
            answer = server.apply(manifest)
            assert answer.ok, answer.text
        in_order = sorted(manifests().values(), key=lambda it: it["kind"] != "Namespace")
        for manifest in in_order:
            answer = server.apply(placed(manifest))
            assert answer.ok, answer.text
        yield server


@pytest.mark.parametrize("key", manifests(), ids="-".join)
def test_takes_what_kustomize_has(cluster: ApiServer, key: tuple[str, str]) -> None:
    manifest = placed(manifests()[key])
    answer = cluster.ask("GET", f"{collection(manifest)}/{manifest['metadata']['name']}")
    assert answer.ok, answer.text
    assert "Warning" not in cluster.apply(manifest, dry=True).headers


@pytest.mark.parametrize("name", VALUES)
def test_takes_what_the_chart_makes(cluster: ApiServer, name: str) -> None:
    for manifest in rendered(name, NEW).values():
        answer = cluster.apply(manifest, dry=True)
        assert answer.ok, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]


def test_a_misspelt_field_is_refused(cluster: ApiServer) -> None:
    broken = placed(get("ServiceMonitor", "exporter"))
    broken["spec"]["endpoints"][0]["scrape_timeout"] = "1s"
    answer = cluster.apply(broken, dry=True)
    assert not answer.ok
    assert "scrape_timeout: field not declared in schema" in answer.text


def pod_of(name: str) -> Manifest:
    template = get("Deployment", name)["spec"]["template"]
    metadata = {**template["metadata"], "name": name, "namespace": OURS}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("name", ["exporter", "responder"])
def test_the_restricted_standard_lets_the_pods_in(cluster: ApiServer, name: str) -> None:
    answer = cluster.ask("POST", collection(pod_of(name)), pod_of(name), params={"dryRun": "All"})
    assert answer.ok, answer.text
    weakened = pod_of(name)
    weakened["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    answer = cluster.ask("POST", collection(weakened), weakened, params={"dryRun": "All"})
    assert (answer.status_code, "violates PodSecurity" in answer.text) == (403, True), answer.text


@pytest.fixture
def scaler(cluster: ApiServer, tmp_path: Path) -> KubernetesScaler:
    """As the shipped configuration makes it, but for the address."""
    return scaler_for(cluster, tmp_path, "responder", CONFIG["backend"]["deployment"])


def scaler_for(cluster: ApiServer, directory: Path, account: str, name: str) -> KubernetesScaler:
    token = directory / "token"
    token.write_text(cluster.token(OURS, account))
    backend = Kubernetes(
        url=cluster.url,
        namespace=CONFIG["backend"]["namespace"],
        deployment=name,
        token_file=str(token),
        ca_file=str(cluster.ca_file),
    )
    return KubernetesScaler(EndpointClient(Config(allowed_hosts=("127.0.0.1",))), backend)


def replicas(cluster: ApiServer) -> int:
    found: int = cluster.ask("GET", SCALE).json()["spec"]["replicas"]
    return found


def test_the_responder_scales_the_backend_and_back(cluster: ApiServer, scaler: KubernetesScaler) -> None:
    assert scaler.read() == 2
    assert scaler.change(2, 4, confirm=lambda: None)
    assert (scaler.read(), replicas(cluster)) == (4, 4)
    assert scaler.change(4, 2, confirm=lambda: None)
    assert replicas(cluster) == 2


def test_a_change_in_between_is_not_overwritten(cluster: ApiServer, scaler: KubernetesScaler) -> None:
    def somebody_else() -> None:
        patch = {"spec": {"replicas": 7}}
        headers = {"Content-Type": "application/merge-patch+json"}
        assert cluster.ask("PATCH", SCALE, patch, headers=headers).ok

    with pytest.raises(RetryError):
        scaler.change(2, 4, confirm=somebody_else)
    assert replicas(cluster) == 7
    assert cluster.apply(deployment("backend")).ok


@pytest.mark.parametrize(("account", "name"), [("responder", "other"), ("exporter", "backend")])
def test_nobody_else_and_nothing_else(cluster: ApiServer, tmp_path: Path, account: str, name: str) -> None:
    with pytest.raises(EndpointError) as refused:
        scaler_for(cluster, tmp_path, account, name).read()
    assert refused.value.status == 403


#: What Kubernetes gives every account: to ask about itself, and to read the certificates of public authorities.
OF_EVERYBODY = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "clustertrustbundles"}


def rights(cluster: ApiServer, account: str, where: str) -> list[dict[str, Any]]:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": where},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    answer = cluster.ask("POST", path, body, token=cluster.token(OURS, account))
    assert answer.ok, answer.text
    rules = answer.json()["status"]["resourceRules"]
    return [rule for rule in rules if not set(rule["resources"]) <= OF_EVERYBODY]


def test_the_rights_are_those_of_the_role(cluster: ApiServer) -> None:
    (rule,) = rights(cluster, "responder", PLATFORM)
    (written,) = get("Role", "ticketing-responder")["rules"]
    assert rule == written
    for where in (OURS, "kube-system"):
        assert rights(cluster, "responder", where) == []
    for where in (OURS, PLATFORM):
        assert rights(cluster, "exporter", where) == []


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE", "GET"])
def test_the_responder_cannot_change_what_runs(cluster: ApiServer, method: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
    body = deployment("backend") if method in ("PATCH", "PUT") else None
    token = cluster.token(OURS, "responder")
    answer = cluster.ask(method, SCALE.removesuffix("/scale"), body, token=token, headers=headers)
    assert answer.status_code == 403, yaml.safe_dump(answer.json())
