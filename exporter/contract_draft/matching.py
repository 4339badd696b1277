"""Which relation is which view, and which of its columns play which roles: by names and types, then by values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.contract_draft import roles, words
from exporter.contract_draft.catalog import VIEW, Column, Relation
from exporter.contract_draft.database import Database
from exporter.contract_draft.roles import ROLES, Role, ViewRoles
from exporter.contract_draft.sample import JSON, NUMBERS, TIMES, WHOLE, Sample, is_private, is_word, read_sample
from exporter.contract_draft.text import tokens

CANDIDATES = 3
"""Relations a view of which rows are read."""
EXACT, ALL_OF_IT, PART_OF_IT = 10.0, 6.0, 3.0
EMPTY = 3.0
"""What it costs a relation that no row of it was seen."""
ENOUGH = 18.0
"""A relation with a lower score is none of the views."""
_EPOCH = (10**9, 4 * 10**9)
"""Seconds since 1970 as of 2001 to 2096; a thousand times as much are milliseconds."""


@dataclass
class Match:
    """A relation that may be a view.

    Attributes:
        view: its name.
        relation: the relation.
        played: columns by role.
        score: how well it fits.
        sample: its rows, once they are read.
    """

    view: str
    relation: Relation
    played: dict[str, Column]
    score: float
    sample: Sample = field(default_factory=lambda: Sample((), None))

    def get(self, role: str) -> Column | None:
        """The column that plays it."""
        return self.played.get(role)

    @property
    def time(self) -> Column | None:
        """By which its newest rows are the newest."""
        return next(
            (c for role in ("timestamp", "labeled_at", "starts_at", "trained_at") if (c := self.get(role))), None
        )


def find(database: Database, relations: Sequence[Relation]) -> tuple[dict[str, Match], dict[str, list[Match]]]:
    """The best match of each view that has one, and all that were looked at, the best first."""
    samples: dict[int, Sample] = {}
    looked_at: dict[str, list[Match]] = {}
    for view, view_roles in ROLES.items():
        ranked = sorted(
            (match for relation in relations if (match := _match(view, view_roles, relation, None)) is not None),
            key=lambda match: (-match.score, match.relation.quoted),
        )
        for match in ranked[:CANDIDATES]:
            oid = match.relation.oid
            if oid not in samples:
                samples[oid] = read_sample(database, match.relation, match.time)
            again = _match(view, view_roles, match.relation, samples[oid])
            if again is not None:
                again.sample = samples[oid]
                looked_at.setdefault(view, []).append(again)
        looked_at.get(view, []).sort(key=lambda match: (-match.score, match.relation.quoted))
    return _assigned(looked_at), looked_at


def _assigned(looked_at: Mapping[str, Sequence[Match]]) -> dict[str, Match]:
    """Each relation is one view; labels may be in the predictions' own table."""
    chosen: dict[str, Match] = {}
    taken: dict[int, str] = {}
    everything = sorted((m for matches in looked_at.values() for m in matches), key=lambda m: -m.score)
    for match in everything:
        if match.view in chosen or match.score < ENOUGH:
            continue
        if match.view == "fraud_labels" and taken.get(match.relation.oid) == "fraud_predictions":
            # Its decision is no verdict: that has to be a column of its own.
            predicted = chosen["fraud_predictions"].get("decision")
            if match.get("is_fraud") == predicted or match.get("labeled_at") == chosen["fraud_predictions"].time:
                continue
        elif match.relation.oid in taken:
            continue
        chosen[match.view] = match
        taken.setdefault(match.relation.oid, match.view)
    return {view: chosen[view] for view in ROLES if view in chosen}


