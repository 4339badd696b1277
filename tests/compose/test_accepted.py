"""Docker Compose itself takes every way in which the stack is started. Its JSON schema does not know all it refuses."""

import subprocess
from pathlib import Path

import pytest

from gateway.__main__ import env_file
from tests.compose.stack import ROOT

PLATFORM = {"PLATFORM_POSTGRES_ADDRESS": "db:5432", "PLATFORM_POSTGRES_DATABASE": "ticketing"}
DEMO = ("--env-file", ".env.example", "--env-file", "deploy/compose/demo.env", "--profile", "demo")
SCALE = ("--env-file", ".env.example", "--env-file", "deploy/compose/scale.env", "--profile", "scale")
STARTS = {
    "default": (),
    "demo": DEMO,
    "victoriametrics": (*SCALE, "--profile", "victoriametrics"),
    **{
        store: (*SCALE, "--env-file", f"contrib/store/{store}.env", "-f", "docker-compose.yml", "-f", file)
        for store in ("mimir", "thanos")
        for file in [f"contrib/store/{store}.compose.yml"]
    },
}


@pytest.fixture(scope="module")
def compose() -> list[str]:
    found = subprocess.run([ROOT / "tools" / "docker-compose.sh"], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout.split()


def check(compose: list[str], *arguments: str | Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Whether Compose takes it, with these variables and none of this process's."""
    command = [
        "env",
        "-i",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        *(f"{name}={value}" for name, value in variables.items()),
    ]
    command += [*compose, *map(str, arguments), "config", "--quiet"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", STARTS.values(), ids=STARTS)
def test_is_taken(compose: list[str], arguments: tuple[str, ...]) -> None:
    result = check(compose, *arguments, variables=PLATFORM)
    assert result.returncode == 0, result.stderr
    assert "variable is not set" not in result.stderr


def test_every_store_and_profile_is_asked_about() -> None:
    words = {word for arguments in STARTS.values() for word in arguments}
    for file in (ROOT / "contrib" / "store").glob("*.compose.yml"):
        assert str(file.relative_to(ROOT)) in words
    assert env_file(ROOT / ".env.example").keys() >= PLATFORM.keys()


@pytest.mark.parametrize("missing", PLATFORM)
def test_is_refused_without_the_platforms_address(compose: list[str], missing: str) -> None:
    result = check(compose, variables={name: value for name, value in PLATFORM.items() if name != missing})
    assert missing in result.stderr
    assert result.returncode


def test_contradictions_are_refused(compose: list[str], tmp_path: Path) -> None:
    """As those that the schema does not see: one limit that is said twice."""
    file = tmp_path / "docker-compose.yml"
    file.write_text(
        "services: {one: {image: 'x:1', pids_limit: 256, deploy: {resources: {limits: {memory: 64M, pids: 128}}}}}\n"
    )
    result = check(compose, "-f", file, variables={})
    assert "pids_limit" in result.stderr
    assert result.returncode
