"""The workflows on GitHub: they test what is supported, publish what is there, and pin what they use."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Whose repository it is, as the alerts' links say.
OWNER = "nft-ticketing"
#: Stages of the Dockerfile that are images.
IMAGES = set(re.findall(r"(?m)^FROM base AS (\S+)$", (ROOT / "Dockerfile").read_text()))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def parsed(name: str) -> dict[str, Any]:
    # Without types: `on` is a word here.
    content: dict[str, Any] = yaml.load((ROOT / ".github" / "workflows" / name).read_text(), yaml.BaseLoader)
    return content


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in parsed(name)["jobs"].values():
        yield from job["steps"]


def test_every_action_is_pinned_and_each_one_once() -> None:
    used = [line for file in FILES for line in re.findall(r"uses: (.*)", file.read_text())]
    pins = [re.fullmatch(r"([\w./-]+)@([0-9a-f]{40}) # (v[\d.]+)", line) for line in used]
    assert used
    assert not [line for line, pin in zip(used, pins, strict=True) if pin is None]
    found = {pin.groups() for pin in pins if pin}
    assert len(found) == len({action for action, *_ in found})


@every_file
def test_nothing_is_permitted_but_what_a_job_asks_for(file: Path) -> None:
    content = parsed(file.name)
    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert "permissions" in job
        assert int(job["timeout-minutes"]) <= 350


def test_a_change_can_publish_nothing() -> None:
    jobs = parsed("test.yml")["jobs"].values()
    assert all(job["permissions"] == {"contents": "read"} for job in jobs)
    assert "secrets." not in (ROOT / ".github" / "workflows" / "test.yml").read_text()


def test_no_checkout_leaves_its_token_behind() -> None:
    checkouts = [step for file in FILES for step in steps(file.name) if "checkout" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


def test_every_python_that_is_promised_is_tested() -> None:
    versions = parsed("test.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: "
    assert versions == [it.removeprefix(prefix) for it in PROJECT["classifiers"] if it.startswith(prefix)]
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_every_image_is_built_for_both_machines() -> None:
    built = parsed("test.yml")["jobs"]["images"]["strategy"]["matrix"]
    assert set(built["image"]) == IMAGES
    assert {machine["platform"] for machine in built["machine"]} == {"linux/amd64", "linux/arm64"}
    jobs = parsed("release.yml")["jobs"]
    assert {machine["arch"] for machine in jobs["build"]["strategy"]["matrix"]["machine"]} == {"amd64", "arm64"}
    for job in ("build", "image"):
        # The simulator stands in for a platform; nobody installs it.
        assert set(jobs[job]["strategy"]["matrix"]["image"]) == IMAGES - {"simulator"}


def test_the_chart_asks_for_the_images_that_are_published() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "ticketing-monitor" / "values.yaml").read_text())
    release = parsed("release.yml")
    assert "name=$REGISTRY/$OWNER/ticketing-$IMAGE" in str(release["jobs"]["build"]["steps"])
    for image in release["jobs"]["build"]["strategy"]["matrix"]["image"]:
        wanted = f"{release['env']['REGISTRY']}/{OWNER}/ticketing-{image}"
        assert values[image]["image"] == {"repository": wanted, "tag": "", "digest": "", "pullPolicy": "IfNotPresent"}


def test_what_it_runs_is_there() -> None:
    commands = [step["run"] for file in FILES for step in steps(file.name) if "run" in step]
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    made = {name for command in commands for line in re.findall(r"(?m)^make (.*)$", command) for name in line.split()}
    assert made <= targets
    for tool in {tool for command in commands for tool in re.findall(r"tools/[\w.-]+", command)}:
        assert (ROOT / tool).stat().st_mode & 0o111, tool


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_a_release_has_says_one_version() -> None:
    script = str(ROOT / "tools" / "package.sh")
    refused = subprocess.run([script, "v0.0.0"], capture_output=True, text=True, timeout=600, check=False)
    assert (refused.returncode, "pyproject.toml says" in refused.stderr) == (1, True), refused.stderr
    made = subprocess.run([script], capture_output=True, text=True, timeout=1200, check=False)
    assert made.returncode == 0, made.stderr
    version = PROJECT["version"]
    assert {file.name for file in (ROOT / "dist").iterdir()} == {
        f"ticketing_monitor-{version}-py3-none-any.whl",
        f"ticketing_monitor-{version}.tar.gz",
        f"ticketing-monitor-{version}.tgz",
        f"ticketing-monitor-{version}-monitoring.tar.gz",
        *(f"ticketing-{image}-{version}.python.cdx.json" for image in IMAGES - {"simulator"}),
    }
    for file in (ROOT / "dist").glob("*.cdx.json"):
        bom = json.loads(file.read_text())
        assert bom["bomFormat"] == "CycloneDX"
        assert bom["metadata"]["component"]["version"] == version
        assert {"psycopg2-binary", "prometheus-client"} <= {component["name"] for component in bom["components"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_actionlint_finds_nothing() -> None:
    result = subprocess.run(
        [ROOT / "tools" / "actionlint.sh"], capture_output=True, text=True, timeout=900, check=False
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
