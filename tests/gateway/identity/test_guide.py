"""What docs/operations.md says of people is done as it is written: `make test-identity`."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.identity.conftest import Stack
from tests.gateway.identity.guide import Guide
from tests.gateway.identity.people import PASSWORD, choose_password, give_password, set_up_authenticator, visitor
from tests.gateway.identity.servers import SECRETS, Keycloak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def guide(stack: Stack, tmp_path: Path) -> Guide:
    return Guide(tmp_path, stack.keycloak.port)


def identity_of(keycloak: Keycloak, name: str) -> str:
    (person,) = keycloak.admin("GET", f"/users?username={name}&exact=true")
    return str(person["id"])


def test_from_the_first_day_to_the_last(stack: Stack, browser: Any, guide: Guide) -> None:
    keycloak = stack.keycloak
    add, remove, telephone = (guide.block("People", number).replace("ana", "lea") for number in (1, 2, 3))
    guide.run(add)
    lea = f"/users/{identity_of(keycloak, 'lea')}"
    assert {role["name"] for role in keycloak.admin("GET", f"{lea}/role-mappings/realm")} >= {"monitor-viewer"}

    # She chooses a password and enrols an authenticator, in the order in which she is asked.
    page = visitor(browser)
    give_password(page, "lea", "a-long-first-passw0rd")
    for _ in range(2):
        page.wait_for_selector("#password-new, #mode-manual")
        if page.query_selector("#password-new"):
            choose_password(page, PASSWORD)
        else:
            set_up_authenticator(page)
    assert {one["type"] for one in keycloak.admin("GET", f"{lea}/credentials")} >= {"password", "otp"}
    assert keycloak.admin("GET", f"{lea}/sessions")
    assert '"LOGIN"' in guide.run(guide.inline("kc get events"))

    # She loses her telephone.
    found, _, _ = telephone.partition("kc delete")
    otp = next(line.split(",")[0] for line in guide.run(found).splitlines() if line.endswith("otp"))
    guide.run(telephone.replace("THAT_ID", otp))
    assert "otp" not in {one["type"] for one in keycloak.admin("GET", f"{lea}/credentials")}
    assert keycloak.admin("GET", lea)["requiredActions"] == ["CONFIGURE_TOTP"]

    # She leaves.
    guide.run(remove)
    assert keycloak.admin("GET", lea)["enabled"] is False
    assert keycloak.admin("GET", f"{lea}/sessions") == []


def test_a_locked_account_and_everybody_out(stack: Stack, browser: Any, guide: Guide) -> None:
    stack.keycloak.add_person("max", PASSWORD, "monitor-viewer")
    max_ = identity_of(stack.keycloak, "max")
    page = visitor(browser)
    for _ in range(3):
        give_password(page, "max", "a-wrong-passw0rd")
        page.wait_for_selector("text=Invalid username or password")
    status = f"/attack-detection/brute-force/users/{max_}"
    assert stack.keycloak.admin("GET", status)["disabled"] is True
    guide.run(f"id={max_}\n" + guide.inline('kc delete "attack-detection'))
    assert stack.keycloak.admin("GET", status)["disabled"] is False
    guide.run(guide.inline("kc create logout-all"))


def test_the_secret_of_a_client_is_rotated(stack: Stack, guide: Guide) -> None:
    commands = [guide.inline(start) for start in ("id=$(kc get clients", 'kc update "clients/')]
    rotate = "\n".join(commands).replace("gate", "grafana")
    (client,) = stack.keycloak.admin("GET", "/clients?clientId=grafana")
    for secret in ("another-secret", SECRETS["GRAFANA_OIDC_SECRET"]):
        guide.put_secret("grafana_oidc_secret", secret)
        guide.run(rotate)
        assert stack.keycloak.admin("GET", f"/clients/{client['id']}/client-secret")["value"] == secret
