"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version as python_version
from pathlib import Path

import psutil

from benchmarks.exporter.packages import version
from benchmarks.exporter.peers import PEERS, QueryExporter
from testbed.servers.postgres import newest_programs

BUSY = 0.1
"""Share of the machine that other programs may take before the numbers are called noisy."""


def describe(others: float) -> list[str]:
    """Lines about the machine and the versions.

    Args:
        others: share of all cores that other programs took just before.
    """
    peers = [f"{peer.name} {version(peer.package)}" for peer in PEERS if peer is not QueryExporter]
    peers.append(f"{QueryExporter.name} {python_version('query-exporter')}")
    return [*hardware(others), ", ".join(peers), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())]


def hardware(others: float) -> list[str]:
    """Lines about the machine and what the exporter stands on; see `describe`."""
    memory = psutil.virtual_memory().total / 2**30
    cores = os.cpu_count() or 1
    noise = f"; other programs took {others:.0%} of it before the run" if others > BUSY else ""
    return [
        f"{cores} cores of {_cpu()}, {memory:.0f} GiB of memory, Linux {platform.release().split('-')[0]}{noise}",
        f"{_postgres()}, Redis {_redis()}, Python {sys.version.split()[0]}",
    ]


def share_of_others(seconds: float = 2.0) -> float:
    """Share of all cores that is in use while nothing is measured."""
    return float(psutil.cpu_percent(interval=seconds)) / 100


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postgres() -> str:
    # postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    return f"PostgreSQL {_first_line([str(newest_programs() / 'postgres'), '--version']).split()[2]}"


def _redis() -> str:
    return _first_line(["redis-server", "--version"]).partition("v=")[2].split()[0]


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
