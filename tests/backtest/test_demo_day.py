"""A demo's 24 hours, with incidents at their end: the backtest says what really happened, to within one evaluation."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtest.__main__ import main
from backtest.engine import Firing
from demo.directory import RUNNING
from tests.backtest.live import apart, assert_same_incidents, compared, fired, is_over, ledger, told
from tests.demo.test_demo import READY, Demo, demo
from tests.demo.test_demo import wait_for as wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

STEP = 15
INCIDENTS = ("admin-attack", "service-down", "latency")
PLAYBOOKS = ("UnauthorizedAdminAccess", "ApiLatencyDegradation")
ALERTS = {"UnauthorizedAdminAccess", "ServiceDown", "ApiLatencyDegradation"}
#: What the responder puts back after a cool-down is not waited for.
COOL_DOWN = "ApiLatencyDegradation"


@pytest.fixture(scope="module")
def running() -> Iterator[Demo]:
    with demo(history_hours=24) as it:
        it.read_until(READY)
        yield it


def control(running: Demo, name: str, *options: str) -> None:
    command = [sys.executable, "-m", "demo.incident", name, "--directory", str(running.directory), *options]
    subprocess.run(command, check=True)


def alerting(running: Demo) -> set[str]:
    return {dict(series)["alertname"] for series in running.query('ALERTS{alertstate="firing"}')} - {"Watchdog"}


def test_says_what_really_happened(running: Demo, capsys: pytest.CaptureFixture[str]) -> None:
    urls = json.loads((running.directory / RUNNING).read_text())
    token = (running.directory / "alerting" / "secrets" / "responder_token").read_text().strip()

    def incidents() -> list[dict[str, Any]]:
        return ledger(urls["responder"], token, PLAYBOOKS)

    wait_until(lambda: not alerting(running), 300)
    begin = -(-int(time.time()) // STEP) * STEP
    for name in INCIDENTS:
        control(running, name)
    wait_until(lambda: alerting(running) >= ALERTS, 600)
    for name in INCIDENTS:
        control(running, name, "--stop")
    wait_until(lambda: not alerting(running), 600)
    wait_until(lambda: all(one["state"] == "closed" for one in incidents()), 600)
    end = int(time.time()) // STEP * STEP - STEP
    really = fired(running.prometheus, begin, end, STEP)

    rules: Path = running.directory / "rules"
    times = ["--from=24h", f"--to={end}", f"--step={STEP}s", "--output=json"]
    assert main([f"--prometheus={running.prometheus}", f"--rules={rules}", *times]) == 0
    (foreseen,) = json.loads(capsys.readouterr().out)["rule_sets"]

    firings = [Firing(**one) for one in foreseen["alerts"]]
    lately = [one for one in firings if one.start >= begin]
    shown = {key: times for key, times in really.items() if dict(key)["alertname"] != "Watchdog"}
    assert apart(told(lately), shown) <= STEP, compared(told(lately), shown)
    (attack,) = (one for one in incidents() if one["playbook"] == "UnauthorizedAdminAccess")
    assert is_over(attack)
    assert_same_incidents([attack], foreseen["incidents"], STEP + 1, STEP + 6)
    (slow,) = (one for one in incidents() if one["playbook"] == COOL_DOWN)
    (mine,) = (one for one in foreseen["incidents"] if one["playbook"] == COOL_DOWN)
    assert len(mine["actions"]) == len(slow["actions"])
