"""docs/adopting.md, followed literally: each of its commands, on each of the platforms in contract/examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from testbed.servers.postgres import Postgres, newest_programs
from tests.contract.applying import CONTRACT
from tests.contract.drafting import Platform, create_example, edited
from tests.contract.example_platforms import PLATFORMS
from tests.exporter.web.serving import clean_environment

GUIDE = CONTRACT.parent / "docs" / "adopting.md"
PERIOD = "2025-11-01 2025-11-15"


def commands() -> list[str]:
    """Those of the steps, in order."""
    blocks = re.findall(r"^   ```sh\n(.*?)^   ```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_the_guide_is_followed_literally(postgres: Postgres, platform: Platform, tmp_path: Path) -> None:
    database = create_example(postgres, platform)
    (tmp_path / "contract").symlink_to(CONTRACT)
    (tmp_path / "bin").mkdir()
    exporter = tmp_path / "bin" / "ticketing-exporter"
    exporter.write_text(f'#!/bin/sh\nexec {sys.executable} -m exporter "$@"\n')
    exporter.chmod(0o755)
    environment = {
        **clean_environment(),
        "PATH": f"{tmp_path / 'bin'}:{newest_programs()}:{os.environ['PATH']}",
        "PYTHONPATH": str(CONTRACT.parent),
        "OWNER": database.dsn,
        "READER": database.reader_dsn,
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        shell = ["bash", "-o", "pipefail", "-c", command]
        return subprocess.run(
            shell, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=environment
        )

    files = tmp_path / "draft"
    now = datetime.now(UTC)
    has_model = {"fraud_predictions", "model_versions"}.isdisjoint(platform.absent)
    try:
        for command in commands():
            if "reference" in command and not has_model:
                continue
            done = run(command.replace(PERIOD, f"{(now - timedelta(days=14)).isoformat()} {now.isoformat()}"))
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            if "--contract.draft" in command:
                views = files / "30-views.sql"
                views.write_text(edited(views.read_text(), platform.edits))
        if has_model:
            declared = yaml.safe_load((files / "platform.yml").read_text())
            declared["platform"]["absent"]["views"].remove("feature_reference")
            (files / "platform.yml").write_text(yaml.safe_dump(declared))
        (again,) = [command for command in commands() if "--contract.check" in command]
        last = run(again)
        assert last.returncode == 0, last.stdout
        assert ("  ok       feature " in last.stdout) == has_model
        assert "The contract holds." in last.stdout
    finally:
        postgres.drop_database(database.name)