def _match(view: str, view_roles: ViewRoles, relation: Relation, sample: Sample | None) -> Match | None:
    if not relation.readable or not relation.columns:
        return None
    table = set(tokens(relation.name))
    score = min(12.0, sum(worth for word, worth in view_roles.table.items() if word in table))
    # What a name says that fits is worth less beside what does not.
    score -= sum(words.OTHER_TABLES.get(word, 0) for word in table - view_roles.table.keys())
    scores = sorted(
        (
            (fit, role, column)
            for role, what in view_roles.roles.items()
            for column in relation.columns.values()
            if (fit := _fit(view, role, what, relation, column, sample)) > 0
        ),
        key=lambda item: (-item[0], list(view_roles.roles).index(item[1])),
    )
    played: dict[str, Column] = {}
    for fit, role, column in scores:
        if role not in played and column not in played.values():
            played[role] = column
            score += fit * view_roles.roles[role].weight / 3
    if not all(any(role in played for role in group) for group in view_roles.needed):
        return None
    # A view cannot have an index, and mostly leaves something out. Of two tables the larger is the one in use.
    score += math.log10(max(1.0, relation.rows)) / 2 - (2 if relation.kind == VIEW else 0)
    return Match(view, relation, played, score - (EMPTY if sample is not None and not sample.rows else 0))


def _fit(view: str, role: str, what: Role, relation: Relation, column: Column, sample: Sample | None) -> float:
    """0 when the column cannot play the role."""
    place = next((place for place, kind in enumerate(what.kinds) if fits(column, kind, sample)), None)
    if is_private(column) or place is None:
        return 0.0
    fit = _name_score(tokens(column.name), what.names, set(tokens(relation.name)))
    if roles.TIME in what.kinds and fit:
        fit += (1.0 if column.not_null else 0.0) + (1.5 if relation.index_by(column) else 0.0)
        if sample is not None and sample.null_share(column) > 0.2:
            fit -= 4
    fit -= 2 * place if fit else 0
    return max(0.0, fit + _value_score(view, role, column, sample, named=fit > 0))


def _name_score(name: tuple[str, ...], candidates: Sequence[str], table: set[str]) -> float:
    best = 0.0
    # `order_type` of a table of orders is its type.
    without_table = tuple(word for word in name if word not in table) or name
    for position, candidate in enumerate(candidates):
        wanted = tokens(candidate)
        if name == wanted:
            score = EXACT
        elif without_table == wanted:
            score = EXACT - 1
        elif set(wanted) <= set(name) and wanted != ("at",):
            score = ALL_OF_IT
        elif len(name) > 1 and name[0] != "id" and set(name) <= set(wanted):
            score = PART_OF_IT
        else:
            continue
        best = max(best, score - 2 * position / len(candidates))
    return best


def _value_score(view: str, role: str, column: Column, sample: Sample | None, *, named: bool) -> float:
    known = words.BY_ROLE.get((view, role))
    if known is None or sample is None or not is_word(column):
        return 0.0
    held = column.words or sample.distinct(column)[:30]
    if not held:
        return 0.0
    share = sum(known(word) for word in held) / len(held)
    # Words that fit tell of a column with any name, and a name that fits does not help words that do not.
    return 6 * share - 3 if named else (5 * share if share >= 0.6 and len(held) > 1 else 0.0)


def fits(column: Column, kind: str, sample: Sample | None) -> bool:
    """Whether a column of its type can be this."""
    if kind == roles.TIME:
        # Numbers may be seconds since 1970: that is seen once there are rows.
        return column.type in TIMES or (
            column.type == "bigint" and (sample is None or epoch_divisor(column, sample) is not None)
        )
    if kind == roles.NUMBER:
        return column.type in NUMBERS
    if kind == roles.AMOUNT:
        return column.type in (*NUMBERS, "money")
    if kind == roles.WORD:
        return is_word(column)
    if kind == roles.FLAG:
        return column.type == "boolean"
    if kind == roles.IDENTITY:
        return column.type in ("uuid", "numeric", *WHOLE)
    if kind == roles.ADDRESS:
        return is_word(column) or column.type in ("inet", "cidr")
    if kind == roles.OBJECT:
        return column.type in JSON
    if kind == roles.LENGTH:
        return column.type == "interval"
    return column.type == {"float8[]": "double precision[]"}.get(kind, kind)


def epoch_divisor(column: Column, sample: Sample | None) -> int | None:
    """By what its numbers are seconds since 1970; None when they are none."""
    numbers = sample.numbers(column) if sample else []
    for divisor in (1, 1000, 1_000_000):
        if numbers and all(_EPOCH[0] <= number / divisor <= _EPOCH[1] for number in numbers):
            return divisor
    return None
