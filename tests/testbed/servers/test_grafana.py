"""How an installed Grafana is found and started; a stand-in writes down what it was given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from demo.configs import write_configs
from demo.parts import Parts, plan
from testbed.servers.grafana import PACKAGED_HOME, SHIPPED, home_of, installed_program

STAND_IN = """#!{python}
import http.server, json, os, sys
json.dump([sys.argv[1:], dict(os.environ)], open({told!r}, "w"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/admin/monitoring/api/health" else 404)
        self.end_headers()
address = os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])
http.server.HTTPServer(address, Handler).serve_forever()
"""


def install(home: Path, name: str) -> Path:
    """A program that answers as a healthy Grafana; returns where it says what it was told."""
    told = home / "told.json"
    program = home / "bin" / name
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN.format(python=sys.executable, told=str(told)))
    program.chmod(0o755)
    (home / "conf").mkdir()
    (home / "conf" / "defaults.ini").touch()
    return told


def parts_with(home: Path, name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Parts, Path]:
    told = install(home, name)
    monkeypatch.setenv("GRAFANA_HOME", str(home))
    directory.mkdir()
    return plan(directory, None, 1), told


@pytest.mark.parametrize(("name", "first"), [("grafana", ["server"]), ("grafana-server", [])])
def test_it_is_started_with_the_shipped_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, first: list[str]
) -> None:
    home = tmp_path / "grafana-12"
    parts, told = parts_with(home, name, tmp_path / "run", monkeypatch)
    assert parts.grafana is not None
    assert parts.all[-1] is parts.grafana
    with parts.grafana as grafana:
        arguments, environment = json.loads(told.read_text())
        assert grafana.home_page == f"http://127.0.0.1:{grafana.port}/admin/monitoring/"
    assert arguments == [*first, f"--homepath={home}", f"--config={SHIPPED}/grafana.ini"]
    assert environment["GF_PATHS_PROVISIONING"] == str(SHIPPED / "provisioning")
    assert environment["PROMETHEUS_URL"] == parts.prometheus.url
    assert environment["POSTGRES_ADDRESS"] == f"127.0.0.1:{parts.postgres.port}"
    assert environment["POSTGRES_USER"] == "monitoring_reader"
    assert (Path(environment["DASHBOARDS_PATH"]) / "ticketing.json").exists()


def test_it_has_every_variable_that_the_shipped_files_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _ = parts_with(tmp_path / "home", "grafana", tmp_path / "run", monkeypatch)
    assert parts.grafana is not None
    files = [SHIPPED / "grafana.ini", *(SHIPPED / "provisioning").rglob("*.yml")]
    wanted = {part.partition("}")[0] for file in files for part in file.read_text().split("$__env{")[1:]}
    assert wanted <= parts.grafana.environment().keys()


def test_alerts_lead_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _ = parts_with(tmp_path / "home", "grafana", tmp_path / "run", monkeypatch)
    assert parts.grafana is not None
    write_configs(parts)
    texts = (parts.alertmanager.config.parent / "templates" / "destinations.tmpl").read_text()
    assert parts.grafana.url in texts


def test_without_one_the_demo_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_HOME", str(tmp_path / "nowhere"))
    assert installed_program() is None
    parts = plan(tmp_path, None, 1)
    assert parts.grafana is None
    assert "grafana" not in [server.name for server in parts.all]


def test_one_on_the_search_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    install(tmp_path, "grafana-server")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert installed_program() == [str(tmp_path / "bin" / "grafana-server")]
    assert home_of([str(tmp_path / "bin" / "grafana-server")]) == tmp_path


def test_a_packaged_one_has_its_files_elsewhere() -> None:
    assert home_of(["/usr/sbin/grafana-server"]) == PACKAGED_HOME
