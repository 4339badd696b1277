"""The steps from nothing to live metrics with a past."""

import shutil
import sys
import time
from collections.abc import Callable, Sequence

import requests

from demo.configs import write_configs
from demo.parts import Parts
from demo.programs import DATABASE
from demo.supervision import FAILED, Supervisor
from testbed.servers.process import Process, ProgramError, guarded, log_tail

#: Prometheus has scraped every exporter by the jobs that are quick to come round, and every probe has a result.
LIVE = """\
count(up{{job=~"ticketing-(critical|live)"}} == 1) == {jobs}
and count(group by (probe) (ticketing_probe_success)) == 6"""


class Startup:
    """Starts the parts in order.

    Args:
        parts: What to start.
        supervisor: Not started yet.
        preset: The simulator's.
        hours: How far back the history goes.
        say: Told what happens.
    """

    def __init__(
        self,
        parts: Parts,
        supervisor: Supervisor,
        preset: str | None,
        hours: float,
        say: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._supervisor = supervisor
        self._preset = preset
        self._hours = hours
        self._say = say

    def run(self) -> None:
        """Start everything; returns when live metrics are in Prometheus.

        Raises:
            ProgramError: A part ended or is not ready in time; the message names it and shows its log.
        """
        parts = self._parts
        self._say(f"PostgreSQL, Redis and node_exporter, in {parts.directory}")
        write_configs(parts)
        self._supervisor.start()
        self._supervisor.launch([parts.postgres, parts.redis, parts.node_exporter])
        parts.postgres.create_database(DATABASE)

        self._say("the platform, with its history")
        started = time.time()
        self._supervisor.launch([parts.simulator])

        self._say(f"exporter, and what Prometheus would have scraped in the last {self._hours:g} h")
        self._supervisor.launch([*parts.exporters, *([parts.store] if parts.store else [])])
        files = [str(path) for path in (parts.exporter_config, parts.prometheus.config, parts.prometheus.data)]
        self._replay(started, files)
        for other in parts.prometheuses[1:]:
            shutil.copytree(parts.prometheus.data, other.data)

        if parts.grafana is not None:
            # Before Prometheus, which would take one that is still starting for one that is down.
            self._say("Grafana")
            self._supervisor.launch([parts.grafana])

        self._say("responder, Alertmanager with an inbox, Prometheus")
        self._supervisor.launch([parts.inbox, *parts.responders, *parts.alertmanagers, *parts.prometheuses])
        self._wait_until_live()

    def _replay(self, started: float, files: Sequence[str]) -> None:
        """Give Prometheus its past; in processes, which a Ctrl-C ends at once.

        Args:
            started: Unix seconds at which the simulator was started.
            files: See `demo.replay`.

        Raises:
            ProgramError: A process failed.
        """
        options = [f"--started={started!r}", f"--end={time.time()!r}", f"--hours={self._hours!r}"]
        if self._parts.store is not None:
            options.append(f"--store={self._parts.store.url}")
        if self._preset is not None:
            options.append(f"--preset={self._preset}")
        processes = []
        try:
            # Two do it in half the time. The platform itself lives in Redis database 0.
            for database, half in ((1, "first"), (2, "second")):
                sources = [self._parts.database.reader_dsn, self._parts.redis.url(database)]
                command = [sys.executable, "-m", "demo.replay", *options, half, *sources, *files]
                name = f"replay-{half}"
                process = Process(name, guarded(command), self._parts.directory / f"{name}.log")
                processes.append(process)
                process.start()
            for process in processes:
                if status := process.wait():
                    raise ProgramError(f"{process.name} ended with status {status}:\n{log_tail(process.log)}")
        finally:
            for process in processes:
                process.kill()

    def _wait_until_live(self, timeout_seconds: float = 120) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not self._live():
            for server in self._parts.all:
                if self._supervisor.state(server.name) in FAILED:
                    raise ProgramError(f"{server.name} ended:\n{log_tail(server.log)}")
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"no live metrics in Prometheus after {timeout_seconds:g} s; the exporter's log:\n"
                    + log_tail(self._parts.exporter.log)
                )
            time.sleep(0.2)

    def _live(self) -> bool:
        live = LIVE.format(jobs=2 * len(self._parts.exporters))
        try:
            return all(prometheus.query(live) for prometheus in self._parts.prometheuses)
        except requests.RequestException:
            return False
