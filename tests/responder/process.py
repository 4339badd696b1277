"""The responder as users run it: a process of its own, asked over HTTP."""

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
import yaml
from prometheus_client.parser import text_string_to_metric_families

from testbed.servers.ports import free_port
from tests.programs import program

REPOSITORY = Path(__file__).parents[2]
TOKEN = "a-token-that-nobody-guesses"
_NOTHING_SET = {
    f"{name}{suffix}": "" for name in ("POSTGRES_DSN", "REDIS_URL", "RESPONDER_TOKEN") for suffix in ("", "_FILE")
}
# Quick enough for a test; everything else is as shipped.
PACE = {"lease": "3s", "retry_longest": "500ms", "check_every": "200ms", "stale_after": "1h", "poll": "100ms"}

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class ResponderProcess:
    """`python -m responder` on a free port; used with `with`, it is started on entering and stopped on leaving.

    Args:
        postgres_dsn: of the role monitoring_responder.
        redis_url: of the platform's Redis.
        config: content of the configuration file, besides `pace`.
        playbooks: content of the playbook file; those that are shipped without it.
        environment: more variables, or others.
        flags: more command-line flags.
        pace: differences from `PACE`.
    """

    def __init__(
        self,
        postgres_dsn: str,
        redis_url: str,
        config: Mapping[str, Any] | None = None,
        playbooks: Mapping[str, Any] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        pace: Mapping[str, Any] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = Path(tempfile.mkdtemp(prefix="ticketing-responder-"))
        self.config_file = self.directory / "responder.yml"
        self.playbooks_file = self.directory / "playbooks.yml"
        self.configure(config or {}, playbooks, pace)
        own = [f"--web.listen-address=127.0.0.1:{self.port}", f"--config.file={self.config_file}", *flags]
        if playbooks is not None:
            own.append(f"--playbooks.file={self.playbooks_file}")
        variables = {
            **_NOTHING_SET,
            "POSTGRES_DSN": postgres_dsn,
            "REDIS_URL": redis_url,
            "RESPONDER_TOKEN": TOKEN,
            **(environment or {}),
        }
        self.process = program("responder", own, self.directory / "responder.log", variables)

    def configure(
        self,
        config: Mapping[str, Any],
        playbooks: Mapping[str, Any] | None = None,
        pace: Mapping[str, Any] | None = None,
    ) -> None:
        content = {**config, "pace": {**PACE, **(pace or {})}}
        content.setdefault("allowed_hosts", ["127.0.0.1"])
        self.config_file.write_text(yaml.safe_dump(content))
        if playbooks is not None:
            self.playbooks_file.write_text(yaml.safe_dump(dict(playbooks)))

    def start(self) -> Self:
        self.process.start()
        self.process.wait_until(self._healthy)
        return self

    def get(self, path: str, *, token: str | None = TOKEN, **options: Any) -> requests.Response:
        return requests.get(self.url + path, headers=_authorization(token), timeout=10, **options)

    def post(
        self, message: Any, *, token: str | None = TOKEN, path: str = "/alerts", timeout: float = 10
    ) -> requests.Response:
        """Deliver a message as Alertmanager does; bytes are sent as they are."""
        options: dict[str, Any] = {"data": message} if isinstance(message, bytes) else {"json": message}
        return requests.post(self.url + path, headers=_authorization(token), timeout=timeout, **options)

    def incidents(self, **query: str) -> list[dict[str, Any]]:
        answer = self.get("/incidents", params=query)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["incidents"]
        return found

    def incident(self) -> dict[str, Any]:
        """The only one."""
        (found,) = self.incidents()
        return found

    def actions(self) -> dict[str, dict[str, Any]]:
        """Those of the only incident, on firing, by name."""
        return {one["action"]: one for one in self.incident()["actions"] if one["phase"] == "firing"}

    def settled(self) -> dict[str, dict[str, Any]]:
        """The same, once none is pending or running."""
        wait_until(
            lambda: all(one["state"] not in ("pending", "running") for one in self.actions().values()),
            what=lambda: str(self.actions()) + self.log(),
        )
        return self.actions()

    def metrics(self) -> Series:
        answer = self.get("/metrics", token=None)
        answer.raise_for_status()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics().get((name, tuple(sorted(labels.items()))))

    def log(self) -> str:
        return self.process.log.read_text(errors="replace") if self.process.log.exists() else ""

    def reload(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)

    def kill9(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

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

    def ready(self) -> bool:
        return self._answers("/-/ready")

    def _healthy(self) -> bool:
        return self._answers("/-/healthy")

    def _answers(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=5).ok
        except requests.RequestException:
            return False


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def wait_until(condition: Callable[[], bool], seconds: float = 15, what: Callable[[], str] = lambda: "") -> None:
    """Ask until the condition holds; an assertion fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what()}"
        time.sleep(0.02)
