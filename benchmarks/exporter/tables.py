"""The results as Markdown tables that are readable on a terminal, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.exporter.data import short
from benchmarks.exporter.measure import Measured
from benchmarks.exporter.peers import RedisExporter
from benchmarks.exporter.session import Outcome
from benchmarks.exporter.targets import Target, shared_cpu_ms

Row = Sequence[str]

COLUMNS = (
    "",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "back to back p50",
    "8 at once p50",
    "8 at once p99",
    "CPU ms",
    "PostgreSQL ms",
    "blocks",
    "RSS MB",
    "samples",
    "age of values",
)

FOOTNOTE = (
    "¹ Answers with what its last run has read, so a scrape waits for nothing. CPU, PostgreSQL time and blocks"
    " are those of one scrape and one run."
)


def report(outcomes: Sequence[Outcome], targets: Sequence[Target], machine: Sequence[str]) -> str:
    """Everything between the markers of docs/benchmarks.md."""
    parts = ["\n".join(f"- {line}" for line in machine), "### Targets", _targets(targets)]
    for outcome in outcomes:
        parts += [f"### {outcome.dataset.title}", contenders(outcome)]
        if len(outcome.measured) > 1:
            parts += [FOOTNOTE, _ratios(outcome)]
    parts += ["### The exporter alone", _alone(outcomes)]
    return "\n\n".join(parts)


def contenders(outcome: Outcome) -> str:
    """One row a contender, and what several of them cost together."""
    rows = [_row(measured) for measured in outcome.measured]
    pair, four = stacks(outcome)
    if pair and four:
        rows += [_sum(" + ".join(one.contender for one in pair), pair), _sum("all four peers", four)]
    return table(COLUMNS, rows)


def stacks(outcome: Outcome) -> tuple[Sequence[Measured], Sequence[Measured]]:
    """The two peers that deliver most of the numbers at the least cost, and all peers."""
    peers = outcome.measured[1:]
    sql = [peer for peer in peers if peer.contender != RedisExporter.name]
    redis = [peer for peer in peers if peer.contender == RedisExporter.name]
    if not sql or not redis:
        return (), ()
    return (*redis, min(sql, key=lambda peer: peer.postgres_ms + peer.cpu_ms)), peers


def table(head: Row, rows: Sequence[Row]) -> str:
    """A Markdown table with aligned columns; all but the first to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Row) -> str:
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(cells[1:], widths[1:], strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *map(line, rows)])


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(measured: Measured) -> Row:
    mark = "" if measured.runs_per_scrape else " ¹"
    single, eight = measured.single, measured.eight
    latencies = (single.p50, single.p95, single.p99, measured.back_to_back.p50, eight.p50, eight.p99)
    return [
        measured.contender + (f" ({measured.failures} failures)" if measured.failures else ""),
        *(number(value) + mark for value in latencies),
        *_costs([measured]),
        str(measured.samples),
        measured.age,
    ]


def _sum(name: str, stack: Sequence[Measured]) -> Row:
    return [name, *("" for _ in range(6)), *_costs(stack), str(sum(one.samples for one in stack)), ""]


def _costs(stack: Sequence[Measured]) -> Row:
    return [
        number(sum(one.cpu_ms for one in stack)),
        number(sum(one.postgres_ms for one in stack)),
        f"{sum(one.postgres_blocks for one in stack):,.0f}",
        number(sum(one.resident_mb for one in stack)),
    ]


def _ratios(outcome: Outcome) -> str:
    ours, *peers = outcome.measured
    pair, _ = stacks(outcome)
    compared: list[tuple[str, Sequence[Measured]]] = [(peer.contender, [peer]) for peer in peers]
    if pair:
        compared.append((" + ".join(one.contender for one in pair), pair))
    rows = []
    for name, stack in compared:
        waits = all(one.runs_per_scrape for one in stack)
        slowest = max(one.single.p50 for one in stack)
        rows.append(
            [
                name,
                _ratio(ours.single.p50, slowest) if waits else "",
                _ratio(ours.cpu_ms, sum(one.cpu_ms for one in stack)),
                _ratio(ours.postgres_ms, sum(one.postgres_ms for one in stack)),
                _ratio(ours.postgres_blocks, sum(one.postgres_blocks for one in stack)),
                _ratio(ours.resident_mb, sum(one.resident_mb for one in stack)),
            ]
        )
    return table(("ours / peer", "p50", "CPU", "PostgreSQL ms", "blocks", "RSS"), rows)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs > 0 else ""


def _targets(targets: Sequence[Target]) -> str:
    rows = [
        [target.what, f"≤ {target.limit:g} {target.unit}", f"{number(target.value)} {target.unit}", _met(target)]
        for target in targets
    ]
    return table(("", "target", "measured, worst case", "met"), rows)


def _met(target: Target) -> str:
    return "yes" if target.met else "**no**"


def _alone(outcomes: Sequence[Outcome]) -> str:
    heads = [f"{short(outcome.dataset.rows)}, {outcome.dataset.per_hour:,}/h" for outcome in outcomes]
    rows = [[name, *(cell(outcome) for outcome in outcomes)] for name, cell in ALONE.items()]
    long = [outcome.alone.resident_mb_long for outcome in outcomes]
    if any(long):
        rows.append(["RSS after an hour of one scrape a second, MB", *(number(mb) if mb else "" for mb in long)])
    return table(("", *heads), rows)


def _first(outcome: Outcome) -> str:
    start = outcome.alone.start
    return number(start.first_ms) + (
        "" if start.first_complete else f" (complete after {start.complete_seconds:.1f} s)"
    )


def _fill(outcome: Outcome) -> str:
    model = outcome.alone.model
    if not model.filled:
        return f"not complete after {model.fill_scrapes} scrapes"
    return f"{model.fill_seconds:.1f} s in {model.fill_scrapes} scrape" + "s" * (model.fill_scrapes > 1)


ALONE: Mapping[str, Callable[[Outcome], str]] = {
    "floor: static page, p50 ms": lambda outcome: number(outcome.alone.floor.p50),
    "each further concurrent scrape, CPU ms": lambda outcome: number(shared_cpu_ms(outcome)),
    "scrape that joins another 1 ms later, p50 ms": lambda outcome: number(outcome.alone.joined.p50),
    "PostgreSQL ms of eight scrapes at once": lambda outcome: number(outcome.measured[0].postgres_ms_eight),
    "section security alone, p50 ms": lambda outcome: number(outcome.alone.critical.p50),
    "section security alone, p99 ms": lambda outcome: number(outcome.alone.critical.p99),
    "start of the process to first answer, s": lambda outcome: number(outcome.alone.start.healthy_seconds),
    "first scrape after a start, ms": _first,
    "section model: first fill": _fill,
    "section model: filled, p50 ms": lambda outcome: number(outcome.alone.model.steady.p50),
    "section model: filled, longest ms": lambda outcome: number(outcome.alone.model.steady.most),
    "section model: filled, PostgreSQL ms": lambda outcome: number(outcome.alone.model.postgres_ms),
    "RSS after that many scrapes, MB": lambda outcome: number(outcome.alone.resident_mb),
    "scrapes before that": lambda outcome: f"{outcome.alone.scrapes:,}",
}
"""Rows of the last table."""
