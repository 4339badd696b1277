"""Installs the peers that are missing, without starting their services."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.exporter.data import REPOSITORY
from benchmarks.exporter.peers import missing_packages

POLICY = Path("/usr/sbin/policy-rc.d")
# Asked by the packages' scripts before they start a service; this answer is no.
NO_SERVICES = "#!/bin/sh\nexit 101\n"


class MissingError(RuntimeError):
    """Something is not installed and cannot be installed here; the message says what would."""


def ensure_installed() -> None:
    """Install what is missing, and say so.

    Raises:
        MissingError: that is not possible.
    """
    packages = missing_packages()
    if packages:
        _install_debian(packages)
    if importlib.util.find_spec("query_exporter") is None:
        print("Installing Python packages: query-exporter and what it needs", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*pip, "-c", str(REPOSITORY / "constraints.txt"), "-e", f"{REPOSITORY}[bench]"])


def version(package: str) -> str:
    """The installed version of a Debian package, without Debian's own part."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split("-")[0].split("+")[0] if done.returncode == 0 else "unknown"


def _install_debian(packages: Sequence[str]) -> None:
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None or (os.geteuid() != 0 and shutil.which("sudo") is None):
        raise MissingError(f"not installed, and this needs root: {' '.join(install)}")
    print(f"Installing Debian packages: {' '.join(packages)}", flush=True)
    with _no_services():
        _run(_as_root(["apt-get", "update", "-q"]))
        _run(_as_root(["env", "DEBIAN_FRONTEND=noninteractive", *install]))


@contextmanager
def _no_services() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        script.write(NO_SERVICES)
        script.flush()
        _run(_as_root(["install", "-m", "755", script.name, str(POLICY)]))
    try:
        yield
    finally:
        _run(_as_root(["rm", "-f", str(POLICY)]))


def _as_root(command: Sequence[str]) -> list[str]:
    return list(command) if os.geteuid() == 0 else ["sudo", *command]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
