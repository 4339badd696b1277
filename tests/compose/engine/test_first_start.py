"""docs/operations.md from its first line on, against a platform on another machine."""

import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.compose.engine.clients import Client
from tests.compose.engine.place import Place, put, wait_until
from tests.compose.engine.platform import ADDRESS, READER, REDIS, RESPONDER, platform
from tests.compose.stack import services
from tests.gateway.edge import HOST
from tests.gateway.identity.conftest import FLAGS
from tests.gateway.identity.guide import block, inline, row
from tests.gateway.identity.people import (
    BASE,
    PASSWORD,
    choose_password,
    give_code,
    give_password,
    set_up_authenticator,
    shown,
    visitor,
)
from tests.gateway.identity.totp import code, next_period
from tests.prometheus.board import SECTIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

UMASK = 0o077  # what is checked out and written is closed to others
EXPECTED = {name for name, service in services().items() if "profiles" not in service}
FIRST_PASSWORD = "a-long-first-passw0rd"


@pytest.fixture(scope="module")
def stack(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Started by the guide's three commands."""
    with platform(place, tmp_path_factory.mktemp("platform")):
        place.run("cp .env.example .env")
        put(place, ".env", PLATFORM_POSTGRES_ADDRESS=f"{ADDRESS}:5432", PLATFORM_POSTGRES_DATABASE="ticketing")
        place.run(inline("make secrets"))
        for name, value in {
            "platform_reader_dsn": f"postgresql://monitoring_reader:{READER}@{ADDRESS}:5432/ticketing",
            "platform_responder_dsn": f"postgresql://monitoring_responder:{RESPONDER}@{ADDRESS}:5432/ticketing",
            "platform_redis_url": f"redis://:{REDIS}@{ADDRESS}:6379/0",
        }.items():
            place.run(f"chmod u+w secrets/{name}; printf %s '{value}' > secrets/{name}")
        place.run(inline("make gateway"))
        place.run(inline("docker compose up -d --build --wait"), timeout=1500)
        yield place


@pytest.fixture(scope="module")
def browser(colleague: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium on a machine that the allow-list has."""
    playwright = pytest.importorskip("playwright.sync_api")
    start = tmp_path_factory.mktemp("browser") / "chromium"
    start.write_text(f'#!/bin/sh\nexec {" ".join(colleague.command(shutil.which("chromium") or "chromium"))} "$@"\n')
    start.chmod(0o755)
    rule = f"--host-resolver-rules=MAP {HOST}:443 {colleague.gateway}:443"
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=start, args=[*FLAGS, rule], env={**os.environ})
        yield chromium
        chromium.close()


def kc(place: Place, commands: str) -> str:
    """Run commands of the guide's chapter on people."""
    return place.run(f"{block('People', 0)}\n{commands}", timeout=300)


def test_three_commands_are_enough(stack: Place) -> None:
    assert stack.states() == dict.fromkeys(EXPECTED, "healthy")
    up = "count(ticketing_exporter_collector_success == 1) == 6"
    wait_until(lambda: stack.query(up), "every section is collected from the platform")
    assert not stack.query('up{job=~"ticketing.*|responder|grafana|node|alertmanager|prometheus"} == 0')


@pytest.fixture(scope="module")
def secret(stack: Place, browser: Any) -> str:
    """Of the one-time passwords of a person whom the guide's commands added, and who enrolled at the first sign-in."""
    kc(stack, block("People", 1))
    page = visitor(browser)
    give_password(page, "ana", FIRST_PASSWORD)
    found = ""
    for _ in range(2):
        page.wait_for_selector("#password-new, #mode-manual")
        if page.query_selector("#password-new"):
            choose_password(page, PASSWORD)
        else:
            found = set_up_authenticator(page)
    assert "You are signed in, but not entitled" in shown(page)
    page.click("text=sign out")
    page.click("#kc-logout")
    page.wait_for_selector("#username")
    return found


def test_a_person_sees_the_dashboard_and_without_grafana_the_board(stack: Place, browser: Any, secret: str) -> None:
    page = sign_in(browser, secret)
    assert "/admin/monitoring/d/ticketing/ticketing?var-section=kpis&from=now-6h" in shown(page)
    stack.run("docker compose stop grafana")
    answer = page.goto(f"{BASE}/admin/monitoring/d/ticketing/ticketing")
    assert answer.status == 503
    assert "The dashboard is not answering" in shown(page)
    assert [name for name in SECTIONS if page.query_selector(f"section#{name}") is None] == []
    stack.run("docker compose start grafana")
    wait_until(lambda: page.goto(f"{BASE}/admin/monitoring/").status == 200, "the dashboard is back", 60)


def sign_in(browser: Any, secret: str) -> Any:
    """Sign in with name, password and code; returns the page, which is the dashboard."""
    next_period()
    page = visitor(browser)
    give_password(page, "ana")
    page.wait_for_selector("#otp")
    give_code(page, code(secret))
    page.wait_for_url(f"{BASE}/admin/monitoring/d/ticketing/ticketing?var-section=kpis&from=now-6h")
    return page


def test_people_come_back_with_the_backup(stack: Place, browser: Any, secret: str) -> None:
    stack.run(inline("docker compose exec -T postgres pg_dump"))
    stack.run("docker compose down -v")
    stack.run(inline("docker compose up -d --wait postgres"))
    stack.run(inline("docker compose exec -T postgres pg_restore"))
    stack.run(inline("docker compose up -d --build --wait"), timeout=900)
    assert "ana" in kc(
        stack, "kc get users -r nft -q username=ana -q exact=true --fields username --format csv --noquotes"
    )
    sign_in(browser, secret)


ROTATED = {
    "tls_certificate": ("tls_certificate", "tls_certificate_key"),
    "gate_cookie_secret": ("gate_cookie_secret",),
    "redis_password": ("redis_password",),
    "responder_read_token": ("responder_read_token",),
    "grafana_secret_key": ("grafana_secret_key",),
    "gate_oidc_secret": ("gate_oidc_secret",),
    "grafana_oidc_secret": ("grafana_oidc_secret",),
}


def test_every_secret_is_rotated(stack: Place, browser: Any, secret: str) -> None:
    for first, names in ROTATED.items():
        before = {name: (stack.directory / "secrets" / name).read_text() for name in names}
        stack.run(f"rm -f {' '.join(f'secrets/{name}' for name in names)}\nmake secrets")
        assert all((stack.directory / "secrets" / name).read_text() != old for name, old in before.items())
        line = "gate_oidc_secret" if first == "grafana_oidc_secret" else first
        commands = row("Rotate a secret", f"`{line}`")
        if first == "grafana_oidc_secret":  # "the same with": its own line has the last command alone
            same = commands.replace("gate", "grafana").splitlines()[:-1]
            own = row("Rotate a secret", "`grafana_oidc_secret`").splitlines()
            commands = "\n".join([*same, *(one for one in own if one.startswith("docker"))])
        kc(stack, commands)
    # Those of which the guide says "first", with a value in place of its dots.
    first_of_admin = row("Rotate a secret", "`keycloak_admin_password`").replace("…", "another-admin-passw0rd")
    kc(stack, first_of_admin.splitlines()[0])
    stack.run(
        "rm -f secrets/keycloak_admin_password; printf %s another-admin-passw0rd > secrets/keycloak_admin_password"
    )
    alter, restart = row("Rotate a secret", "`keycloak_database_password`").splitlines()
    stack.run("rm -f secrets/keycloak_database_password\nmake secrets")
    stack.run(alter.replace("…", (stack.directory / "secrets" / "keycloak_database_password").read_text()))
    stack.run(f"docker compose up -d --force-recreate --no-deps postgres\n{restart}")
    # Of the platform: there first.
    owner = "docker exec tm-platform psql -U platform -d ticketing -c \"ALTER ROLE monitoring_{} PASSWORD '{}'\""
    for role, line in (("reader", "`platform_reader_dsn`"), ("responder", "`platform_responder_dsn`")):
        stack.run(owner.format(role, f"another-{role}-passw0rd"))
        dsn = f"postgresql://monitoring_{role}:another-{role}-passw0rd@{ADDRESS}:5432/ticketing"
        stack.run(f"rm -f secrets/platform_{role}_dsn; printf %s '{dsn}' > secrets/platform_{role}_dsn")
        stack.run(f"chmod 444 secrets/platform_{role}_dsn\n{row('Rotate a secret', line)}")
    stack.run(
        f"rm -f alertmanager/secrets/responder_token\nmake secrets\n{row('Rotate a secret', '`responder_token`')}"
    )
    wait_until(lambda: stack.states() == dict.fromkeys(EXPECTED, "healthy"), "all are healthy", 400, every=3)
    wait_until(lambda: stack.query("count(ticketing_exporter_collector_success == 1) == 6"), "all is collected")
    kc(stack, "kc get realms/nft --fields realm")
    sign_in(browser, secret)


def test_a_wrong_password_of_the_platform_is_told_and_shown_to_nobody(stack: Place) -> None:
    path = stack.directory / "secrets" / "platform_reader_dsn"
    right = path.read_text()
    wrong = re.sub(r":[^:/@]+@", ":a-wrong-passw0rd@", right)
    stack.run(f"rm -f {path}; printf %s '{wrong}' > {path}; chmod 444 {path}; docker compose restart exporter")
    why = "password authentication failed"
    wait_until(lambda: why in stack.run("docker compose logs exporter"), "it is in the log")
    wait_until(lambda: stack.query('ALERTS{alertname="CollectorFailing"}'), "it is told", 180)
    wait_until(lambda: stack.states()["exporter"] == "healthy", "what it tells of does not end it")
    assert "a-wrong-passw0rd" not in stack.run("docker compose logs")
    stack.run(f"rm -f {path}; printf %s '{right}' > {path}; chmod 444 {path}; docker compose restart exporter")
    wait_until(lambda: stack.query("count(ticketing_exporter_collector_success == 1) == 6"), "all is collected")


def test_an_expired_certificate_is_seen(stack: Place, colleague: Client) -> None:
    certificate, key = (stack.directory / "secrets" / name for name in ("tls_certificate", "tls_certificate_key"))
    past = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert(HOST, not_after=datetime.now(UTC) - timedelta(days=1))
    kept = certificate.read_bytes(), key.read_bytes()
    write(certificate, past.cert_chain_pems[0].bytes())
    write(key, past.private_key_pem.bytes())
    stack.run(row("Rotate a secret", "`tls_certificate`"))
    wait_until(lambda: stack.states()["gateway"] == "healthy", "the gateway runs")
    assert colleague.status("/admin/monitoring/", certificate=certificate) == 0
    wait_until(lambda: stack.query('ALERTS{alertname="ServiceDown",probe="gateway"}'), "it is told", 180)
    for file, content in zip((certificate, key), kept, strict=True):
        write(file, content)
    stack.run(row("Rotate a secret", "`tls_certificate`"))
    wait_until(lambda: stack.query('ticketing:probe_success:max{probe="gateway"} == 1'), "it is well again", 180)


def write(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)
    file.chmod(0o444)
