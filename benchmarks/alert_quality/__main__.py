"""The command `python -m benchmarks.alert_quality`."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any

from backtest.rules import load
from benchmarks.alert_quality.incidents import INCIDENTS, PAGE, STRENGTHS
from benchmarks.alert_quality.results import OBJECTIVES, OTHERS, RATES, Told, Week, healthy_weeks, incidents
from benchmarks.alert_quality.runs import LITERAL, ROOT, SHIPPED
from benchmarks.exporter.tables import table
from benchmarks.page import rewrite

PAGE_FILE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- alert quality: written by `make bench-alert-quality` -->", "<!-- end of alert quality -->"
#: What was run before with the same rules and the same platforms is not run again.
KEPT = ROOT / ".cache" / "alert-quality"
SETS = ("shipped", "literal")
#: Healthy weeks that are one run: promtool refuses more than 10,000 samples in a query.
TOGETHER = 2
ENGINE = ("engine", "promql", "promtool", "rules")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 when somebody is woken for nothing or a strong incident is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alert_quality", description=__doc__)
    parser.add_argument(
        "--weeks", type=float, default=8, help="healthy ones, whole or a part of one (default: %(default)s)"
    )
    parser.add_argument(
        "--objective-weeks",
        type=int,
        default=8,
        help="of those, so many for alerts on objectives, too, which cost twice the rest (default: %(default)s)",
    )
    parser.add_argument(
        "--literal-weeks", type=int, default=8, help="so many through the blueprint's rules (default: %(default)s)"
    )
    parser.add_argument("--rates", default=",".join(f"{rate:g}" for rate in RATES), help="predictions an hour")
    parser.add_argument("--incidents", default=".", help="a regular expression for their names (default: all)")
    parser.add_argument("--only", choices=["healthy", "incidents"], help="one half of it")
    parser.add_argument("--incident-rate", type=float, default=1247, help="predictions an hour (default: %(default)s)")
    parser.add_argument("--processors", type=int, default=1, help="how many runs at once (default: %(default)s)")
    parser.add_argument("--no-page", action="store_true", help="print only, and leave docs/benchmarks.md as it is")
    flags = parser.parse_args(arguments)
    rates = [float(rate) for rate in flags.rates.split(",")]
    weeks = {name: list(_weeks(name, rates, flags)) for name in SETS} if flags.only != "incidents" else {}
    told = {name: _incidents(name, flags) for name in SETS} if flags.only != "healthy" else {}
    text = "\n\n".join([_about(), *(_healthy(weeks) if weeks else ()), *(_told(told) if told else ())])
    print(f"\n{text}\n")
    if not flags.no_page:
        rewrite(PAGE_FILE, BEGIN, END, text)
    woken = any(week.pages for week in weeks.get("shipped", ()))
    missed = any(one.seconds is None for one in told.get("shipped", ()) if one.strength == len(STRENGTHS) - 1)
    return 1 if woken or missed else 0


def _weeks(rules: str, rates: Sequence[float], flags: argparse.Namespace) -> Iterable[Week]:
    days, whole = 7 * min(1.0, flags.weeks), -int(-flags.weeks // 1)
    if rules == "shipped":
        runs = [(OTHERS, numbers) for numbers in _together(whole)]
        runs += [(OBJECTIVES, range(number, number + 1)) for number in range(min(whole, flags.objective_weeks))]
    else:
        runs = [(OTHERS, numbers) for numbers in _together(min(whole, flags.literal_weeks))]
    for part, numbers in runs:
        name = f"{part}-{numbers[0]}-{numbers[-1]}-{days:g}-{'-'.join(f'{rate:g}' for rate in rates)}"
        kept = _kept(rules, name, lambda: healthy_weeks(numbers, rates, days, rules, part, flags.processors))  # noqa: B023
        yield from (Week(**one) for one in kept)


def _together(weeks: int) -> list[range]:
    return [range(first, min(first + TOGETHER, weeks)) for first in range(0, weeks, TOGETHER)]


def _incidents(rules: str, flags: argparse.Namespace) -> list[Told]:
    name = f"incidents-{flags.incident_rate:g}-{hashlib.sha256(flags.incidents.encode()).hexdigest()[:8]}"
    kept = _kept(rules, name, lambda: incidents(flags.incident_rate, flags.incidents, rules, 1))
    return [Told(**one) for one in kept]


def _kept(rules: str, name: str, run: Callable[[], Sequence[Any]]) -> Any:
    """The results of a run, which are kept for as long as nothing that they depend on has changed."""
    files = [*Path(__file__).parent.glob("*.py"), *(ROOT / "backtest" / f"{part}.py" for part in ENGINE)]
    read = [*LITERAL.glob("*.yml"), *SHIPPED.glob("*.yml" if rules == "shipped" else "limits*.yml")]
    seen = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files) if file.name != "__main__.py"))
    # Texts for people may change.
    evaluated = [{**rule, "annotations": None} for path in sorted(read) for rule in load(path).rules]
    seen.update(json.dumps(evaluated, sort_keys=True).encode())
    file = KEPT / seen.hexdigest()[:16] / f"{rules}-{name}.json"
    if not file.exists():
        began = time.monotonic()
        results = [asdict(one) for one in run()]
        print(f"{rules} rules, {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results))
    return json.loads(file.read_text())


def _about() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"Run {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())} at {commit.stdout.strip() or 'no commit'}."


def _healthy(weeks: dict[str, list[Week]]) -> Iterable[str]:
    rows = []
    for rate in sorted({week.rate for week in weeks["shipped"]}):
        cells, watched = [], []
        for name in SETS:
            own = [week for week in weeks[name] if week.rate == rate]
            seen = {part: sum(week.days for week in own if week.part == part) / 7 for part in (OTHERS, OBJECTIVES)}
            for kind in ("pages", "messages"):
                counts = sum((Counter(getattr(week, kind)) for week in own), Counter[str]())
                names = ", ".join(f"{alert} {count}" for alert, count in counts.most_common())
                a_week = sum(sum(getattr(week, kind).values()) / seen[week.part] for week in own)
                cells.append(f"{a_week:.1f}" + (f" ({names})" if names and name == "shipped" else ""))
            watched += [f"{seen[part]:.2g}" for part in (OTHERS, OBJECTIVES) if name == "shipped" or part == OTHERS]
        rows.append((f"{rate:,.0f}", " / ".join(watched), cells[0], cells[2], cells[1], cells[3]))
    head = (
        "predictions/h",
        "weeks: alerts / on objectives / literal",
        "false pages a week",
        "literal",
        "false messages a week",
        "literal",
    )
    yield table(head, rows)


def _told(told: dict[str, list[Told]]) -> Iterable[str]:
    by_name = {incident.name: incident for incident in INCIDENTS}
    summary = []
    times = {name: {(one.incident, one.strength): one.seconds for one in told[name]} for name in SETS}
    both = {key for key in times["shipped"] if all(times[name].get(key) is not None for name in SETS)}
    for only, what in ((times["shipped"].keys(), ""), (both, ", of those that both tell")):
        for strength, word in enumerate(STRENGTHS):
            cells = [word + what]
            for name in SETS:
                own = [times[name][key] for key in only if key[1] == strength]
                found = sorted(seconds for seconds in own if seconds is not None)
                p50, p95 = _percentiles(found)
                cells += [f"{len(found)} of {len(own)}", p50, p95]
            summary.append(tuple(cells))
    yield table(("strength", "told", "p50 min", "p95 min", "literal told", "p50 min", "p95 min"), summary)
    rows = []
    for name in dict.fromkeys(one.incident for one in told["shipped"]):
        incident = by_name[name]
        numbers = [incident.what.format(number) for number in incident.strengths]
        ours, theirs = ([one for one in told[rules] if one.incident == name] for rules in SETS)
        alerts = ", ".join(dict.fromkeys(one.alert for one in ours if one.alert))
        rows.append(
            (
                name,
                numbers[-1],
                "page" if incident.wanted is PAGE else "message",
                *(" / ".join(_minutes(one.seconds) for one in each) for each in (ours, theirs)),
                alerts,
            )
        )
    head = ("incident", "when strong", "wanted", "minutes, weak / medium / strong", "literal", "told by")
    yield table(head, rows)


def _minutes(seconds: int | None) -> str:
    return "–" if seconds is None else f"{seconds / 60:.1f}"


def _percentiles(found: Sequence[int]) -> tuple[str, str]:
    if len(found) < 2:
        return (_minutes(found[0]),) * 2 if found else ("–", "–")
    cut = quantiles(found, n=20, method="inclusive")
    return _minutes(round(cut[9])), _minutes(round(cut[18]))


if __name__ == "__main__":
    sys.exit(main())
