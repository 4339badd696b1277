"""What the Deployments promise: the same as docker-compose.yml, and no more rights than they need."""

import subprocess
import sys
from typing import cast

import pytest

from responder.config import Endpoint
from responder.endpoints import EndpointClient, Reply
from responder.scalers.kubernetes import Kubernetes, KubernetesScaler
from tests.compose.stack import services
from tests.deploy.kubernetes.manifests import KUBERNETES, ROOT, Manifest, container, documents, get, kustomization, pod

NAMES = ("exporter", "responder")
CONFIGS = KUBERNETES / "base" / "config"
every_workload = pytest.mark.parametrize("name", NAMES)


def _files(volume: Manifest) -> set[str]:
    """Paths in a volume of a Secret, or of several sources."""
    sources = volume["projected"]["sources"] if "projected" in volume else [{"secret": volume["secret"]}]
    parts = [part for source in sources for part in source.values()]
    return {item["path"] for part in parts for item in part.get("items", [part])}


@every_workload
def test_runs_what_compose_runs(name: str) -> None:
    ours, composed = container(name), services()[name]
    assert ours["image"] == composed["image"]
    assert ours["args"] == composed["command"]
    # Nobody but the gateway reads with a token of its own, and there is none.
    environment = {name: value for name, value in composed["environment"].items() if "READ_TOKEN" not in name}
    assert {variable["name"]: variable["value"] for variable in ours["env"]} == environment
    assert f":{ours['ports'][0]['containerPort']}/-/healthy" in composed["healthcheck"]["test"][-1]
    user, _, group = composed["user"].partition(":")
    security = pod(name)["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))
    limits, expected = ours["resources"]["limits"], composed["deploy"]["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == (expected["cpus"], expected["memory"] + "i")


@every_workload
def test_has_the_secret_files_that_it_reads(name: str) -> None:
    mounts = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
    (volume,) = [volume for volume in pod(name)["volumes"] if volume["name"] == "secrets"]
    files = {f"{mounts['secrets']}/{path}" for path in _files(volume)}
    assert {variable["value"] for variable in container(name)["env"]} <= files
    (config,) = documents(CONFIGS / f"{name}.yml")
    backend = config.get("backend", {})
    assert {backend[field] for field in ("token_file", "ca_file") if field in backend} <= files
    # All but those of the gateway, which is not here.
    gateways = {"tls_certificate", "responder_read_token"}
    composed = {f"/run/secrets/{secret}" for secret in services()[name]["secrets"] if secret not in gateways}
    assert {file for file in files if "kubernetes.io" not in file} == composed


@every_workload
def test_keeps_to_the_restricted_pod_security_standard(name: str) -> None:
    (namespace,) = documents(KUBERNETES / "base" / "namespace.yaml")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod(name).keys()
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in pod(name)["volumes"] for kind in volume} - {"name"} <= {
        "configMap",
        "secret",
        "projected",
        "emptyDir",
    }


@every_workload
def test_one_is_always_there(name: str) -> None:
    deployment, budget = get("Deployment", name)["spec"], get("PodDisruptionBudget", name)["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert budget["minAvailable"] == 1
    (spread,) = pod(name)["topologySpreadConstraints"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (deployment["selector"], budget["selector"], spread["labelSelector"]):
        assert selector == {"matchLabels": labels}
    assert get("Service", name)["spec"]["selector"] == labels
    assert get("NetworkPolicy", name)["spec"]["podSelector"] == {"matchLabels": labels}
    assert get("ServiceMonitor", name)["spec"]["selector"]["matchLabels"] == get("Service", name)["metadata"]["labels"]


@every_workload
def test_is_probed(name: str) -> None:
    probes = {probe: container(name)[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {container(name)["ports"][0]["name"]}
    # A dependency that is down is no reason to restart.
    assert (probes["startup"]["path"], probes["liveness"]["path"]) == ("/-/healthy", "/-/healthy")
    assert probes["readiness"]["path"] == "/-/ready"


def test_ports_have_one_name_from_container_to_monitor() -> None:
    for name in NAMES:
        (own,), (offered,) = container(name)["ports"], get("Service", name)["spec"]["ports"]
        assert own["name"] == offered["name"] == offered["targetPort"]
        assert own["containerPort"] == offered["port"]
        assert {endpoint["port"] for endpoint in get("ServiceMonitor", name)["spec"]["endpoints"]} == {own["name"]}


@pytest.mark.parametrize(
    ("name", "callers"), [("exporter", {"prometheus"}), ("responder", {"alertmanager", "prometheus"})]
)
def test_is_reached_by_whom_it_serves(name: str, callers: set[str]) -> None:
    policy = get("NetworkPolicy", name)["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["http"]
    # Without a selector of namespaces: in its own.
    assert all(set(peer) == {"podSelector"} for peer in rule["from"])
    assert {peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule["from"]} == callers
    assert all(rule.get("ports") for rule in policy["egress"])


#: What the API server asks for at a request of a method for one named object.
VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class _Api:
    """In the place of the client: a Deployment with two replicas, and the methods by which it was reached."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def request(self, method: str, endpoint: Endpoint, path: str, **_: object) -> Reply:
        assert (endpoint, path.rpartition("/")[2]) == (BACKEND, "scale")
        self.methods.add(method)
        return Reply(200, b'{"kind": "Scale", "spec": {"replicas": 2}}')


BACKEND = Kubernetes(url="https://kubernetes.default.svc", namespace="ticketing", deployment="backend")


def verbs_that_scaling_uses() -> set[str]:
    api = _Api()
    scaler = KubernetesScaler(cast(EndpointClient, api), BACKEND)
    assert scaler.read() == 2
    assert scaler.change(2, 4, confirm=lambda: None)
    return {VERBS[method] for method in api.methods}


def test_responder_may_scale_one_deployment() -> None:
    role, binding = get("Role", "ticketing-responder"), get("RoleBinding", "ticketing-responder")
    (config,) = documents(CONFIGS / "responder.yml")
    assert role["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments/scale"],
            "resourceNames": [config["backend"]["deployment"]],
            "verbs": sorted(verbs_that_scaling_uses()),
        }
    ]
    assert kustomization(KUBERNETES / "platform")["namespace"] == config["backend"]["namespace"]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "ticketing-responder",
    }
    account = {
        "kind": "ServiceAccount",
        "name": pod("responder")["serviceAccountName"],
        "namespace": kustomization(KUBERNETES / "base")["namespace"],
    }
    assert binding["subjects"] == [account]


@pytest.mark.parametrize("part", ["base", "platform"])
def test_lands_in_its_namespace_even_without_kustomize(part: str) -> None:
    content = kustomization(KUBERNETES / part)
    found = [it for name in content["resources"] for it in documents(KUBERNETES / part / name)]
    spaces = {it["metadata"].get("namespace") for it in found if it["kind"] != "Namespace"}
    assert spaces == {content["namespace"]}


def test_only_the_responder_has_a_token() -> None:
    for name in NAMES:
        assert get("ServiceAccount", name)["automountServiceAccountToken"] is False
        assert pod(name)["automountServiceAccountToken"] is False
    assert "serviceAccountToken" in str(pod("responder")["volumes"])
    assert "serviceAccountToken" not in str(pod("exporter")["volumes"])


@every_workload
def test_takes_its_configuration(name: str) -> None:
    (generator,) = [it for it in kustomization(KUBERNETES / "base")["configMapGenerator"] if it["name"] == name]
    (file,) = generator["files"]
    (mount,) = [mount["mountPath"] for mount in container(name)["volumeMounts"] if mount["name"] == "config"]
    assert container(name)["args"] == [f"--config.file={mount}/{file.rpartition('/')[2]}"]
    command = [sys.executable, "-m", name, f"--config.file={KUBERNETES / 'base' / file}", "--config.check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
