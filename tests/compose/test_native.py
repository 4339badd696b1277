"""The stack of profile demo without Docker: its own commands, configuration files, secrets and variables.

Oauth2-proxy, Keycloak and Grafana are stand-ins here; the first two are real in `make test-identity`.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest
import requests
from psycopg2 import sql

from demo import compose as demo
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.compose.native import Native
from tests.compose.stack import ROOT, services
from tests.gateway import standins
from tests.gateway.attacks import DASHBOARD
from tests.gateway.edge import HTML, Edge
from tests.gateway.standins import StandIn
from tests.prometheus.board import SECTIONS, section

DEMO = "deploy/compose/demo.env"
#: Started together, in an order in which nearly everything is missed by somebody at first.
SERVICES = (
    "gateway",
    "prometheus",
    "alertmanager",
    "responder",
    "exporter",
    "node-exporter",
    "inbox",
    "simulator",
)
#: What .env would say of the people in these tests.
ENVIRONMENT = "ALLOWED_NETWORKS=127.10.0.0/16\n"
#: Have probes and scrapes of every minute, or four of them, which nobody wants to wait for.
HASTENED = ("deploy/compose/exporter-demo.yml", "prometheus/prometheus.yml")


@dataclass
class Stack:
    edge: Edge
    native: Native
    postgres: Postgres
    token: Path

    def url(self, service: str, port: int) -> str:
        return f"http://{self.native.address(service, port)}"

    def query(self, promql: str) -> list[tuple[dict[str, str], float]]:
        address = f"{self.url('prometheus', 9090)}/api/v1/query"
        answer = requests.get(address, params={"query": promql}, timeout=10)
        answer.raise_for_status()
        return [(one["metric"], float(one["value"][1])) for one in answer.json()["data"]["result"]]

    def notifications(self) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url('inbox', 8040)}/api/notifications", timeout=10)
        answer.raise_for_status()
        kept: list[dict[str, Any]] = answer.json()["notifications"]
        return kept

    def channels(self, alert: str) -> set[str]:
        return {one["channel"] for one in self.notifications() if alert in str(one["raw"])}

    def wait(self, condition: Callable[[], object], what: str, timeout_seconds: float = 90) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}; up: {self.query('up')}"
            time.sleep(0.2)

    def wait_for(self, query: str) -> None:
        self.wait(lambda: self.query(query), query)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack")
    generated = make(directory)
    secrets = generated["secrets"]
    with ExitStack() as started:
        gate, grafana, keycloak = (
            started.enter_context(StandIn(answer).serving())
            for answer in (standins.gate, standins.grafana, standins.keycloak)
        )
        redis = started.enter_context(Redis(password=(secrets / "platform_redis_password").read_text()))
        postgres = started.enter_context(Postgres())
        create_platform(postgres, secrets)
        elsewhere = {
            "grafana:3000": grafana.address,
            "oauth2-proxy:4180": gate.address,
            "keycloak:8080": keycloak.address,
            "keycloak:9000": keycloak.address,
            "platform-postgres:5432": f"127.0.0.1:{postgres.port}",
            "platform-redis:6379": f"127.0.0.1:{redis.port}",
        }
        native = Native(directory / "containers", [DEMO], generated, elsewhere)
        # A short history: the demo's own day takes a while to write.
        more = {"simulator": ["--history.hours=0.1"]}
        started.enter_context(native.running([native.process(name, *more.get(name, [])) for name in SERVICES]))
        port = int(native.address("gateway", 8443).rpartition(":")[2])
        log = directory / "containers" / "gateway.log"
        behind = (gate, grafana, keycloak, StandIn(standins.prometheus), StandIn(standins.responder))
        edge = Edge(port, log, secrets / "tls_certificate", *behind)
        yield Stack(edge, native, postgres, generated["alertmanager/secrets"] / "responder_token")


def make(directory: Path) -> dict[str, Path]:
    """What `make secrets gateway stack-demo` writes before it starts anything."""
    (directory / ".env").write_text(ENVIRONMENT)
    subprocess.run([ROOT / "tools" / "secrets.sh", directory], check=True, capture_output=True)
    gateway = directory / "gateway"
    options = [f"--env-file={directory / '.env'}", f"--secrets={directory / 'secrets'}", f"--output={gateway}"]
    subprocess.run([sys.executable, "-m", "gateway", *options], cwd=ROOT, check=True, capture_output=True)
    demo.main(directory / "demo")
    for file in HASTENED:
        hastened, found = re.subn(r"(interval|timeout): (15|30|60)s", r"\1: 5s", (ROOT / file).read_text())
        assert found
        (directory / Path(file).name).write_text(hastened)
    return {
        "secrets": directory / "secrets",
        "alertmanager/secrets": directory / "alertmanager" / "secrets",
        "gateway/rendered": gateway,
        "deploy/rendered/demo": directory / "demo",
        **{file: directory / Path(file).name for file in HASTENED},
    }


def create_platform(postgres: Postgres, secrets: Path) -> None:
    """The database of `platform-postgres` as its image makes it: an owner, the roles, passwords for everybody."""
    owner = services(DEMO)["platform-postgres"]["environment"]["POSTGRES_USER"]
    database = services(DEMO)["platform-postgres"]["environment"]["POSTGRES_DB"]
    password = (secrets / "platform_postgres_password").read_text()
    create = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}")
    postgres.execute(create.format(sql.Identifier(owner), sql.Literal(password)))
    postgres.create_database(database)
    script = (ROOT / "deploy" / "compose" / "platform-roles.sh").read_text().replace("/run/secrets", str(secrets))
    place = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "POSTGRES_USER": "postgres", "POSTGRES_DB": database}
    subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin", **place}, check=True, capture_output=True)
    rules = postgres.data / "pg_hba.conf"
    rules.write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
    postgres.execute("SELECT pg_reload_conf()")
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(postgres.dsn("monitoring_reader", database))


def test_an_attack_while_grafana_is_down_is_answered_and_seen(stack: Stack) -> None:
    comes_up(stack)
    stack.edge.grafana.hangs_up = True
    answers_an_attack(stack)
    is_seen_on_the_board(stack)
    stack.edge.grafana.hangs_up = False
    is_seen_on_the_dashboard(stack)
    has_its_report(stack)


def comes_up(stack: Stack) -> None:
    stack.wait_for("count(up == 1) == count(up) and count(up) == 8")
    # The monitor is probed, the gateway by being refused: its own network is not inside.
    stack.wait_for("count(ticketing:probe_success:max == 1) == 10")
    stack.wait_for("count(ticketing_exporter_collector_success == 1) == 6")
    stack.wait(lambda: "heartbeat" in stack.channels("Watchdog"), "the dead man's switch hears of it")


def answers_an_attack(stack: Stack) -> None:
    episode = f"{stack.url('simulator', 8030)}/control/episodes/admin_attack"
    requests.post(episode, json={"login_failures": 0, "repeat_minutes": 0.5}, timeout=10).raise_for_status()
    told = {"pagerduty", "sms", "responder", "slack"}
    stack.wait(lambda: stack.channels("UnauthorizedAdminAccess") == told, "everybody is told")
    stack.wait(lambda: locked(stack.postgres) == {"alice.ops"}, "the account is locked")
    token = stack.token.read_text()

    def done() -> dict[str, str]:
        incidents = f"{stack.url('responder', 19878)}/incidents"
        answer = requests.get(incidents, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()["incidents"]
        return {each["action"]: each["state"] for incident in answer for each in incident["actions"]}

    acts = {"lock_account", "record_siem", "add_threat_indicator", "open_siem_incident", "notify"}
    stack.wait(lambda: {act for act, state in done().items() if state == "done"} == acts, "all is done")


def locked(postgres: Postgres) -> set[str]:
    with closing(psycopg2.connect(postgres.dsn(dbname="ticketing"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT account FROM platform.admin_accounts WHERE locked_at IS NOT NULL")
        return {account for (account,) in cursor.fetchall()}


def is_seen_on_the_board(stack: Stack) -> None:
    """Who asks for the dashboard has the board, which knows that Grafana is down; its alert waits its five minutes."""
    stack.wait_for('ALERTS{alertname="DashboardDown",alertstate="pending"}')
    stack.wait_for("ticketing:kpi_transactions_per_hour:max and on () ticketing:fraud_predictions:sum")
    shown = stack.edge.ask(DASHBOARD, session="with-otp", headers=HTML)
    assert shown.status == 503
    assert "The dashboard is not answering" in shown.body
    assert [name for name in SECTIONS if not section(shown.body, name)] == []
    assert "CRITICAL UnauthorizedAdminAccess alice.ops" in section(shown.body, "alerts")
    assert "alice.ops" in section(shown.body, "security")
    assert "grafana ✖ DOWN" in section(shown.body, "health")
    assert "gateway ✔ UP" in section(shown.body, "health")
    assert "no data" not in section(shown.body, "kpis").split("Transactions")[1].split("Target")[0].split("▲")[0]

    assert stack.edge.ask("/admin/fallback", session="with-otp", headers=HTML).status == 200
    assert stack.edge.ask("/admin/fallback", session="password-only", headers=HTML).status == 403
    assert stack.edge.ask("/admin/fallback", source="127.30.0.1", session="with-otp", headers=HTML).status == 403


def is_seen_on_the_dashboard(stack: Stack) -> None:
    """The link of the page leads there, as soon as Grafana is back."""
    page = next(one["raw"] for one in stack.notifications() if one["channel"] == "pagerduty")
    link = urlsplit(page["client_url"])
    assert link.path == DASHBOARD
    shown = stack.edge.ask(f"{link.path}?{link.query}", session="with-otp", headers=HTML)
    assert shown.status == 200
    assert stack.edge.grafana.seen[-1].path == f"{link.path}?{link.query}"
    stack.wait_for('ticketing:probe_success:max{probe="grafana"} == 1')


def has_its_report(stack: Stack) -> None:
    """For who may see the dashboard, by the link of the row What was done."""
    with closing(psycopg2.connect(stack.postgres.dsn(dbname="ticketing"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT correlation_id::text FROM monitoring.responder_activity")
        ((incident,),) = cursor.fetchall()
    shown = stack.edge.ask(f"/admin/incidents/{incident}", session="with-otp", headers=HTML)
    assert (shown.status, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "# UnauthorizedAdminAccess of alice.ops" in shown.body
    assert stack.edge.ask(f"/admin/incidents/{incident}", session="password-only", headers=HTML).status == 403
    assert stack.edge.ask(f"/admin/incidents/{incident}").status == 401
    assert stack.edge.ask(f"/admin/incidents/{uuid4()}", session="with-otp", headers=HTML).status == 404
