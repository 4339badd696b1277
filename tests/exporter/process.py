"""The exporter as users run it: a process of its own, asked over HTTP."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from prometheus_client.parser import text_string_to_metric_families

from testbed.servers.ports import free_port
from tests.programs import program

# Whatever the shell of the developer has: a test sets what it needs.
_NO_SOURCES = dict.fromkeys(("POSTGRES_DSN", "POSTGRES_DSN_FILE", "REDIS_URL", "REDIS_URL_FILE"), "")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and sorted labels."""


class ExporterProcess:
    """`python -m exporter` on a free port; used with `with`, it is started on entering and stopped on leaving.

    Args:
        env: environment variables, such as POSTGRES_DSN and REDIS_URL; without them the sources are not set.
        flags: more command-line flags.
        port: to listen on; by default a free one.
    """

    def __init__(self, env: Mapping[str, str], flags: Sequence[str] = (), port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = Path(tempfile.mkdtemp(prefix="ticketing-exporter-"))
        own = [f"--web.listen-address=127.0.0.1:{self.port}", *flags]
        self._process = program("exporter", own, self._directory / "exporter.log", {**_NO_SOURCES, **env})
        self._session = requests.Session()

    @property
    def pid(self) -> int:
        """Process ID of the last start."""
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it is healthy.

        Raises:
            ProgramError: it ended, or is not healthy in time.
        """
        self._process.start()
        self._process.wait_until(self._healthy)
        return self

    def get(self, path: str, timeout: float = 10, **options: Any) -> requests.Response:
        """The answer to a GET, whatever its status, on a connection of its own."""
        return requests.get(self.url + path, timeout=timeout, **options)

    def post(self, path: str, timeout: float = 10, **options: Any) -> requests.Response:
        """The answer to a POST, whatever its status."""
        return requests.post(self.url + path, timeout=timeout, **options)

    def scrape(self, timeout: float, sections: Sequence[str] | None = None, *, keep_alive: bool = False) -> Samples:
        """What Prometheus gets that waits so long, of these sections or of all.

        Args:
            timeout: sent along as Prometheus does; the answer must be 200 and there within it.
            sections: all when None.
            keep_alive: use the one connection that is kept, as Prometheus does; not from several threads.
        """
        get = self._session.get if keep_alive else requests.get
        started = time.monotonic()
        answer = get(
            f"{self.url}/metrics",
            params={"collect[]": list(sections or ())},
            headers={"X-Prometheus-Scrape-Timeout-Seconds": str(timeout)},
            timeout=timeout,
        )
        seconds = time.monotonic() - started
        assert answer.status_code == 200, answer.text
        assert seconds < timeout
        return parse(answer.text)

    def log(self) -> str:
        """Everything it has printed."""
        return self._process.log.read_text(errors="replace") if self._process.log.exists() else ""

    def reload(self) -> None:
        """Send it SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    def kill9(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

    def stop(self, timeout: float = 10) -> int:
        """End it with SIGTERM.

        Returns:
            Its exit status; that of SIGKILL (-9) when it had to be killed.
        """
        self._process.stop(signal.SIGTERM, timeout)
        self._session.close()
        return self._process.wait(timeout)

    def close(self) -> None:
        """Stop it and remove its log."""
        if self._process.running:
            self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _healthy(self) -> bool:
        try:
            # With users configured, 401 is an answer too.
            return self.get("/-/healthy").status_code in (200, 401)
        except requests.RequestException:
            return False


def parse(exposition: str) -> Samples:
    """All samples of an answer in Prometheus's text format."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def wait_until(condition: Callable[[], bool], seconds: float = 10, what: str = "") -> None:
    """Ask until the condition holds; an assertion fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
