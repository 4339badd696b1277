"""How a running demo is spoken to: its parts are processes of this machine, or containers of docker-compose.yml."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import requests

PROJECT = "ticketing-monitor"  # as docker-compose.yml has it; a test holds them together
PORTS = {"simulator": 8030, "prometheus": 9090, "inbox": 8040}


class NotReachedError(Exception):
    """A part does not do what it is asked for."""


class Demo(Protocol):
    """A demo that runs.

    Attributes:
        alerts: Where a person finds alerts.
        inbox: Address of the page with what was sent.
    """

    alerts: str
    inbox: str

    def ask(self, method: str, part: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """Send a request to a part; returns its answer.

        Raises:
            NotReachedError: It does not answer, or refuses.
        """

    def exporters(self, action: str) -> None:
        """`start` or `stop` every exporter.

        Raises:
            NotReachedError: That fails.
        """


class OnThisMachine:
    """What `make demo` started.

    Args:
        running: Addresses of its parts, as in its demo.json.
    """

    def __init__(self, running: Mapping[str, str]) -> None:
        self._running = running
        self.alerts = f"{running.get('prometheus')}/alerts"
        self.inbox = f"{running.get('inbox')}/"

    def ask(self, method: str, part: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """See `Demo`."""
        try:
            answer = requests.request(method, f"{self._running[part]}{path}", json=body, timeout=10)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise NotReachedError(str(error)) from error
        return answer.text

    def exporters(self, action: str) -> None:
        """See `Demo`."""
        command = [str(Path(sys.executable).parent / "supervisorctl"), "-c", self._running["supervisor"], action]
        _run([*command, *self._running["exporters"].split()])


class InContainers:
    """What `make stack-demo` started. Of its parts only the gateway and the inbox are published."""

    alerts = "https://MONITORING_HOST/admin/fallback"
    inbox = f"http://127.0.0.1:{PORTS['inbox']}/"

    def ask(self, method: str, part: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """See `Demo`. Everything is asked from inside the simulator, which is on a network with each of them."""
        program = (
            "import sys, urllib.request as r; body = sys.stdin.buffer.read();"
            "q = r.Request(sys.argv[2], body or None, {'Content-Type': 'application/json'}, method=sys.argv[1]);"
            "sys.stdout.write(r.urlopen(q, timeout=10).read().decode())"
        )
        url = f"http://{part}:{PORTS[part]}{path}"
        command = ["docker", "exec", "-i", f"{PROJECT}-simulator-1", "python", "-c", program, method, url]
        return _run(command, json.dumps(body) if body is not None else "")

    def exporters(self, action: str) -> None:
        """See `Demo`."""
        _run(["docker", action, f"{PROJECT}-exporter-1"])


def containers() -> InContainers | None:
    """The demo that runs in containers, if there is one."""
    asked = ["docker", "ps", "-q", "--filter", f"name=^{PROJECT}-simulator-1$"]
    try:
        return InContainers() if _run(asked).strip() else None
    except NotReachedError:
        return None


def query(expression: str) -> str:
    """Path of Prometheus's answer to a query."""
    return f"/api/v1/query?{urlencode({'query': expression})}"


def _run(command: list[str], text: str = "") -> str:
    try:
        result = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60)
    except subprocess.CalledProcessError as error:
        raise NotReachedError((error.stderr.strip().splitlines() or [str(error)])[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotReachedError(str(error)) from error
    return result.stdout
