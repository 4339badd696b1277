"""The stack's own configuration files with other addresses: simulator, exporter, Prometheus and nginx together.

Oauth2-proxy, Keycloak and Grafana are stand-ins here; the first two are real in `make test-identity`.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from simulator.demo.parts import PROMETHEUS_FLAGS
from simulator.demo.programs import DATABASE, Simulator
from simulator.local.ports import free_port
from simulator.local.postgres import Postgres
from simulator.local.prometheus import SHIPPED_DIRECTORY, Prometheus
from simulator.local.redis import Redis
from simulator.local.server import Server
from tests.compose.stack import ROOT
from tests.gateway.edge import HOST, HTML, Edge, edge
from tests.prometheus.board import SECTIONS, section

#: Docker's DNS, on a machine that has none: the gateway's name is the loopback.
WITH_ITS_NAME = (
    "import socket, sys; real = socket.getaddrinfo\n"
    f"socket.getaddrinfo = lambda host, *a, **k: real('127.0.0.1' if host == {HOST!r} else host, *a, **k)\n"
    "from exporter.__main__ import main; sys.exit(main())"
)


class Exporter(Server):
    """The exporter with the configuration of profile demo."""

    name = "exporter"

    def __init__(self, directory: Path, config: Path, sources: Mapping[str, str]) -> None:
        super().__init__(directory)
        self._config = config
        self._sources = sources

    def command(self) -> Sequence[str]:
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return [sys.executable, "-c", WITH_ITS_NAME, f"--config.file={self._config}", address]

    def environment(self) -> Mapping[str, str]:
        return {**self._sources, "PYTHONPATH": str(ROOT)}

    def ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/-/healthy", timeout=2).ok
        except requests.RequestException:
            return False


@dataclass
class Stack:
    edge: Edge
    prometheus: Prometheus

    def wait_for(self, query: str, timeout_seconds: float = 60) -> None:
        self.wait_until(lambda: bool(self.prometheus.query(query)), query, timeout_seconds)

    @staticmethod
    def wait_until(condition: Callable[[], bool], what: str, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.2)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack")
    with ExitStack() as servers:
        postgres, redis = servers.enter_context(Postgres()), servers.enter_context(Redis())
        postgres.create_database(DATABASE)
        simulator = servers.enter_context(Simulator(directory / "simulator", postgres, redis, None, 0.1))
        prometheus_port = free_port()
        gateway = servers.enter_context(
            edge(directory, prometheus=f"127.0.0.1:{prometheus_port}", allowed_networks="127.10.0.0/16")
        )
        gateway.authority.cert_pem.write_to_path(directory / "ca.pem")
        addresses = {
            "http://grafana:3000": f"http://{gateway.grafana.address}",
            "http://oauth2-proxy:4180": f"http://{gateway.gate.address}",
            "http://keycloak:9000": f"http://{gateway.keycloak.address}",
            "http://simulator:8030": f"http://127.0.0.1:{simulator.port}",
            f"https://{HOST}:8443": f"https://{HOST}:{gateway.nginx.port}",
            "/run/secrets/tls_certificate": str(directory / "ca.pem"),
            "interval: 60s": "interval: 5s",
        }
        text = (ROOT / "deploy" / "compose" / "exporter-demo.yml").read_text()
        for shipped, here in addresses.items():
            assert shipped in text
            text = text.replace(shipped, here)
        (directory / "exporter.yml").write_text(text)
        sources = {"POSTGRES_DSN": postgres.dsn("monitoring_reader", DATABASE), "REDIS_URL": redis.url()}
        exporter = servers.enter_context(Exporter(directory / "exporter", directory / "exporter.yml", sources))
        prometheus = Prometheus(
            prometheus_config(directory, exporter.port, prometheus_port),
            directory / "prometheus",
            prometheus_port,
            PROMETHEUS_FLAGS,
        )
        yield Stack(gateway, servers.enter_context(prometheus))


def prometheus_config(directory: Path, exporter: int, prometheus: int) -> Path:
    """The shipped file with the addresses of what runs here; nothing listens on the others'."""
    ports = {"exporter:8010": exporter, "localhost:9090": prometheus}
    config = yaml.safe_load((SHIPPED_DIRECTORY / "prometheus.yml").read_text())
    config["rule_files"] = [str(SHIPPED_DIRECTORY / pattern) for pattern in config["rule_files"]]
    for job in [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]:
        targets = job["static_configs"][0]["targets"]
        job["static_configs"][0]["targets"] = [f"127.0.0.1:{ports.get(target, 9)}" for target in targets]
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_comes_up_watches_itself_and_falls_back(stack: Stack) -> None:
    # The monitor is probed, the gateway by being refused: its own network is not inside.
    stack.wait_for("count(ticketing:probe_success:max == 1) == 10")
    assert stack.prometheus.query('ticketing:probe_success:max{probe="gateway"} == 1')

    stack.wait_for("ticketing:kpi_transactions_per_hour:max and on () ticketing:fraud_predictions:sum")
    page = stack.edge.ask("/admin/fallback", session="with-otp", headers=HTML)
    assert page.status == 200
    assert [name for name in SECTIONS if not section(page.body, name)] == []
    assert "gateway ✔ UP" in section(page.body, "health")
    assert "no data" not in section(page.body, "kpis").split("Transactions")[1].split("Target")[0].split("▲")[0]

    # Grafana goes: it is seen, the alert waits its five minutes, people have the board.
    stack.edge.grafana.hangs_up = True
    stack.wait_for('ALERTS{alertname="DashboardDown",alertstate="pending"}')
    down = stack.edge.ask("/admin/monitoring/d/ticketing/ticketing", session="with-otp", headers=HTML)
    assert down.status == 503
    assert "The dashboard is not answering" in down.body
    assert "grafana ✖ DOWN" in section(down.body, "health")

    # It comes back by itself.
    stack.edge.grafana.hangs_up = False
    stack.wait_for('ticketing:probe_success:max{probe="grafana"} == 1')
    assert stack.edge.ask("/admin/monitoring/", session="with-otp", headers=HTML).status == 200
