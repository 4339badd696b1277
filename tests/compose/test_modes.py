"""A umask of 077 keeps nothing from the users of the containers: neither in images nor in what is mounted."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demo import compose as demo
from deploy import scale
from gateway.render import render
from gateway.settings import Settings
from tests.compose.stack import ROOT, mounts, services, substituted
from tests.gateway.standins import READ_TOKEN

ENVIRONMENTS = ((), ("deploy/compose/demo.env",), ("deploy/compose/scale.env",))
GENERATED = ("./gateway/rendered/", "./deploy/rendered/")


@pytest.fixture
def closed_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mounted() -> set[str]:
    """Every path of the repository that a container of any profile or store sees."""
    every = [service for files in ENVIRONMENTS for service in services(*files).values()]
    for file in (ROOT / "contrib" / "store").glob("*.compose.yml"):
        every += yaml.safe_load(substituted(file.read_text(), {}))["services"].values()
    return {source for service in every for source, _, _ in mounts(service) if source.startswith("./")}


def closed(path: Path) -> list[str]:
    """What others may not read, or enter, at a path and below it."""
    wanted = {True: 0o5, False: 0o4}
    every = [path, *path.rglob("*")]
    return [
        str(one) for one in every if stat.S_IMODE(one.stat().st_mode) & wanted[one.is_dir()] != wanted[one.is_dir()]
    ]


@pytest.mark.usefixtures("closed_umask")
def test_everything_mounted_can_be_read(tmp_path: Path) -> None:
    for source in {source for source in mounted() if not source.startswith(GENERATED)} | {"./alertmanager"}:
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
        else:
            shutil.copyfile(ROOT / source, target)
    subprocess.run([ROOT / "tools" / "secrets.sh", tmp_path], check=True, capture_output=True)
    render(Settings().placeholders("secret", READ_TOKEN), tmp_path / "gateway" / "rendered")
    scale.main(tmp_path / "deploy" / "rendered" / "scale")
    demo.main(tmp_path / "deploy" / "rendered" / "demo")
    own = tmp_path / "alertmanager" / "own"
    own.write_text("")
    assert closed(tmp_path / "gateway/keycloak.sh")

    subprocess.run([ROOT / "tools" / "readable.sh", tmp_path], check=True)

    for source in mounted():
        assert not closed(tmp_path / source)
    for directory in ("secrets", "alertmanager/secrets", "gateway/rendered"):
        assert stat.S_IMODE((tmp_path / directory).stat().st_mode) == 0o700, directory
    assert stat.S_IMODE(own.stat().st_mode) == 0o600


@pytest.mark.usefixtures("closed_umask")
def test_nothing_has_to_be_rendered_yet(tmp_path: Path) -> None:
    """`tools/readable.sh` fails only for what is missing in a checkout."""
    for source in {source for source in mounted() if not source.startswith(GENERATED)}:
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if (ROOT / source).is_dir() else target.touch()
    subprocess.run([ROOT / "tools" / "readable.sh", tmp_path], check=True)


@pytest.mark.parametrize("target", ["gateway", "stack-demo", "stack-scale"])
def test_make_opens_what_it_has_rendered(target: str) -> None:
    told = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rendering = [told.rfind(f"-m {module}") for module in ("gateway", "demo.compose", "deploy.scale")]
    assert told.rfind("tools/readable.sh") > max(rendering)
    assert "docker compose" not in told or told.rfind("docker compose") > told.rfind("tools/readable.sh")


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "contrib/aws/Dockerfile"])
def test_images_say_the_mode_of_everything_they_copy(dockerfile: str) -> None:
    copies = re.findall(r"(?m)^(?:COPY|ADD) (?!--from)(.*)$", (ROOT / dockerfile).read_text())
    assert copies
    for copy in copies:
        # In digits: what BuildKit took before it knew u=rwX.
        mode = re.match(r"--chmod=(0\d{3}) ", copy)
        assert mode, copy
        source = ROOT / copy.split()[1]
        wanted = 0o555 if source.is_dir() else 0o444
        assert int(mode[1], 8) & wanted == wanted, copy
