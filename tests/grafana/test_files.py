"""The committed dashboards are what the code writes, and what Grafana's provisioning wants."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.dashboards.__main__ import DASHBOARDS, write
from testbed.viewer.board import FOLDER, ROOT, UIDS, dashboard

PROVISIONING = ROOT / "grafana" / "provisioning"


def test_the_committed_files_are_what_the_code_writes(tmp_path: Path) -> None:
    write(tmp_path)
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert written == {file.name: file.read_bytes() for file in FOLDER.glob("*.json")}, "run `make dashboards`"


def test_another_process_with_other_hashes_writes_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grafana.dashboards", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": "12345", "PATH": ""})
    for uid in UIDS:
        assert (tmp_path / f"{uid}.json").read_bytes() == (FOLDER / f"{uid}.json").read_bytes()


def test_names_and_addresses_are_for_ever() -> None:
    assert tuple(each.uid for each in DASHBOARDS) == UIDS
    assert all(dashboard(uid)["uid"] == uid for uid in UIDS)


def test_only_one_module_knows_grafanalib() -> None:
    users = [file.name for file in FOLDER.rglob("*.py") if re.search(r"(from|import) grafanalib", file.read_text())]
    assert users == ["dashboard_json.py"]


def test_a_section_is_a_file_of_its_name() -> None:
    files = {file.stem for file in (FOLDER / "sections").glob("[a-z]*.py")}
    assert files == {"kpis", "fraud", "traffic", "model", "health", "security"}
    assert files <= {file.stem for file in (ROOT / "prometheus" / "rules").glob("*.yml")}


@pytest.mark.parametrize("uid", UIDS)
def test_the_provisioned_data_sources_are_the_defaults(uid: str) -> None:
    provisioned = yaml.safe_load((PROVISIONING / "datasources" / "ticketing.yml").read_text())["datasources"]
    variables = [each for each in dashboard(uid)["templating"]["list"] if each["type"] == "datasource"]
    assert {each["uid"]: each["name"] for each in provisioned} == {
        each["current"]["value"]: each["current"]["text"] for each in variables
    }
    assert not any(each["editable"] for each in provisioned)
    # At the top level Grafana 12 and later refuse it.
    assert all("database" not in each for each in provisioned)


def test_no_two_things_have_one_uid() -> None:
    """Grafana 10 refuses a dashboard whose uid is its folder's, and every link of an alert then leads nowhere."""
    sources = yaml.safe_load((PROVISIONING / "datasources" / "ticketing.yml").read_text())["datasources"]
    folders = {each["folderUid"] for each in providers()}
    files = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    uids = [*folders, *(each["uid"] for each in sources), *(each["uid"] for each in files)]
    assert len(uids) == len(set(uids)) > len(files)


def test_the_reader_is_used_and_its_password_is_nowhere() -> None:
    (postgresql,) = (
        each
        for each in yaml.safe_load((PROVISIONING / "datasources" / "ticketing.yml").read_text())["datasources"]
        if each["type"] == "postgres"
    )
    assert postgresql["user"] == "$__env{POSTGRES_USER}"
    assert postgresql["secureJsonData"] == {"password": "$__env{GF_TICKETING_POSTGRES_PASSWORD}"}


def providers() -> list[dict[str, Any]]:
    """Of dashboards."""
    found: list[dict[str, Any]] = []
    for file in sorted((PROVISIONING / "dashboards").glob("*.yml")):
        found += yaml.safe_load(file.read_text())["providers"]
    return found


def test_dashboards_are_provisioned_read_only() -> None:
    (provider,) = providers()
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)
    assert not any(dashboard(uid)["editable"] for uid in UIDS)


def test_every_variable_is_described() -> None:
    files = [*PROVISIONING.rglob("*.yml"), ROOT / "grafana" / "grafana.ini"]
    used = {name for file in files for name in re.findall(r"\$__env\{(\w+)\}", file.read_text())}
    described = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "grafana" / "README.md").read_text(), re.MULTILINE))
    assert used == described


@pytest.mark.parametrize("text", ["auth", "oauth", "client_secret"])
def test_who_may_sign_in_is_not_said_here(text: str) -> None:
    settings = (ROOT / "grafana" / "grafana.ini").read_text()
    sections = re.findall(r"^\[(.+)\]$", settings, re.MULTILINE)
    assert not [section for section in sections if text in section]
