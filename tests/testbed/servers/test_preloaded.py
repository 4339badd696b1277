"""What is forked from a process that has the modules is the program that users run."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from testbed.servers.preloaded import Preloaded
from testbed.servers.process import Process, state

PROGRAM = """
import json, os, signal, sys

if __name__ == "__main__":
    print(json.dumps([sys.argv[1:], dict(os.environ), os.getsid(0) == os.getpid(), os.read(0, 1).decode()]))
    print("begun", file=sys.stderr, flush=True)
    if sys.argv[1:] == ["wait"]:
        signal.pause()
    sys.exit(7)
"""


@pytest.fixture
def preloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Preloaded]:
    (tmp_path / "told_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OURS", "too")
    preloaded = Preloaded("told_program")
    yield preloaded
    preloaded.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def program(preloaded: Preloaded, log: Path, *flags: str) -> Process:
    return Process("told", [], log, {"ONE": "more"}, partial(preloaded.start, "told_program", flags))


def begin(one: Process, times: int = 1) -> None:
    one.start()
    one.wait_until(lambda: one.log.read_text().count("begun") == times)


def test_flags_environment_and_exit_status_are_its_own(preloaded: Preloaded, log: Path) -> None:
    one = program(preloaded, log, "once", "--or=twice")
    one.start()
    assert one.wait(10) == 7
    assert not one.running
    lines = log.read_text().splitlines()
    (told,) = [json.loads(line) for line in lines if line != "begun"]
    assert told == [["once", "--or=twice"], {**os.environ, "ONE": "more"}, True, ""]


def test_it_takes_signals_and_starts_again(preloaded: Preloaded, log: Path) -> None:
    one = program(preloaded, log, "wait")
    for times in (1, 2):
        begin(one, times)
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(0.01)
        os.kill(one.pid, signal.SIGTERM)
        assert one.wait(10) == -signal.SIGTERM
    begin(one, 3)
    one.kill()
    assert one.wait(10) == -signal.SIGKILL


def test_it_ends_with_what_forked_it(preloaded: Preloaded, log: Path) -> None:
    one = program(preloaded, log, "wait")
    begin(one)
    pid = one.pid
    preloaded.close()
    deadline = time.monotonic() + 10
    while state(pid) not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.01)
