"""A real API server of Kubernetes, and its etcd: no nodes and no controllers, but all that decides what is let in."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import requests
import trustme

from testbed.servers.ports import free_port
from testbed.servers.server import Server
from tests.deploy.kubernetes.manifests import ROOT, Manifest

ADMIN = "token-of-an-administrator"
#: Where objects of a kind are, for those that are no `{kind}s` of their group.
PLURALS = {"NetworkPolicy": "networkpolicies"}
#: Kinds that are in no namespace.
OF_THE_CLUSTER = {"CustomResourceDefinition", "Namespace"}


@cache
def programs() -> Path:
    """The directory of the two programs, which are built first where they are missing."""
    command = [ROOT / "tools" / "kubernetes.sh"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
    assert result.returncode == 0, result.stderr
    return Path(result.stdout.strip())


class Etcd(Server):
    """The memory of the API server."""

    name = "etcd"

    def command(self) -> Sequence[str]:
        url, peers = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{free_port()}"
        addresses = (f"--listen-client-urls={url}", f"--advertise-client-urls={url}", f"--listen-peer-urls={peers}")
        return [str(programs() / "etcd"), f"--data-dir={self.directory / 'data'}", "--unsafe-no-fsync", *addresses]

    def ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/health", timeout=2).ok
        except requests.RequestException:
            return False


class ApiServer(Server):
    """The API server, with an administrator's token; all others have what RBAC gives them."""

    name = "kube-apiserver"

    def __init__(self, etcd: Etcd, directory: Path) -> None:
        super().__init__(directory)
        self._etcd = etcd
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = directory / "ca.pem"

    def prepare(self) -> None:
        if self.ca_file.exists():
            return
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(self.directory / "key.pem"))
        for part in issued.cert_chain_pems:
            part.write_to_path(str(self.directory / "certificate.pem"), append=True)
        (self.directory / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')

    def command(self) -> Sequence[str]:
        key = self.directory / "key.pem"
        return [
            str(programs() / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self._etcd.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.directory / 'certificate.pem'}",
            f"--tls-private-key-file={key}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            "--authorization-mode=RBAC",
        ]

    def ready(self) -> bool:
        try:
            return self.ask("GET", "/readyz").ok
        except requests.RequestException:
            return False

    def ask(self, method: str, path: str, body: Any = None, token: str = ADMIN, **more: Any) -> requests.Response:
        """Any request, as the administrator or as whoever has the token."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        headers.setdefault("Content-Type", "application/json")
        # YAML, as which a patch is read, has no pairs of escapes.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return requests.request(
            method, self.url + path, data=data, headers=headers, verify=str(self.ca_file), timeout=30, **more
        )

    def apply(self, manifest: Manifest, *, dry: bool = False) -> requests.Response:
        """What `kubectl apply --server-side` does; unknown fields are refused."""
        query = {"fieldManager": "test", "force": "true", "fieldValidation": "Strict"}
        if dry:
            query["dryRun"] = "All"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        path = f"{collection(manifest)}/{manifest['metadata']['name']}"
        return self.ask("PATCH", path, manifest, params=query, headers=headers)

    def token(self, namespace: str, account: str) -> str:
        """What a Pod of the account finds in its volume."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        answer = self.ask("POST", path, body)
        assert answer.ok, answer.text
        token: str = answer.json()["status"]["token"]
        return token


def collection(manifest: Manifest) -> str:
    """The path of all objects of the kind, in the namespace."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    path = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in OF_THE_CLUSTER:
        path += f"/namespaces/{manifest['metadata']['namespace']}"
    return f"{path}/{PLURALS.get(kind, kind.lower() + 's')}"


@contextmanager
def running(directory: Path) -> Iterator[ApiServer]:
    """An empty cluster."""
    with Etcd(directory / "etcd") as etcd, ApiServer(etcd, directory / "api") as server:
        yield server
