"""What a drafted view is, and what all that draft one need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contract.definition import VIEWS
from exporter.contract_draft.catalog import Column, Relation
from exporter.contract_draft.database import Database
from exporter.contract_draft.expression import Expression, null
from exporter.contract_draft.matching import Match
from exporter.contract_draft.questions import Questions
from exporter.contract_draft.sample import read_words
from exporter.contract_draft.zones import Zones

ROW = "source"
"""Alias of a view's relation, where one is needed."""


@dataclass(frozen=True)
class Source:
    """What stands behind FROM.

    Attributes:
        relation: read first.
        joins: SQL, a line each, with remarks; `ROW` is the relation.
        where: a condition on the relation.
        aliased: whether the relation needs its alias.
    """

    relation: Relation
    joins: Sequence[str] = ()
    where: Expression | None = None
    aliased: bool = False


@dataclass(frozen=True)
class DraftedView:
    """A view of the contract.

    Attributes:
        name: of the view.
        outputs: an expression for each of its columns.
        source: None for a view without rows.
        heading: remarks before it.
        before: statements that make what it reads.
        lacks: features of the product that it cannot serve as it is, see `exporter.absence`.
        needs: columns by which the exporter counts, to be stored in the index by time.
    """

    name: str
    outputs: Mapping[str, Expression]
    source: Source | None
    heading: Sequence[str] = ()
    before: Sequence[str] = ()
    lacks: Sequence[str] = ()
    needs: Sequence[str] = ()


@dataclass
class Context:
    """What views are drafted with.

    Attributes:
        database: read on.
        relations: all there are, by OID.
        matches: the relation of each view that has one.
        zones: decide on times.
        questions: are added to.
    """

    database: Database
    relations: Mapping[int, Relation]
    matches: Mapping[str, Match]
    zones: Zones
    questions: Questions
    _words: dict[tuple[int, str], list[str]] = field(default_factory=dict)

    def words(self, match: Match, column: Column) -> list[str]:
        """What a column may hold, by its type or a CHECK, and holds in the newest rows."""
        place = (match.relation.oid, column.name)
        if place not in self._words:
            held = read_words(self.database, match.relation, column, match.time)
            self._words[place] = list(dict.fromkeys((*column.words, *held)))
        return self._words[place]


def place(match: Match, column: Column) -> str:
    """View, table and column, for a question."""
    return f"{match.view}: {match.relation.quoted}.{column.quoted}"


def without_rows(view: str, heading: Sequence[str] = ()) -> DraftedView:
    """A view of which the platform has nothing."""
    return DraftedView(view, {column: null(types[0]) for column, types in VIEWS[view].items()}, None, heading)
