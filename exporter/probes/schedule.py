"""Runs every probe on its own schedule, whatever scrapes do, and keeps the last result of each."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.redaction import describe
from exporter.config import ProbeBase
from exporter.probes.kinds import PROBES, Sources, prepare

logger = logging.getLogger(__name__)

INTERVALS_UNTIL_STALE = 3
JITTER = 0.1
"""Part of the interval by which a wait may be longer or shorter, so that probes do not march in step."""


@dataclass(frozen=True)
class Result:
    """The outcome of one try.

    Attributes:
        success: the service answered as it should, in time.
        seconds: how long it took, or has taken so far when it hangs; None when it could not begin.
        timestamp: unix time at its end.
        slow: it succeeded, but took more than twice its baseline.
    """

    success: bool
    seconds: float | None
    timestamp: float
    slow: bool


class Schedule:
    """The probes of one configuration. After `stop` another one takes its place.

    Args:
        probes: by name.
        sources: where the two databases are.
    """

    def __init__(self, probes: Mapping[str, ProbeBase], sources: Sources) -> None:
        prepare(probes.values())
        self.probes = probes
        self._sources = sources
        self._runners = {name: _Runner(name, config, sources) for name, config in probes.items()}

    def start(self) -> None:
        """Begin probing; the first results are there within moments."""
        for runner in self._runners.values():
            runner.start()

    def stop(self) -> None:
        """Begin no further try."""
        for runner in self._runners.values():
            runner.stop()

    def changed_to(self, probes: Mapping[str, ProbeBase]) -> Schedule:
        """The schedule of another configuration, started; probes that are the same in both go on as they were."""
        later = Schedule(probes, self._sources)
        for name, runner in later._runners.items():
            running = self._runners.get(name)
            if running is not None and running.config == runner.config:
                later._runners[name] = running
            else:
                runner.start()
        for name, running in self._runners.items():
            if later._runners.get(name) is not running:
                running.stop()
        return later

    def results(self, now: float) -> dict[str, Result]:
        """The last results by name, without those older than three intervals at this unix time."""
        return {
            name: result
            for name, runner in self._runners.items()
            if (result := runner.last) is not None
            and now - result.timestamp <= INTERVALS_UNTIL_STALE * runner.config.interval
        }


class _Runner:
    """One probe. Each try has a thread, so that one that hangs for good is a failure and not silence."""

    def __init__(self, name: str, config: ProbeBase, sources: Sources) -> None:
        self.name = name
        self.config = config
        self.last: Result | None = None
        self._run: Callable[[], None] = lambda: PROBES[type(config)](config, sources)
        self._stopping = threading.Event()
        self._hanging: threading.Thread | None = None
        self._began = 0.0

    def start(self) -> None:
        threading.Thread(target=self._loop, name=f"probe-{self.name}", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            self._try_once()
            wait = self.config.interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
            self._stopping.wait(max(0.0, started + wait - time.monotonic()))

    def _try_once(self) -> None:
        error: Exception | None
        if self._hanging is not None and self._hanging.is_alive():
            error = TimeoutError("an earlier try still hangs")
        else:
            outcome: list[Exception | None] = []
            attempt = threading.Thread(target=self._attempt, args=(outcome,), daemon=True)
            self._began = time.monotonic()
            try:
                attempt.start()
            except RuntimeError as refused:
                # No more threads for now; the next try may find one.
                self._record(None, refused)
                return
            attempt.join(self.config.timeout)
            self._hanging = attempt
            error = outcome[0] if outcome else TimeoutError(f"no answer within {self.config.timeout:g} s")
        self._record(time.monotonic() - self._began, error)

    def _attempt(self, outcome: list[Exception | None]) -> None:
        try:
            self._run()
        except Exception as error:
            outcome.append(error)
        else:
            outcome.append(None)

    def _record(self, seconds: float | None, error: Exception | None) -> None:
        was_up = self.last is None or self.last.success
        if error is not None and was_up:
            logger.warning("probe %s fails: %s", self.name, describe(error))
        elif error is None and not was_up:
            logger.info("probe %s succeeds again", self.name)
        baseline = self.config.baseline
        slow = error is None and baseline is not None and seconds is not None and seconds > 2 * baseline
        self.last = Result(error is None, seconds, time.time(), slow)
