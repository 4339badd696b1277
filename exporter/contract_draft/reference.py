"""`--contract.reference SINCE UNTIL`: what the features were in a period, as rows of `monitoring.feature_reference`.

Bins are laid by a sample of the period. They are counted over all of it by the very expression with which drift is
computed, so that the drift of a period from itself is 0.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TextIO

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretError, SecretText
from contract.definition import BOOLEAN, CATEGORICAL, NUMERIC
from exporter.collectors.drift import FEWEST_SAMPLES, LARGEST, Feature, bins_query
from exporter.contract_draft.database import Database
from exporter.contract_draft.sample import MOST_JSON_BYTES
from exporter.contract_draft.text import literal, one_line
from exporter.sources.postgres import CONTRACT_HINT
from exporter.sources.ranges import literal as instant
from exporter.windows import MICROSECONDS, Range

ALL_SECONDS = 3600.0
SLICES = 50
ROWS_A_SLICE = 400
MOST_FEATURES = 200
MOST_CATEGORIES = 20
MOST_DIFFERENT = 0.5
"""Texts of which more than half are different are names of something, and no categories."""
LONGEST_NAME = 200
FIRST_STEP, SHORTEST_STEP = 3600 * MICROSECONDS, 60 * MICROSECONDS
QUICK_SECONDS = 1.0

_ACTIVE = "SELECT model_version FROM monitoring.model_versions WHERE is_active"
_SAMPLE = f"""
    SELECT CASE WHEN octet_length(features::text) < {MOST_JSON_BYTES} THEN features::text END
    FROM monitoring.fraud_predictions WHERE timestamp >= {{start}} AND timestamp < {{end}}
    ORDER BY timestamp LIMIT {ROWS_A_SLICE}"""


class NoReferenceError(Exception):
    """There is nothing to compute it from, or for."""


@dataclass
class Seen:
    """Values of one feature in the sample, by their JSON type."""

    numbers: list[float] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    flags: int = 0

    def feature(self, name: str) -> Feature | None:
        """Its bins, without counts; None when there is nothing to lay bins by."""
        kinds = {NUMERIC: len(self.numbers), CATEGORICAL: self.texts.total(), BOOLEAN: self.flags}
        kind = max(kinds, key=lambda kind: kinds[kind])
        if not kinds[kind] or (
            kind == CATEGORICAL and len(self.texts) > max(MOST_CATEGORIES, kinds[kind] * MOST_DIFFERENT)
        ):
            return None
        cuts = cuts_of(self.numbers) if kind == NUMERIC else ()
        categories = tuple(sorted(text for text, _ in self.texts.most_common(MOST_CATEGORIES)))
        return Feature(name, kind, cuts, categories if kind == CATEGORICAL else (), ())


def cuts_of(values: Sequence[float]) -> tuple[float, ...]:
    """Where the bins of these numbers meet: between ten equal parts, or between all values where they are few.

    Args:
        values: at least one, all finite.
    """
    distinct = sorted(set(values))
    if len(distinct) <= 10:
        return tuple(distinct[1:])
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    # Below the least value there is nothing to count.
    return tuple(cut for cut in sorted(set(deciles)) if cut > distinct[0])


def period(since: str, until: str) -> Range:
    """From and to (without) in unix microseconds; ISO 8601, in UTC unless they say otherwise.

    Raises:
        ValueError: they are no times, or not in this order.
    """
    bounds = []
    for text in (since, until):
        moment = datetime.fromisoformat(text)
        bounds.append(round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * MICROSECONDS))
    if bounds[0] >= bounds[1]:
        raise ValueError(f"{since} is not before {until}")
    return Range(*bounds)


def reference(postgres_dsn: SecretText, asked: Range, output: TextIO, errors: TextIO) -> int:
    """Print SQL that puts the reference of the active model in place; returns 0 when there is one."""
    database = Database(postgres_dsn, seconds=ALL_SECONDS)
    try:
        lines = list(_statements(database, asked))
    except (PostgresError, DeadlineExceededError, SecretError, NoReferenceError) as error:
        print(f"--contract.reference: {str(error).removesuffix(CONTRACT_HINT)}", file=errors)
        return 1
    finally:
        database.close()
    print("\n".join(lines), file=output)
    return 0


def _statements(database: Database, asked: Range) -> Iterator[str]:
    active = [version for (version,) in database.rows(_ACTIVE)]
    if len(active) != 1 or active[0] is None:
        raise NoReferenceError(f"{len(active)} models are active in monitoring.model_versions; it is of exactly one")
    version = literal(active[0])
    laid, skipped = _laid(database, asked)
    if not laid:
        raise NoReferenceError("no feature has values in monitoring.fraud_predictions in that time")
    counted = _counted(database, asked, laid)
    rows = sum(counted[0].counts)
    start, end = (datetime.fromtimestamp(bound / MICROSECONDS, UTC).isoformat() for bound in (asked.start, asked.end))
    yield f"-- The features of {rows} predictions from {start} to {end}, as {one_line(active[0])} is to know them."
    if rows < FEWEST_SAMPLES:
        yield f"-- So few tell little: drift is computed from {FEWEST_SAMPLES} on."
    yield from (f"-- Left out: {reason}" for reason in skipped)
    yield "BEGIN;"
    yield f"DELETE FROM monitoring.feature_reference WHERE model_version = {version};"
    yield "INSERT INTO monitoring.feature_reference (model_version, feature, kind, cuts, categories, ref_counts) VALUES"
    for number, feature in enumerate(counted, 1):
        yield f"    ({version}, {_row(feature)}){';' if number == len(counted) else ','}"
    yield "COMMIT;"


def _row(feature: Feature) -> str:
    cuts = f"ARRAY[{', '.join(map(repr, feature.cuts))}]::float8[]" if feature.kind == NUMERIC else "NULL"
    categories = f"ARRAY[{', '.join(map(literal, feature.categories))}]::text[]" if feature.categories else "NULL"
    counts = f"ARRAY[{', '.join(map(str, feature.counts))}]::bigint[]"
    return f"{literal(feature.name)}, {literal(feature.kind)}, {cuts}, {categories}, {counts}"


def _laid(database: Database, asked: Range) -> tuple[list[Feature], list[str]]:
    """Features with their bins by a sample spread over the period, and why others are left out."""
    seen: dict[str, Seen] = {}
    step = -(-(asked.end - asked.start) // SLICES)
    for start in range(asked.start, asked.end, step):
        end = min(start + step, asked.end)
        for (text,) in database.rows(_SAMPLE.format(start=instant(start), end=instant(end))):
            content = _parsed(text)
            for name, value in content.items() if isinstance(content, dict) else ():
                if name in seen or len(seen) < MOST_FEATURES:
                    _see(seen.setdefault(name, Seen()), value)
    laid, skipped = [], []
    for name, values in sorted(seen.items()):
        feature = values.feature(name) if len(name) <= LONGEST_NAME else None
        if feature is not None:
            laid.append(feature)
        else:
            different = f"{len(values.texts)} different texts" if values.texts else "no values"
            skipped.append(f"{one_line(name)!r} has {different}")
    return laid, skipped


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _see(values: Seen, value: object) -> None:
    if isinstance(value, bool):
        values.flags += 1
    elif isinstance(value, int | float):
        if abs(value) < float(LARGEST) and math.isfinite(value):
            values.numbers.append(float(value))
    elif isinstance(value, str):
        values.texts[value] += 1


def _counted(database: Database, asked: Range, features: Sequence[Feature]) -> list[Feature]:
    """The same with counts over all of the period, step by step."""
    query = bins_query(tuple(features))
    sums: Counter[tuple[int, int]] = Counter()
    start, step = asked.start, FIRST_STEP
    while start < asked.end:
        part = Range(start, min(start + step, asked.end))
        began = time.monotonic()
        try:
            rows = query.rows(database.rows(query.sql([part])))
        except DeadlineExceededError:
            if step <= SHORTEST_STEP:
                raise
            step //= 4
            continue
        for row in rows:
            sums[row.key] += row.values[0]
        start = part.end
        if time.monotonic() - began < QUICK_SECONDS:
            step *= 2
    counted = []
    for position, feature in enumerate(features):
        *counts, too_large = [sums[position, number] for number in range(feature.bins + 1)]
        counts[-1] += too_large
        counted.append(replace(feature, counts=tuple(counts)))
    return counted
