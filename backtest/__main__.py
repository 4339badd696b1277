"""The command `ticketing-backtest`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from backtest import engine, playbooks, report, rules
from backtest.engine import Span
from backtest.history import Access, History, HistoryError
from backtest.progress import Progress
from backtest.promql import ExpressionError
from backtest.promtool import PromtoolError
from backtest.rules import RulesError, RuleSet
from backtest.times import duration, instant
from common.version import VERSION
from common.yaml_files import ConfigError
from responder import playbook_file
from responder.playbooks import Playbooks

NAME = "ticketing-backtest"
#: What the rules look back upon costs as much as what is asked for.
LONGEST_WARM_UP = "6h"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status is 0 when it could answer."""
    parser = command_line()
    flags = parser.parse_args(arguments)
    try:
        _run(flags)
    except (ExpressionError, PromtoolError, HistoryError, RulesError, ConfigError, ValueError) as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _run(flags: argparse.Namespace) -> None:
    now = time.time()
    sets = [rules.load(directory) for directory in flags.rules]
    if len(sets) > 2:
        raise ValueError("--rules: at most two rule sets are compared")
    books = playbook_file.load(flags.playbooks)
    step, most = duration(flags.step), duration(flags.warm_up)
    start, end = (round(instant(text, now)) // step * step for text in (flags.from_, flags.to))
    if end <= start:
        raise ValueError("--from: must be before --to")
    back = -(-int(max(one.alerts().look_back for one in sets)) // step) * step
    span = Span(start, end, step, min(back, most))
    notes = [] if back <= most else [f"rules look back {back} s; what is further back than {most} s is not read"]
    history = History(Access(flags.prometheus, flags.token_file, flags.basic_auth_file, flags.ca_file), step)
    found = [_outcome(one, books, history, span, notes) for one in sets]
    show = report.as_json if flags.output == "json" else report.as_text
    sys.stdout.write(show(found, span, notes))


def _outcome(chosen: RuleSet, books: Playbooks, history: History, span: Span, notes: list[str]) -> report.Outcome:
    read = chosen.alerts().read
    if not read & history.metrics:
        notes.append(f"{chosen.name}: Prometheus has none of the metrics that these rules read")

    def source_of(names: frozenset[str]) -> engine.Source:
        return partial(history.series, names)

    with Progress(chosen.name) as told:
        firings = engine.alerts(chosen, source_of(read), span, told=told)
    return report.Outcome(chosen.name, firings, playbooks.incidents(firings, books, chosen, source_of, span))


def command_line() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Shows which alerts would have fired on the history of a Prometheus, which playbooks would have"
        " acted, and what differs between two rule sets. Needs promtool. Changes nothing.",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}", help="print the version and exit")
    parser.add_argument(
        "--prometheus", required=True, metavar="URL", help="address of Prometheus, or of a server with the same API"
    )
    parser.add_argument("--token-file", type=Path, help="file that holds a bearer token")
    parser.add_argument("--basic-auth-file", type=Path, help="file that holds user:password")
    parser.add_argument("--ca-file", help="file of certificates to trust instead of the system's")
    parser.add_argument(
        "--from",
        dest="from_",
        default="24h",
        help="start: 24h (ago), 2026-03-02T18:00 (UTC without a zone) or Unix seconds (default: %(default)s)",
    )
    parser.add_argument("--to", default="now", help="end, written the same way (default: %(default)s)")
    parser.add_argument(
        "--rules",
        type=Path,
        action="append",
        required=True,
        help="directory or file; given twice, the second is shown as its differences",
    )
    parser.add_argument(
        "--playbooks", type=Path, metavar="FILE", help="playbooks of the responder (default: those that are shipped)"
    )
    parser.add_argument(
        "--step",
        default="15s",
        help="time between two evaluations; smaller is more exact and slower (default: %(default)s)",
    )
    parser.add_argument(
        "--warm-up", default=LONGEST_WARM_UP, help="how far rules may look back before --from (default: %(default)s)"
    )
    parser.add_argument(
        "--output", choices=["text", "json"], default="text", help="format of the result (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
