"""The stack on a real engine: `make test-compose`, which tools/compose-test.sh prepares."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.engine.clients import Client, client
from tests.compose.engine.place import PROJECT, Place


@pytest.fixture(scope="session")
def engine() -> str:
    """Version of an engine with no stack of ours on it; fails where there is none."""
    asked = ["docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        pytest.fail("no docker: see make test-compose")
    if answer.returncode != 0:
        pytest.fail("no Docker engine answers: see make test-compose")
    if answer.stdout and "TEST_COMPOSE_PLACE" not in os.environ:
        pytest.fail("this engine runs the stack already: these tests would remove it, data and all")
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


@pytest.fixture(scope="module")
def place(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A checkout in which nothing was done yet, under the umask that the module says; its stack is removed at the end.

    With TEST_COMPOSE_PLACE it is that directory, whose stack is kept.
    """
    assert engine
    if kept := os.environ.get("TEST_COMPOSE_PLACE"):
        yield Place(Path(kept), request.module.UMASK)
        return
    made = Place(tmp_path_factory.mktemp("place") / "monitor", request.module.UMASK)
    yield made
    made.down()


@pytest.fixture(scope="session")
def colleague(engine: str) -> Iterator[Client]:
    """Somebody in the company network, which the allow-list has."""
    assert engine
    with client("inside", "10.77.0") as made:
        yield made


@pytest.fixture(scope="session")
def stranger(engine: str) -> Iterator[Client]:
    """Somebody elsewhere."""
    assert engine
    with client("outside", "203.0.113") as made:
        yield made
