"""Loads rows in a process of its own, which can be ended at any moment; its memory goes with it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from simulator.bulk import bulk_load

REPOSITORY = Path(__file__).resolve().parents[2]


def load(dsn: str, rows: int, per_hour: int, end: datetime) -> None:
    """Load predictions up to `end`; see `bulk_load`.

    Raises:
        subprocess.CalledProcessError: it failed; its standard error says why.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "benchmarks.exporter.load"]
    subprocess.run([*command, dsn, str(rows), str(per_hour), str(end.timestamp())], check=True, cwd=REPOSITORY)


def main() -> None:
    """Load what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("rows", type=int)
    parser.add_argument("per_hour", type=int)
    parser.add_argument("end", type=float)
    flags = parser.parse_args()
    try:
        bulk_load(flags.dsn, flags.rows, flags.per_hour, end=datetime.fromtimestamp(flags.end, UTC))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
