"""`indexes.sql`: what the exporter's queries on the drafted views need, and what of it is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from contract.definition import APPROVED
from exporter.contract_draft.catalog import PARTITIONED, Column, Index, Relation
from exporter.contract_draft.draft import DraftedView, Source
from exporter.contract_draft.expression import Expression
from exporter.contract_draft.text import one_line
from exporter.contract_draft.views import labels, predictions

FILE = "indexes.sql"
FEED_SCORE = 0.65
_HEAD = f"""\
-- Drafted by ticketing-exporter --contract.draft. CONCURRENTLY blocks no writer and cannot run in a transaction, so
--     psql "$database" -v ON_ERROR_STOP=1 -f {FILE}
-- without -1. Each expression is the one of the view, word for word: who edits one edits both.
"""
LONGEST_NAME = 63
_TIME = {"fraud_predictions": "timestamp", "transactions": "timestamp", "security_events": "timestamp"}


def indexes_file(views: Sequence[DraftedView]) -> str:
    """The file's text."""
    by_name = {view.name: view for view in views}
    lines = [_HEAD]
    analyze: list[str] = []
    for view in views:
        if view.source is None or not view.source.relation.oid:
            continue
        made = list(_needed(view, view.source, by_name))
        lines += made
        if made and view.source.relation.stored and any(line.startswith("CREATE") for line in made):
            analyze.append(view.source.relation.quoted)
    if analyze:
        lines += ["-- The planner guesses badly what an expression yields until it has statistics on it."]
        lines += [f"ANALYZE {', '.join(dict.fromkeys(analyze))};"]
    return "\n".join(lines) + "\n"


def _needed(view: DraftedView, source: Source, views: Mapping[str, DraftedView]) -> Iterator[str]:
    relation = source.relation
    if view.name == labels.VIEW:
        yield from _of_labels(view, source, views)
        return
    if view.name not in _TIME:
        return
    time = view.outputs[_TIME[view.name]]
    if not relation.stored:
        yield f"-- {view.name}: {one_line(relation.quoted)} is no table: its own tables need an index by its time."
        return
    wanted = dict.fromkeys(column for name in view.needs for column in view.outputs[name].columns)
    if source.where is not None:
        wanted |= dict.fromkeys(source.where.columns)
    labeled = views[labels.VIEW]
    if view.name == predictions.VIEW and labeled.source is not None and labeled.source.relation is relation:
        # One index for both, which are ranges of the same time.
        wanted |= dict.fromkeys(column for name in labeled.needs for column in labeled.outputs[name].columns)
    yield from _one(view.name, relation, "monitoring", time, tuple(wanted))
    if view.name == predictions.VIEW:
        yield from _of_feed(view, relation, time)


def _of_feed(view: DraftedView, relation: Relation, time: Expression) -> Iterator[str]:
    """The JSON feed and the dashboard: high scores, and all that was not approved; and one transaction."""
    score, decision = view.outputs["fraud_score"], view.outputs["decision"]
    partial = next((index for index in relation.indexes if index.partial and _sorts_by(index, time)), None)
    if partial is not None:
        yield f"-- the feed: is it {one_line(partial.name)}? Its condition has to be the feed's."
    elif score.columns and decision.columns:
        condition = f"{_grouped(score)} > {FEED_SCORE} OR {_grouped(decision)} <> '{APPROVED}'"
        name = _name(relation, "monitoring_feed")
        yield from _create(relation, name, f"({_grouped(time)} DESC)", f"\n    WHERE {condition}", "the feed")
    identity = view.outputs["transaction_id"]
    if identity.columns and _existing(relation, identity) is None:
        name = _name(relation, "monitoring_transaction")
        yield from _create(relation, name, f"({_grouped(identity)})", "", "one transaction on the dashboard")


def _of_labels(view: DraftedView, source: Source, views: Mapping[str, DraftedView]) -> Iterator[str]:
    relation = source.relation
    own = set(relation.columns.values())
    predicted = views[predictions.VIEW].source
    shared = predicted is not None and predicted.relation is relation
    for name in ("labeled_at",) if shared else ("predicted_at", "labeled_at"):
        value = view.outputs[name]
        if set(value.columns) <= own and value.columns:
            others = tuple(column for other in view.needs for column in view.outputs[other].columns)
            yield from _one(f"{view.name}.{name}", relation, f"monitoring_{name}", value, others)
    if source.joins and predicted is not None:
        # `labels` writes the join as prediction.THEIRS = source.OWN.
        theirs, _, ours = source.joins[0].rpartition(" ON ")[2].partition(" = ")
        for side, column in ((relation, ours), (predicted.relation, theirs)):
            quoted = column.partition(".")[2]
            key = next((c for c in side.columns.values() if c.quoted == quoted), None)
            if key is not None and side.index_by(key) is None:
                yield from _one(view.name, side, "monitoring_join", Expression((key,)), ())


def _one(what: str, relation: Relation, suffix: str, first: Expression, others: Sequence[Column]) -> Iterator[str]:
    included = [column for column in dict.fromkeys((*first.columns, *others)) if column != _bare(first)]
    there = _existing(relation, first)
    if there is not None:
        missing = [column.quoted for column in included if column.name not in there]
        if missing:
            yield f"-- {what}: an index is there; INCLUDE ({', '.join(missing)}) would spare it rows."
        return
    include = f" INCLUDE ({', '.join(column.quoted for column in included)})" if included else ""
    yield from _create(relation, _name(relation, suffix), f"({_grouped(first)})", include, what)


def _create(relation: Relation, name: str, columns: str, rest: str, what: str) -> Iterator[str]:
    yield f"-- {what}: about {max(0, relation.rows):,.0f} rows"
    if relation.kind == PARTITIONED:
        yield "-- Of a partitioned table it cannot be made CONCURRENTLY: writers wait for it. Where they cannot, make"
        yield "-- it on each partition CONCURRENTLY first."
    how = "" if relation.kind == PARTITIONED else " CONCURRENTLY"
    yield f"CREATE INDEX{how} IF NOT EXISTS {name}\n    ON {relation.quoted} {columns}{rest};"


def _name(relation: Relation, suffix: str) -> str:
    plain = re.sub(r"\W", "_", relation.name.lower())[: LONGEST_NAME - len(suffix) - 1]
    return '"' + f"{plain}_{suffix}" + '"' if not plain.isascii() or not plain[:1].isalpha() else f"{plain}_{suffix}"


def _bare(value: Expression) -> Column | None:
    return value.parts[0] if len(value.parts) == 1 and isinstance(value.parts[0], Column) else None


def _grouped(value: Expression) -> str:
    return value.in_index() if _bare(value) else f"({value.in_index()})"


def _existing(relation: Relation, first: Expression) -> tuple[str, ...] | None:
    """Columns of an index that is sorted by this first."""
    return next((index.columns for index in relation.indexes if index.usable and _sorts_by(index, first)), None)


def _sorts_by(index: Index, first: Expression) -> bool:
    bare = _bare(first)
    return index.key == bare.name if bare else _normal(index.first) == _normal(first.in_index())


def _normal(text: str) -> str:
    # As PostgreSQL writes it, 14 and newer.
    plain = re.sub(r"::text\b|[()\s]", "", text).lower()
    return re.sub(r"^timezone('[^']*'),(.*)$", r"\2attimezone\1", plain)
