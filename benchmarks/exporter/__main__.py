"""The command `python -m benchmarks.exporter`."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from benchmarks.exporter import tables
from benchmarks.exporter.data import BUSY_PER_HOUR, REPOSITORY, Databases, Dataset
from benchmarks.exporter.machine import describe, share_of_others
from benchmarks.exporter.measure import QUICK, Effort
from benchmarks.exporter.packages import MissingError, ensure_installed
from benchmarks.exporter.session import ROLES, Outcome, run_dataset, say
from benchmarks.exporter.targets import targets
from benchmarks.page import rewrite

CACHE = REPOSITORY / ".cache" / "bench"
PAGE = REPOSITORY / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
BUSY_HOURS = 24
LONG_SECONDS = 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    flags = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    effort = replace(QUICK if flags.quick else Effort(), long=LONG_SECONDS if flags.long else 0)
    datasets = [Dataset(rows) for rows in flags.sizes]
    if flags.busy_hours:
        datasets.append(Dataset(flags.busy_hours * BUSY_PER_HOUR, BUSY_PER_HOUR))
    try:
        ensure_installed()
        with _data_directory(flags.keep_data) as directory:
            outcomes, machine = _measure(directory, datasets, effort)
    except MissingError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    _write(outcomes, machine, page=not flags.no_page)
    return 0


def _measure(directory: Path, datasets: Sequence[Dataset], effort: Effort) -> tuple[list[Outcome], list[str]]:
    outcomes = []
    with (databases := Databases(directory, ROLES)).server:
        # Everything is loaded before anything is measured.
        for dataset in datasets:
            say(f"loading {dataset.title} (they go back {dataset.hours / 24:.0f} days)")
            databases.prepare(dataset)
        machine = describe(share_of_others())
        for dataset in datasets:
            databases.prepare(dataset)
            say(f"measuring on {dataset.title}")
            outcomes.append(run_dataset(databases, dataset, effort))
            print(f"\n{tables.contenders(outcomes[-1])}\n", flush=True)
    return outcomes, machine


def _write(outcomes: Sequence[Outcome], machine: Sequence[str], *, page: bool) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    raw = {"machine": machine, "outcomes": [asdict(outcome) for outcome in outcomes]}
    (CACHE / "results.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    text = tables.report(outcomes, list(targets(outcomes)), machine)
    print(f"\n{text}\n")
    if page:
        rewrite(PAGE, BEGIN, END, text)
        print(f"written into {PAGE.relative_to(REPOSITORY)}; raw: {CACHE.relative_to(REPOSITORY)}/results.json")


@contextmanager
def _data_directory(kept: Path | None) -> Iterator[Path]:
    directory = kept or CACHE / "data"
    directory.mkdir(parents=True, exist_ok=True)
    try:
        yield directory.resolve()
    finally:
        if kept is None:
            shutil.rmtree(directory, ignore_errors=True)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Everything that was started is ended on the way out.
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exporter",
        description="Measures the exporter beside its peers on the same data and machine, and writes the tables"
        f" into {PAGE.relative_to(REPOSITORY)}.",
    )
    add = parser.add_argument
    add(
        "--sizes",
        type=_sizes,
        default="100k,1M,10M",
        help="predictions in the database, at the same rate of arrival (%(default)s)",
    )
    add(
        "--busy-hours",
        type=int,
        default=BUSY_HOURS,
        help=f"hours of history at {BUSY_PER_HOUR:,} predictions an hour; 0 leaves that out (%(default)s)",
    )
    add("--quick", action="store_true", help="a fifth of the scrapes: to try it out")
    add("--long", action="store_true", help="also the exporter's memory after an hour of one scrape a second")
    add("--keep-data", type=Path, metavar="DIR", help="keep the loaded databases there, and use those that are there")
    add("--no-page", action="store_true", help="print only, and leave docs/benchmarks.md as it is")
    return parser


def _sizes(text: str) -> list[int]:
    factors = {"k": 1000, "M": 1_000_000}
    try:
        sizes = [int(size.rstrip("kM")) * factors.get(size[-1:], 1) for size in text.split(",") if size]
    except ValueError:
        sizes = []
    if any(size < 1000 for size in sizes) or (text and not sizes):
        raise argparse.ArgumentTypeError("must be numbers such as 100k or 10M, separated by commas")
    return sorted(sizes)


if __name__ == "__main__":
    sys.exit(main())
