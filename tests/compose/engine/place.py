"""A checkout of its own, and the commands of docs/operations.md run in it."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.compose.stack import ROOT

PROJECT = "ticketing-monitor"


class Place:
    """A copy of what is in the repository, as `git clone` would make it, with .venv.

    Args:
        directory: Where; the engine sees it.
        umask: Of whoever checks out and types the commands.
    """

    def __init__(self, directory: Path, umask: int = 0o022) -> None:
        self.directory = directory
        self._umask = umask
        self.variables: dict[str, str] = {}
        if not (directory / "Makefile").exists():
            directory.mkdir(parents=True, exist_ok=True)
            files = f"git -C {ROOT} ls-files -co --exclude-standard -z | tar -C {ROOT} --null -T - -c"
            self.run(f"{files} | tar -x --no-same-permissions --no-same-owner\nln -s {ROOT}/.venv .venv")

    def run(self, commands: str, *, timeout: float = 900, check: bool = True, variables: Mapping[str, str] = {}) -> str:
        """Run commands in one shell; returns what they print."""
        result = subprocess.run(
            ["bash", "-c", f"set -eu\n{commands}"],
            cwd=self.directory,
            env={**os.environ, **self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            umask=self._umask,
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert result.returncode == 0, f"{commands}\n{result.stdout[-3000:]}\n{result.stderr[-6000:]}"
        return result.stdout

    def demo(self) -> None:
        """As the guide says for its commands on the demo."""
        self.variables |= {"COMPOSE_ENV_FILES": ".env,deploy/compose/demo.env", "COMPOSE_PROFILES": "demo"}

    def states(self) -> dict[str, str]:
        """Health of every container of the project, or its state where it has no health check, by its service."""
        lines = self.run(f"docker ps -a --filter label=com.docker.compose.project={PROJECT} --format '{{{{json .}}}}'")
        found = {}
        for one in map(json.loads, lines.splitlines()):
            name = one["Names"].removeprefix(f"{PROJECT}-").rpartition("-")[0]
            status = str(one["Status"])
            found[name] = (
                status.rpartition("(")[2].rstrip(")") if "(" in status and one["State"] == "running" else status
            )
        return found

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a container."""
        (found,) = json.loads(self.run(f"docker inspect {PROJECT}-{service}-1"))
        return dict(found)

    def ask(self, service: str, url: str) -> str:
        """What a page says, asked from inside a container."""
        program = (
            "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
        )
        return self.run(f"docker exec {PROJECT}-{service}-1 python -c '{program}' '{url}'")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers."""
        url = f"http://127.0.0.1:9090/api/v1/query?query={quote(expression, safe='')}"
        answer = json.loads(self.run(f"docker exec {PROJECT}-prometheus-1 wget -q -O - '{url}'"))
        return list(answer["data"]["result"])

    def delivered(self) -> list[dict[str, Any]]:
        """Everything but heartbeats that the demo's inbox has got, the newest first."""
        answer = json.loads(self.ask("inbox", "http://127.0.0.1:8040/api/notifications"))
        return [one for one in answer["notifications"] if one["channel"] != "heartbeat"]

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        label = f"--filter label=com.docker.compose.project={PROJECT}"
        self.run(
            f"docker ps -aq {label} | xargs -r docker rm -f -v\n"
            f"docker network ls -q {label} | xargs -r docker network rm\n"
            f"docker volume ls -q {label} | xargs -r docker volume rm"
        )


def put(place: Place, file: str, **variables: str) -> None:
    """Give variables of an env file another value."""
    path = place.directory / file
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{_line(line, variables)}\n" for line in lines))


def _line(line: str, variables: dict[str, str]) -> str:
    name = line.partition("=")[0]
    return f"{name}={variables[name]}" if name in variables else line


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120, every: float = 1) -> float:
    """Ask again and again; returns how long it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return time.monotonic() - start
