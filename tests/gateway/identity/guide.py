"""Commands of docs/operations.md, run against a Keycloak of this machine as they are written."""

import re
import subprocess
from pathlib import Path

from gateway.settings import ROOT
from tests.gateway.identity.servers import ADMIN, CACHE

GUIDE = ROOT / "docs" / "operations.md"
INSIDE_THE_CONTAINER = "docker compose exec -T keycloak /opt/keycloak/bin/kcadm.sh"


def block(heading: str, number: int) -> str:
    """An indented block of a chapter."""
    chapter = GUIDE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", chapter, re.MULTILINE)
    return re.sub(r"(?m)^    ", "", blocks[number])


def inline(start: str) -> str:
    """The command in backquotes that begins so."""
    found = re.search(rf"`({re.escape(start)}[^`]*)`", GUIDE.read_text())
    assert found, start
    return re.sub(r"\s*\n\s*", " ", found[1])


def row(heading: str, first: str) -> str:
    """The commands of a line of a chapter's table, one a line; the line begins with this."""
    chapter = GUIDE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (cells,) = re.findall(rf"(?m)^\| {re.escape(first)}[^|]*\|([^|]*)\|$", chapter)
    return "\n".join(re.findall(r"`([^`]*)`", cells))


class Guide:
    """The commands, with this Keycloak instead of the container's.

    Args:
        directory: With the secrets that the commands read, as secrets/.
        port: Of Keycloak.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        (directory / "secrets").mkdir()
        self.put_secret("keycloak_admin_password", ADMIN[1])
        self._here = {
            INSIDE_THE_CONTAINER: str(CACHE / "keycloak" / "bin" / "kcadm.sh"),
            "/tmp/kcadm.config": str(directory / "kcadm.config"),
            "http://localhost:8080": f"http://localhost:{port}",
        }
        self._sign_in = self.block("People", 0)

    def put_secret(self, name: str, value: str) -> None:
        """Write a file that the commands read."""
        (self._directory / "secrets" / name).write_text(value)

    def block(self, heading: str, number: int) -> str:
        """See the function."""
        return block(heading, number)

    def inline(self, start: str) -> str:
        """See the function."""
        return inline(start)

    def run(self, commands: str) -> str:
        """Run commands after signing in, in one shell; returns what they print."""
        script = f"set -eu\n{self._sign_in}\n{commands}"
        for there, here in self._here.items():
            script = script.replace(there, here)
        result = subprocess.run(
            ["bash", "-c", script], cwd=self._directory, capture_output=True, text=True, timeout=300, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout
