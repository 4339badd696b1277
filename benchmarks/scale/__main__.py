"""The command `python -m benchmarks.scale`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.exporter.machine import hardware, share_of_others
from benchmarks.exporter.session import say
from benchmarks.page import rewrite
from benchmarks.scale import arrivals, clients, viewers
from benchmarks.scale.report import report

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
BEGIN, END = "<!-- results: written by `make bench-scale` -->", "<!-- end of results -->"
RATES = (10, 100, 300)
CLIENTS = (1000, 10_000, 100_000, 1_000_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and rewrite its tables; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description="Measures what the monitoring costs for each 1,000 predictions a second, 1,000 clients and viewer,"
        f" and writes the tables into docs/{PAGE.name}.",
    )
    parser.add_argument("--no-page", action="store_true", help=f"print only, and leave docs/{PAGE.name} as it is")
    flags = parser.parse_args(arguments)
    machine = [*hardware(share_of_others()), time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())]
    watched = viewers.measure()
    say(f"{watched}")
    called = []
    for one in clients.measure(CLIENTS):
        say(f"{one}")
        called.append(one)
    arrived = []
    for rate in arrivals.measure(RATES):
        say(f"{rate}")
        arrived.append(rate)
    text = report(machine, arrived, called, watched)
    print(text)
    if not flags.no_page:
        rewrite(PAGE, BEGIN, END, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
