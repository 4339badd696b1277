"""People with addresses of their own: network namespaces that reach the engine's machine over a cable."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.gateway.edge import HOST

#: Where the engine publishes ports: its own network, or that of this machine.
ENGINE_NETWORK = os.environ.get("ENGINE_NETWORK", "/proc/1/ns/net")


@dataclass(frozen=True)
class Client:
    """A machine of somebody.

    Attributes:
        namespace: Its network.
        gateway: Address of the engine's machine as it sees it.
    """

    namespace: str
    gateway: str

    def command(self, *words: str) -> list[str]:
        """The command as run on that machine."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on that machine."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=timeout, check=False)

    def status(self, path: str, *arguments: str, certificate: Path, host: str = HOST) -> int:
        """Status of a page of the gateway; 0 where there is no answer."""
        command = [
            "curl",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--max-time",
            "20",
            "--cacert",
            str(certificate),
        ]
        command += ["--resolve", f"{host}:443:{self.gateway}", *arguments, f"https://{host}{path}"]
        return int(self.run(*command).stdout)

    def reaches(self, address: str, port: int) -> bool:
        """Whether a TCP connection is taken."""
        return self.run("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}").returncode == 0


@contextmanager
def client(name: str, network: str) -> Iterator[Client]:
    """A machine on a cable of its own: the engine's end has the first address of the network, it the second.

    Args:
        name: At most eight letters.
        network: The first three numbers of it.
    """
    namespace, gateway = f"tm-{name}", f"{network}.1"
    inside = ["ip", "netns", "exec", namespace]
    at_engine = ["nsenter", f"--net={ENGINE_NETWORK}"]
    holder = ENGINE_NETWORK.split("/")[2]
    _run(["ip", "netns", "del", namespace], check=False)
    _run(["ip", "netns", "add", namespace])
    try:
        _run(["ip", "link", "add", f"{namespace}a", "type", "veth", "peer", "name", f"{namespace}b"])
        _run(["ip", "link", "set", f"{namespace}a", "netns", namespace])
        _run(["ip", "link", "set", f"{namespace}b", "netns", holder])
        _run([*at_engine, "ip", "addr", "add", f"{gateway}/24", "dev", f"{namespace}b"])
        _run([*at_engine, "ip", "link", "set", f"{namespace}b", "up"])
        _run([*inside, "ip", "addr", "add", f"{network}.2/24", "dev", f"{namespace}a"])
        _run([*inside, "ip", "link", "set", "lo", "up"])
        _run([*inside, "ip", "link", "set", f"{namespace}a", "up"])
        _run([*inside, "ip", "route", "add", "default", "via", gateway])
        yield Client(namespace, gateway)
    finally:
        _run(["ip", "netns", "del", namespace], check=False)  # and with it the cable


def in_engine(*words: str) -> str:
    """Run a command on the engine's machine, which counts processes as the engine does."""
    command = ["nsenter", "--target", ENGINE_NETWORK.split("/")[2], "--mount", "--pid", "--net", *words]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0, f"{words}: {result.stderr}"
    return result.stdout


def _run(command: Sequence[str], *, check: bool = True) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 0 or not check, f"{command}: {result.stderr}"
