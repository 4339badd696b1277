"""Requirements of the images: locked by hash, the same as those that are tested."""

import re
import subprocess
import sys
import tomllib
from contextlib import nullcontext

import pytest

from testbed.servers.ports import free_port
from tests.compose.stack import ROOT
from tests.gateway.standins import Reply, StandIn

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


def test_ignored_context_has_what_the_dockerfile_copies() -> None:
    copied = re.findall(r"(?m)^COPY (?:--chmod=\S+ )?((?!--from)\S+) /", (ROOT / "Dockerfile").read_text())
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
