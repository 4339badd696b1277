"""Scrapes of section security once a second, what they cost, and how soon they show an account under attack."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.exporter.costs import Meter
from benchmarks.exporter.ours import Ours, path_of

TIMEOUT_SECONDS = 1
TRIAL_SECONDS = 12
"""So that fewer are under attack in five minutes than are listed."""
FAILURES = 3
COMPLETE = 'ticketing_exporter_collector_success{collector="security"} 1'
"""In an answer that has everything."""
_LISTED = re.compile(r'ticketing_admin_login_failures\{account="(attacked-\d+)",window="5m"\} (\d+)')
_BEYOND = re.compile(r'ticketing_admin_failures_beyond_bound\{event_type="login_failed",window="5m"\} (\d+)')


@dataclass
class Trial:
    """An account that fails as often as alerts.

    Attributes:
        account: its name.
        committed: when its last failure was, in monotonic seconds.
        seen: when the first answer that has it came; None as long as none has.
        first_count: the failures that the first scrape begun since told of it; None until there was one.
    """

    account: str
    committed: float
    seen: float | None = None
    first_count: int | None = None


@dataclass(frozen=True)
class Costs:
    """Of some time of scraping.

    Attributes:
        scrapes: how many.
        failed: of these without a complete section.
        cpu_ms: of the exporter, a scrape.
        postgres_ms: planning and execution, a scrape.
        slowest_ms: the longest answer.
        resident_mb: 10⁶ bytes in the end.
        beyond: the most failures that were not counted by account.
        trials: accounts that were attacked meanwhile.
    """

    scrapes: int
    failed: int
    cpu_ms: float
    postgres_ms: float
    slowest_ms: float
    resident_mb: float
    beyond: int
    trials: list[Trial]


def watch(ours: Ours, meter: Meter, seconds: float, fail: Callable[[str, int], None] | None = None) -> Costs:
    """Scrape for so long.

    Args:
        ours: the exporter.
        meter: of it.
        seconds: how long.
        fail: lets an account's sign-in fail so many times; None for no attacks.
    """
    trials: list[Trial] = []
    session = requests.Session()
    end = time.monotonic() + seconds
    attacks = threading.Thread(target=_attack, args=(trials, end, fail), daemon=True)
    before = meter.read()
    if fail:
        attacks.start()
    times: list[float] = []
    failed = beyond = 0
    begin = time.monotonic()
    while begin < end:
        started = time.monotonic()
        text = scrape(ours, session)
        times.append(time.monotonic() - started)
        failed += COMPLETE not in text
        beyond = max([beyond, *map(int, _BEYOND.findall(text))])
        _judge(trials, started, {account: int(count) for account, count in _LISTED.findall(text)})
        begin += 1
        time.sleep(max(0.0, begin - time.monotonic()))
    used = meter.read().since(before)
    if fail:
        attacks.join()
    return Costs(
        len(times),
        failed,
        used.cpu_seconds * 1000 / len(times),
        used.postgres_ms / len(times),
        max(times) * 1000,
        meter.resident_megabytes,
        beyond,
        [trial for trial in trials if trial.first_count is not None],
    )


def scrape(ours: Ours, session: requests.Session) -> str:
    """What Prometheus's job for this section gets."""
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": str(TIMEOUT_SECONDS)}
    return session.get(f"http://127.0.0.1:{ours.port}{path_of(['security'])}", headers=headers, timeout=10).text


def most_resident_megabytes(pid: int) -> float:
    """The most memory of a process that ever was in RAM, in 10⁶ bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def _attack(trials: list[Trial], end: float, fail: Callable[[str, int], None]) -> None:
    dice = random.Random(1)
    while time.monotonic() + TRIAL_SECONDS < end:
        account = f"attacked-{time.monotonic_ns()}"
        # One long before the others, so that it is not among the newest names.
        fail(account, 1)
        time.sleep(TRIAL_SECONDS * dice.uniform(0.5, 1))
        fail(account, FAILURES - 1)
        trials.append(Trial(account, time.monotonic()))


def _judge(trials: list[Trial], started: float, listed: dict[str, int]) -> None:
    now = time.monotonic()
    for trial in list(trials):
        count = listed.get(trial.account, 0)
        if trial.seen is None and count == FAILURES:
            trial.seen = now
        if trial.first_count is None and started > trial.committed:
            trial.first_count = count
