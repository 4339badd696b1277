"""The versions that are documented are those that the programs ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from common import postgres, redis_server

ROOT = Path(__file__).parents[2]
DOCUMENTED = dict(
    re.findall(r"^\| ([\w-]+) \| ([0-9.]+) \|", (ROOT / "docs/requirements.md").read_text(), re.MULTILINE)
)


def test_servers() -> None:
    assert DOCUMENTED["PostgreSQL"] == str(postgres.OLDEST)
    assert f"Redis {DOCUMENTED['Redis']}" == redis_server.OLDEST


def test_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={DOCUMENTED['Python']}"
    assert f"flask-limiter>={DOCUMENTED['Flask-Limiter']}" in project["optional-dependencies"]["dev"]


def test_dashboards() -> None:
    assert f"Grafana {DOCUMENTED['Grafana']} to " in (ROOT / "grafana/README.md").read_text()
