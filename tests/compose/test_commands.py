"""Shell in docker-compose.yml, run with the programs of this machine."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import psycopg2
import pytest
import redis
import requests

from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres, newest_programs
from testbed.servers.process import as_user
from testbed.servers.prometheus import Prometheus
from tests.compose.stack import ROOT, services
from tests.gateway.standins import Reply, StandIn


@pytest.mark.parametrize("name", ["redis", "platform-redis"])
def test_redis_asks_for_its_password(tmp_path: Path, name: str) -> None:
    service, port = services()[name], free_port()
    secret = f"/run/secrets/{service['secrets'][0]}"
    (tmp_path / "password").write_text("a-long-password")

    def here(text: str) -> str:
        assert secret in text
        return text.replace(secret, str(tmp_path / "password"))

    *shell, script = service["entrypoint"]
    script = here(script).replace("redis-server - ", f"redis-server - --bind 127.0.0.1 --port {port} ")
    with subprocess.Popen([*shell, script], cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            client = redis.Redis(port=port, password="a-long-password", socket_timeout=2)
            deadline = time.monotonic() + 10
            while True:
                try:
                    assert client.ping()
                    break
                except redis.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port, socket_timeout=2).ping()
            health = service["healthcheck"]["test"][1]
            command = here(health).replace("redis-cli ", f"redis-cli -p {port} ")
            subprocess.run(["sh", "-c", command], check=True, timeout=10)
        finally:
            server.terminate()


def test_keycloak_gets_its_secrets_from_files(tmp_path: Path) -> None:
    subprocess.run([ROOT / "tools" / "secrets.sh", tmp_path], check=True, capture_output=True)
    kc = tmp_path / "kc.sh"
    kc.write_text('#!/bin/sh\necho "$@"; env')
    kc.chmod(0o755)
    script = (ROOT / "gateway" / "keycloak.sh").read_text()
    script = script.replace("/run/secrets", f"{tmp_path}/secrets").replace("/opt/keycloak/bin/kc.sh", str(kc))
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("start --optimized --import-realm\n")
    variables = dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)
    for name, file in {
        "GATE_OIDC_SECRET": "gate_oidc_secret",
        "GRAFANA_OIDC_SECRET": "grafana_oidc_secret",
        "KC_DB_PASSWORD": "keycloak_database_password",
        "KC_BOOTSTRAP_ADMIN_PASSWORD": "keycloak_admin_password",
    }.items():
        assert variables[name] == (tmp_path / "secrets" / file).read_text()
        assert f"/{file}" not in variables[name]
    asked = set(re.findall(r"\$\{(\w+)\}", (ROOT / "gateway" / "templates" / "realm.json").read_text()))
    assert asked <= variables.keys()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_keycloaks_health_check(status: int | None, healthy: bool) -> None:
    answering = StandIn(lambda _: Reply(status or 0, '{"status": "UP"}'))
    with answering.serving() if status else nullcontext():
        address = answering.address or f"127.0.0.1:{free_port()}"
        command, *arguments = services()["keycloak"]["healthcheck"]["test"][1:]
        arguments[-1] = arguments[-1].replace("/dev/tcp/127.0.0.1/9000", f"/dev/tcp/{address.replace(':', '/')}")
        result = subprocess.run([command, *arguments], capture_output=True, timeout=10, check=False)
    assert (result.returncode == 0) is healthy
    assert [seen.path for seen in answering.seen] == (["/auth/health/ready"] if status else [])


def test_roles_of_the_demos_platform_get_their_passwords(tmp_path: Path, own_postgres: Callable[[], Postgres]) -> None:
    server, password = own_postgres(), 'it\'s a \\ "password"'
    for role in ("reader", "responder"):
        (tmp_path / f"platform_{role}_password").write_text(password)
    script = (ROOT / "deploy" / "compose" / "platform-roles.sh").read_text().replace("/run/secrets", str(tmp_path))
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "POSTGRES_USER": "postgres", "POSTGRES_DB": "postgres"}
    subprocess.run(["sh", "-c", script], env={**os.environ, **place}, check=True, capture_output=True)
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all monitoring_reader,monitoring_responder 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    server.execute("SELECT pg_reload_conf()")
    for name in ("monitoring_reader", "monitoring_responder"):
        psycopg2.connect(server.dsn(name, password=password)).close()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(server.dsn(name, password="another"))


class PostgresOfTheImage(Postgres):
    """As the image makes its database: with the arguments of the stack, and a line on who comes over the network."""

    role = services()["postgres"]["environment"]["POSTGRES_USER"]
    password = "a-long-password"

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700)
        (self.directory / "password").write_text(self.password)
        arguments = services()["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
        initdb = [str(newest_programs() / "initdb"), "-D", str(self.data), "-U", self.role, "--no-sync"]
        initdb += [f"--pwfile={self.directory / 'password'}", *arguments]
        if self.user is not None:
            shutil.chown(self.data, self.user)
            initdb = as_user(self.user, initdb)
        subprocess.run(initdb, cwd="/", check=True, capture_output=True)
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")

    def ready(self) -> bool:
        asked = [str(newest_programs() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def test_the_guides_reload_reaches_prometheus(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    (command,) = re.findall(r"docker compose exec prometheus (kill .*?) 1`", guide)
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {external_labels: {replica: before}}\n")
    with Prometheus(config, tmp_path / "data") as server:
        config.write_text("global: {external_labels: {replica: after}}\n")
        assert server.process is not None
        # In its container it is process 1.
        subprocess.run(["sh", "-c", f"{command} {server.process.pid}"], check=True)

        def loaded() -> bool:
            answer = requests.get(f"{server.url}/api/v1/status/config", timeout=10)
            return "replica: after" in answer.json()["data"]["yaml"]

        server.process.wait_until(loaded)


def test_the_guides_backup_needs_no_password_and_the_network_does() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    backup = re.search(r"docker compose exec -T postgres (pg_dump .*?) >", guide)
    assert backup
    with PostgresOfTheImage(settings={"unix_socket_directories": "."}) as server:
        place = {"PATH": f"{newest_programs()}:/usr/bin:/bin", "PGPORT": str(server.port)}
        inside, outside = {**place, "PGHOST": str(server.data)}, {**place, "PGHOST": "127.0.0.1"}
        create = ["psql", "-U", server.role, "-d", "postgres", "-c", "CREATE DATABASE keycloak"]
        subprocess.run(create, env=inside, check=True, capture_output=True)
        assert subprocess.run(backup[1].split(), env=inside, check=True, capture_output=True).stdout
        refused = subprocess.run(["psql", "-w", "-U", server.role], env=outside, capture_output=True, check=False)
        assert b"password" in refused.stderr
        psycopg2.connect(f"host=127.0.0.1 port={server.port} user={server.role} password={server.password}").close()
