"""The wheel: what is in it, and that its commands work far from the repository. Asks the package index."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import write_keys

ROOT = Path(__file__).parents[2]
PACKAGES = {"backtest", "common", "contract", "exporter", "responder"}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "POSTGRES", "REDIS"))}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what is in the repository, without what lies about in a checkout."""
    place = tmp_path_factory.mktemp("wheel")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / "source" / name)
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, place / "source", cwd=place)
    assert built.returncode == 0, built.stderr
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with the commands of an environment that had nothing but the wheel and what it asks for."""
    place = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", place / "venv", cwd=place)
    installed = run(
        *(place / "venv" / "bin" / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel),
        cwd=place,
    )
    assert installed.returncode == 0, installed.stderr
    return place / "venv" / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    assert not list(tmp_path.iterdir())


def test_holds_the_product_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = archive.read(f"ticketing_monitor-{VERSION}.dist-info/entry_points.txt").decode()
    assert {name.partition("/")[0] for name in names} == {*PACKAGES, f"ticketing_monitor-{VERSION}.dist-info"}
    shipped = {name for name in names if name.partition("/")[0] in PACKAGES}
    modules = {str(file.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert {name for name in shipped if name.endswith(".py")} == modules
    assert {name for name in shipped if not name.endswith(".py")} == {
        "responder/playbooks.yml",
        *(f"{package}/py.typed" for package in PACKAGES),
    }
    assert set(entry_points.split()) & {
        "ticketing-backtest",
        "ticketing-exporter",
        "ticketing-responder",
        "ticketing-simulator",
    } == {
        "ticketing-backtest",
        "ticketing-exporter",
        "ticketing-responder",
    }


@pytest.mark.parametrize("name", ["ticketing-exporter", "ticketing-responder"])
def test_commands_run_elsewhere(commands: Path, elsewhere: Path, name: str) -> None:
    version = run(commands / name, "--version", cwd=elsewhere)
    assert (version.returncode, version.stdout) == (0, f"{name} {VERSION}\n"), version.stderr
    checked = run(commands / name, "--config.check", cwd=elsewhere)
    assert checked.returncode == 0, checked.stderr


def test_checks_a_contract(
    commands: Path, elsewhere: Path, database: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    write_keys(redis_client)
    places = {"POSTGRES_DSN": database.reader_dsn, "REDIS_URL": redis_server.url()}
    told = run(commands / "ticketing-exporter", "--contract.check", cwd=elsewhere, **places)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "ok       fraud_predictions.timestamp" in told.stdout
    assert told.stdout.endswith("The contract holds.\n")


def test_the_backtest_runs_elsewhere(commands: Path, elsewhere: Path) -> None:
    version = run(commands / "ticketing-backtest", "--version", cwd=elsewhere)
    assert (version.returncode, version.stdout) == (0, f"ticketing-backtest {VERSION}\n"), version.stderr
