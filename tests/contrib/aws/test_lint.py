"""cfn-lint has nothing to say, with informational checks on."""

import subprocess
import sys
from pathlib import Path

from tests.contrib.aws.templates import DIRECTORY


def lint(*files: Path) -> "subprocess.CompletedProcess[str]":
    command = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--include-checks",
        "I",
        "--regions",
        "us-east-1",
        "eu-central-1",
    ]
    return subprocess.run([*command, "--", *map(str, files)], capture_output=True, text=True, check=False, timeout=120)


def test_is_silent() -> None:
    result = lint(*sorted(DIRECTORY.glob("*.yml")))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_would_speak(tmp_path: Path) -> None:
    text = (DIRECTORY / "data.yml").read_text()
    broken = tmp_path / "data.yml"
    broken.write_text(
        text.replace("    DeletionPolicy: Snapshot\n", "", 1).replace("PubliclyAccessible: false", "Public: 1")
    )
    result = lint(broken)
    assert result.returncode != 0
    assert "I3011" in result.stdout
    assert "Public" in result.stdout
