"""A real Keycloak and a real oauth2-proxy with the rendered configuration."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from gateway.settings import ROOT
from testbed.servers.http_server import HttpServer
from testbed.servers.ports import free_port
from testbed.servers.server import Server
from tests.gateway.edge import HOST

CACHE = ROOT / ".cache" / "identity"
ADMIN = ("admin", "admin")
SECRETS = {"GATE_OIDC_SECRET": "gate-secret", "GRAFANA_OIDC_SECRET": "grafana-secret"}


class Keycloak(Server):
    """Keycloak with an empty database in memory, into which it imports the realm."""

    name = "keycloak"

    def __init__(self, realm: Path, port: int) -> None:
        super().__init__(port=port)
        self._realm = realm
        self._management = free_port()

    def prepare(self) -> None:
        place = CACHE / "keycloak" / "data" / "import"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._realm, place / "realm.json")

    def command(self) -> Sequence[str]:
        return [
            str(CACHE / "keycloak" / "bin" / "kc.sh"),
            "start",
            "--optimized",
            "--import-realm",
            "--http-enabled=true",
            "--http-host=127.0.0.1",
            f"--http-port={self.port}",
            f"--http-management-port={self._management}",
            f"--hostname=https://{HOST}/auth",
            "--proxy-headers=xforwarded",
            "--cache=local",
        ]

    def environment(self) -> Mapping[str, str]:
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN[0], "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN[1]}
        return {**SECRETS, **admin, "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1", "PATH": os.environ["PATH"]}

    def ready(self) -> bool:
        time.sleep(0.5)  # it logs every answer that it is not
        try:
            return requests.get(f"http://127.0.0.1:{self._management}/auth/health/ready", timeout=2).ok
        except requests.RequestException:
            return False

    def admin(self, method: str, path: str, **body: Any) -> Any:
        """Ask the administration, as kcadm does from inside the container."""
        base = f"http://127.0.0.1:{self.port}/auth"
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": HOST}
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN[0], "password": ADMIN[1]}
        token_url = f"{base}/realms/master/protocol/openid-connect/token"
        token = requests.post(token_url, data=form, headers=headers, timeout=20)
        token.raise_for_status()
        headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        answer = requests.request(method, f"{base}/admin/realms/nft{path}", headers=headers, timeout=20, **body)
        answer.raise_for_status()
        return answer.json() if answer.text else None

    def add_person(self, name: str, password: str, role: str | None) -> None:
        """Add a person who must enrol an authenticator at the first sign-in."""
        person = {"username": name, "email": f"{name}@example.com", "emailVerified": True, "enabled": True}
        person |= {"firstName": name, "lastName": name, "requiredActions": ["CONFIGURE_TOTP"]}
        credentials = [{"type": "password", "value": password, "temporary": False}]
        self.admin("POST", "/users", json={**person, "credentials": credentials})
        if role is not None:
            found = self.admin("GET", f"/users?username={name}&exact=true")[0]["id"]
            roles = [self.admin("GET", f"/roles/{role}")]
            self.admin("POST", f"/users/{found}/role-mappings/realm", json=roles)


class OAuth2Proxy(HttpServer):
    """oauth2-proxy with the rendered configuration."""

    name = "oauth2-proxy"
    ready_path = "/ready"

    def __init__(self, config: Path, port: int) -> None:
        super().__init__(port=port)
        self._config = config

    def command(self) -> Sequence[str]:
        return [str(CACHE / "oauth2-proxy"), f"--config={self._config}"]
