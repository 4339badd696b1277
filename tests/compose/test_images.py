"""Images: requirements locked by hash, the same as those that are tested, and everything that their commands need."""

import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from importlib.metadata import distribution
from pathlib import Path

import pytest

from testbed.servers.ports import free_port
from tests.compose.stack import ROOT
from tests.gateway.standins import Reply, StandIn

DOCKERFILE = ROOT / "Dockerfile"
LOCKS = {
    "requirements.txt": (),
    "requirements-responder.txt": ("aws",),
    "requirements-demo.txt": ("demo", "simulator"),
}


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package."""
    text = (ROOT / "deploy" / "compose" / name).read_text()
    found = re.findall(r"(?m)^([a-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text)
    assert len(found) == len(re.findall(r"(?m)^[a-z0-9]", text)), "a line has no hash"
    return {package: (version, hashes.count("--hash")) for package, version, hashes in found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=\[;~! ]", name)[0]).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_a_hash_and_the_tested_version(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().split()
    constraints = {normal(line): line.partition("==")[2] for line in lines}
    packages = locked(name)
    assert packages
    for package, (version, hashes) in packages.items():
        assert constraints[normal(package)] == version
        assert hashes > 0


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_every_dependency_is_locked(name: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    packages = {normal(package) for package in locked(name)}
    assert {normal(one) for one in wanted} - {"ticketing-monitor"} <= packages


def stages() -> dict[str, str]:
    """Instructions of each stage, those of the stage that it begins with among them; and of the image for AWS."""
    found = {"configuration": (ROOT / "contrib" / "aws" / "Dockerfile").read_text()}
    for base, name, text in re.findall(r"(?ms)^FROM (\S+) AS (\S+)$(.*?)(?=^FROM|\Z)", DOCKERFILE.read_text()):
        found[name] = found.get(base, "") + text
    return found


def copies(text: str) -> list[tuple[str, str]]:
    """Source and target of everything that is copied from the context."""
    lines = re.findall(r"(?m)^COPY --chmod=\S+ (.*) (\S+)$", text)
    return [(source, target) for sources, target in lines for source in sources.split()]


@pytest.mark.parametrize(
    ("stage", "lock", "command", "told"),
    [
        ("exporter", "requirements.txt", ["exporter", "--version"], "ticketing-exporter {version}"),
        ("responder", "requirements-responder.txt", ["responder", "--version"], "ticketing-responder {version}"),
        ("responder", "requirements-responder.txt", ["responder", "--config.check"], None),
        ("simulator", "requirements-demo.txt", ["simulator", "--help"], None),
        ("simulator", "requirements-demo.txt", ["testbed.inbox", "--help"], None),
        ("configuration", "requirements.txt", ["contrib.aws.place", "--help"], None),
    ],
)
def test_an_image_has_what_its_command_needs(
    tmp_path: Path, stage: str, lock: str, command: list[str], told: str | None
) -> None:
    app, site = tmp_path / "app", tmp_path / "site"
    for source, target in copies(stages()[stage]):
        for file in ROOT.glob(source) if target.startswith("/app") else []:
            place = tmp_path / target.lstrip("/") / (file.name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(file, place, ignore=ignore) if file.is_dir() else shutil.copyfile(file, place)
    # The packages of the lock, and none besides.
    site.mkdir()
    for package in locked(lock):
        files = distribution(package).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            place = site / top
            if not place.exists():
                place.symlink_to(Path(str(distribution(package).locate_file(top))))
    result = subprocess.run(
        ["env", "-i", f"PYTHONPATH={app}:{site}", sys.executable, "-S", "-m", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert told is None or result.stdout.strip() == told.format(version=version)


def test_ignored_context_has_what_the_dockerfile_copies() -> None:
    copied = [source for source, _ in copies(DOCKERFILE.read_text())]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied
    for path in copied:
        assert any(path == one or path.startswith(one + "/") for one in allowed), path


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_health_check_of_the_images(status: int | None, healthy: bool) -> None:
    program = ROOT / "deploy" / "compose" / "healthy.py"
    answering = StandIn(lambda _: Reply(status or 0))
    with answering.serving() if status else nullcontext():
        url = f"http://{answering.address or f'127.0.0.1:{free_port()}'}/-/healthy"
        result = subprocess.run([sys.executable, program, url], capture_output=True, timeout=30, check=False)
    assert (result.returncode == 0) is healthy
