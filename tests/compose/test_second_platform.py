"""The guide's second platform: Compose, Prometheus and Alertmanager take what it says, and keep the two apart."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import scale
from tests.compose.stack import ROOT
from tests.compose.test_accepted import PLATFORM, check, compose

GUIDE = (ROOT / "docs" / "operations.md").read_text().partition("## A second platform\n")[2].partition("\n## ")[0]
OVERRIDE, TARGETS = (textwrap.dedent(block) for block in re.findall(r"(?s) *```yaml\n(.*?) *```", GUIDE))

__all__ = ["compose"]


def test_compose_takes_its_services(compose: list[str], tmp_path: Path) -> None:
    file = tmp_path / "override.yml"
    file.write_text(OVERRIDE.replace("file: docker-compose.yml", f"file: {ROOT / 'docker-compose.yml'}"))
    result = check(compose, "-f", "docker-compose.yml", "-f", file, variables=PLATFORM)
    assert result.returncode == 0, result.stderr


def test_its_targets_are_its_services() -> None:
    (group,) = yaml.safe_load(TARGETS)
    named = [target.partition(":")[0] for target in group["targets"]]
    (other,) = re.findall(r"with `([a-z-]+):19878`", GUIDE)
    assert {*named, other} == yaml.safe_load(OVERRIDE.replace("!override", ""))["services"].keys()
    shipped = yaml.safe_load(scale.SHIPPED.read_text())
    first = next(job for job in shipped["scrape_configs"] if job["job_name"] == "ticketing-live")
    assert group.keys() == first["static_configs"][0].keys()


@pytest.fixture
def alertmanager(tmp_path: Path) -> Path:
    """alertmanager.yml with the second responder, as the guide has it."""
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text()
    route, found = re.subn(r"(?m)^( *)# (routes:|  - matchers: \[platform=|    receiver: responder-)", r"\1\2", text)
    assert found == 3
    config: dict[str, Any] = yaml.safe_load(route)
    (receiver,) = (one for one in config["receivers"] if one["name"] == "responder")
    (name, url) = re.findall(r"`(responder-staging)`, with its URL `(http\S+)`", " ".join(GUIDE.split()))[0]
    (webhook,) = receiver["webhook_configs"]
    config["receivers"].append({"name": name, "webhook_configs": [{**webhook, "url": url}]})
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    (tmp_path / "templates").symlink_to(ROOT / "alertmanager" / "templates")
    return file


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["platform=main"], "responder,pagerduty"),
        (["platform=staging"], "responder-staging,pagerduty"),
        ([], "responder,pagerduty"),
    ],
)
def test_each_responder_is_told_of_its_platform(alertmanager: Path, labels: list[str], receivers: str) -> None:
    command = ["amtool", "config", "routes", "test", f"--config.file={alertmanager}", f"--verify.receivers={receivers}"]
    labels = ["alertname=FraudRateSpike", "severity=high", "team=fraud", "playbook=FraudRateSpike", *labels]
    result = subprocess.run([*command, *labels], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_check_has_nothing_against_it(alertmanager: Path) -> None:
    command = [sys.executable, str(ROOT / "alertmanager" / "check.py"), str(alertmanager.parent)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    refused = [line for line in result.stdout.splitlines() if line.startswith("refused") and "secret file" not in line]
    assert not refused
