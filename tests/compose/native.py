"""Services of docker-compose.yml as processes of this machine: all that the file says, with other addresses and paths.

What a container would see is copied to a directory of its own. In it, in commands and in variables, `service:port`
becomes a port of the loopback, and a path of the container one below that directory; nothing else is changed.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import requests

from gateway.render import for_installed_nginx, nginx_program
from testbed.servers.alertmanager import program
from testbed.servers.ports import free_port
from testbed.servers.process import Process, guarded
from tests.compose.stack import ROOT, Yaml, compose, mounts

#: What images start by themselves; for those that are built here, the Dockerfile says it.
PROGRAMS = {
    "prom/prometheus": ["prometheus"],
    "prom/alertmanager": [program()],
    "prom/node-exporter": ["prometheus-node-exporter"],
}
LISTEN = "--web.listen-address="
#: Docker's DNS: Python's programs find these names on the loopback.
DNS = """\
import socket
known = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: known("127.0.0.1" if host in {names!r} else host, *rest, **more)
"""


class Native:
    """Where the stack is on this machine.

    Args:
        directory: With what each service would see, in a directory of its name.
        env_files: Variables of docker-compose.yml, as for `docker compose --env-file`.
        generated: Files and directories by their path in the repository, and where they are instead.
        elsewhere: Addresses `service:port` of what is not run from the file, and where it is.
    """

    def __init__(
        self, directory: Path, env_files: Sequence[str], generated: Mapping[str, Path], elsewhere: Mapping[str, str]
    ) -> None:
        self._directory = directory
        self._compose = compose(*env_files)
        self._services: dict[str, Yaml] = self._compose["services"]
        self._generated = generated
        self._addresses = dict(elsewhere)

    def address(self, service: str, port: int) -> str:
        """Where a port of a service is on the loopback."""
        return self._addresses.setdefault(f"{service}:{port}", f"127.0.0.1:{free_port()}")

    def text(self, service: str, text: str) -> str:
        """A text of a container as it has to be here."""
        names = "|".join(re.escape(name) for name in self._services)
        text = re.sub(
            rf"(?<![\w.-])(?:({names})|localhost|127\.0\.0\.1|0\.0\.0\.0):(\d+)\b",
            lambda match: self.address(match[1] or service, int(match[2])),
            text,
        )
        aliases = "|".join(re.escape(name) for name in self._aliases())
        text = re.sub(  # by its name, which its certificate is for
            rf"\b({aliases}):(\d+)\b",
            lambda match: f"{match[1]}:{self.address('gateway', int(match[2])).rpartition(':')[2]}",
            text,
        )
        for published in self._services[service].get("ports", []):  # nginx says the number alone
            port = int(published.rpartition(":")[2])
            text = re.sub(rf"\blisten {port}\b", f"listen {self.address(service, port)}", text)
        places = self._places(service)
        paths = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
        return re.sub(rf"(?<![\w./-])({paths})(?![\w-])", lambda match: str(places[match[1]]), text)

    def process(self, service: str, *more: str) -> Process:
        """A service that is ready to be started, with more arguments than the file has."""
        described = self._services[service]
        places = self._places(service)
        for source, target in self._files(service):
            self._copy(service, source, places[target])
        for place in places.values():
            if not place.exists():  # of a volume or a tmpfs, empty at first
                place.mkdir(parents=True)
        own = described.get("entrypoint") or self._entrypoint(described)
        command = [self.text(service, part) for part in [*own, *described.get("command", [])]]
        environment = {name: self.text(service, value) for name, value in described.get("environment", {}).items()}
        match command[0]:
            case "nginx":
                command[0] = nginx_program() or "nginx"
                if os.geteuid() == 0:
                    command[-1] += " user root;"  # its workers must be able to read what is root's
            case "python":
                command[0] = sys.executable
                environment["PYTHONPATH"] = f"{self._dns()}:{ROOT}"
        if service != "gateway" and not any(part.startswith(LISTEN) for part in command):
            command.append(LISTEN + self.health(service).split("/")[2])
        # A container has nothing of this process's environment.
        variables = {"PATH": os.environ["PATH"], **environment}
        start = ["env", "-i", f"--chdir={self.text(service, described.get('working_dir', '/'))}"]
        start += [f"{name}={value}" for name, value in variables.items()]
        return Process(service, guarded([*start, *command, *more]), self._directory / f"{service}.log")

    def health(self, service: str) -> str:
        """What the health check of a service asks."""
        return self.text(service, str(self._services[service]["healthcheck"]["test"][-1]))

    @contextmanager
    def running(self, processes: Sequence[Process]) -> Iterator[None]:
        """All of them, started together and waited for until they are healthy."""
        with ExitStack() as started:
            for process in processes:
                process.start()
                started.callback(process.stop)
            for process in processes:
                process.wait_until(partial(answers, self.health(process.name)), 60)
            yield

    def _files(self, service: str) -> Iterator[tuple[Path, str]]:
        """Source and target of every file and directory that is mounted."""
        for source, target, _ in mounts(self._services[service]):
            if source.startswith("."):
                yield self._source(source), target
        for secret in self._services[service].get("secrets", []):
            name, target = (secret, f"/run/secrets/{secret}") if isinstance(secret, str) else secret.values()
            yield self._source(self._compose["secrets"][name]["file"]), target

    def _places(self, service: str) -> dict[str, Path]:
        """Every path that a container has of its own, and where it is here."""
        described, root = self._services[service], self._directory / service
        places = {target: Path(source) for source, target, _ in mounts(described) if source.startswith("/")}
        others = [target for source, target, _ in mounts(described) if not source.startswith("/")]
        others += [target for _, target in self._files(service)]
        others += [tmpfs.partition(":")[0] for tmpfs in described.get("tmpfs", [])]
        others += ["/run/secrets", *([described["working_dir"]] if "working_dir" in described else [])]
        return places | {target: root / target.lstrip("/") for target in others}

    def _source(self, path: str) -> Path:
        for original, place in self._generated.items():
            if path == f"./{original}" or path.startswith(f"./{original}/"):
                return place / path.removeprefix(f"./{original}").lstrip("/")
        return ROOT / path

    def _copy(self, service: str, source: Path, target: Path) -> None:
        for file in [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]:
            copied = target / file.relative_to(source) if file != source else target
            copied.parent.mkdir(parents=True, exist_ok=True)
            text = self.text(service, file.read_text())
            copied.write_text(for_installed_nginx(text) if file.name == "nginx.conf" else text)

    def _entrypoint(self, described: Yaml) -> list[str]:
        image = described["image"].rpartition(":")[0]
        if image in PROGRAMS:
            return PROGRAMS[image]
        stage = next(one["build"]["target"] for one in self._services.values() if one["image"] == described["image"])
        _, _, text = (ROOT / "Dockerfile").read_text().partition(f" AS {stage}\n")
        found = re.search(r"(?m)^ENTRYPOINT (.*)$", text)
        assert found, stage
        return [str(part) for part in json.loads(found[1])]

    def _aliases(self) -> list[str]:
        return [str(name) for name in self._services["gateway"]["networks"]["inside"]["aliases"]]

    def _dns(self) -> Path:
        place = self._directory / "dns"
        place.mkdir(parents=True, exist_ok=True)
        (place / "sitecustomize.py").write_text(DNS.format(names=self._aliases()))
        return place


def answers(url: str) -> bool:
    """Whether there is a page."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
