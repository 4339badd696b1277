"""Each incident in a real demo: exactly the expected notifications, and then that it is over.

Takes most of an hour, so `make test` leaves it out: `make test-slow`.
"""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from demo.directory import RUNNING
from demo.incidents import INCIDENTS
from testbed.inbox.server import Inbox
from tests.demo.test_demo import READY, Demo, demo
from tests.demo.test_demo import wait_for as wait_until
from tests.demo.told import expected, told, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_LOG = logging.getLogger(__name__)

#: Longest times, in seconds, until it is told, until its end is told, and for whatever else may come of it.
BEGIN, END, AFTERMATH = 840, 300, 60


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    with demo(history_hours=24) as it:
        it.read_until(READY)
        yield it


@pytest.fixture(scope="module")
def inbox(running: Demo, tmp_path_factory: pytest.TempPathFactory) -> Inbox:
    """The demo's own, as a client of it."""
    url = json.loads((running.directory / RUNNING).read_text())["inbox"]
    return Inbox(tmp_path_factory.mktemp("inbox"), urlsplit(url).port)


def control(running: Demo, name: str, *options: str) -> None:
    command = [sys.executable, "-m", "demo.incident", name, "--directory", str(running.directory), *options]
    subprocess.run(command, check=True)


def firing(running: Demo) -> set[str]:
    """Alerts that fire."""
    return {dict(series)["alertname"] for series in running.query('ALERTS{alertstate="firing"}')} - {"Watchdog"}


def does_not_end(name: str) -> bool:
    """Sorts what does not end behind all others."""
    return not INCIDENTS[name].ends


NAMES: list[str] = sorted(INCIDENTS, key=does_not_end)


@pytest.mark.parametrize("name", NAMES)
def test_exactly_the_expected_is_told(running: Demo, inbox: Inbox, name: str) -> None:
    incident = INCIDENTS[name]
    wait_until(lambda: not firing(running), 300)
    inbox.clear()
    control(running, name)
    begun = wait_for(inbox, expected(incident, over=False), BEGIN)
    time.sleep(AFTERMATH)
    control(running, name, "--stop")
    ended = wait_for(inbox, expected(incident, over=True), END)
    time.sleep(AFTERMATH)
    counts = told(inbox)
    _LOG.info("%s: told after %.0f s, over %.0f s after its stop: %s", name, begun, ended, dict(counts))
    assert set(counts) == expected(incident, over=True)
    assert incident.grows or set(counts.values()) == {1}
