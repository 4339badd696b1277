"""`30-views.sql`: the drafted views, and who may read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.contract_draft.draft import ROW, DraftedView
from exporter.contract_draft.expression import Expression, Remark
from exporter.contract_draft.text import one_line

FILE = "30-views.sql"
_HEAD = f"""\
-- Drafted by ticketing-exporter --contract.draft: read it before it is used, with questions.md beside it. A line marked
-- EDIT does not hold before it is filled in. Apply contract/postgresql/10-roles.sql first, then
--     psql "$database" -v ON_ERROR_STOP=1 -1 -f {FILE}

CREATE SCHEMA IF NOT EXISTS monitoring;
"""
_RESERVED = {"timestamp"}


def views_file(views: Sequence[DraftedView]) -> str:
    """The file's text."""
    parts = [_HEAD, *("\n".join(_view(view)) + "\n" for view in views)]
    names = ",\n    ".join(f"monitoring.{view.name}" for view in views)
    grants = (
        "-- Views run with the rights of their owner, so the reader needs none on the platform's tables.\n"
        f"GRANT USAGE ON SCHEMA monitoring TO monitoring_reader;\nGRANT SELECT ON\n    {names}\nTO monitoring_reader;\n"
    )
    return "\n".join([*parts, grants])


def _view(view: DraftedView) -> Iterator[str]:
    yield from (f"-- {line}" for line in view.heading)
    yield from view.before
    yield f"CREATE OR REPLACE VIEW monitoring.{view.name} AS"
    yield "SELECT"
    alias = ROW if view.source is not None and view.source.aliased else ""
    last = list(view.outputs)[-1]
    for name, value in view.outputs.items():
        yield _output(name, value, alias, comma="" if name == last else ",")
    if view.source is None:
        yield "WHERE false;"
        return
    yield f"FROM {view.source.relation.quoted}" + (f" AS {alias}" if alias else "")
    yield from view.source.joins
    if view.source.where is not None:
        yield f"WHERE {view.source.where.sql(alias)}"
    yield ";"


def _output(name: str, value: Expression, alias: str, comma: str) -> str:
    column = f'"{name}"' if name in _RESERVED else name
    trailing = value.parts[-1] if value.parts and isinstance(value.parts[-1], Remark) else None
    plain = Expression(value.parts[:-1]) if trailing else value
    text = plain.sql(alias)
    named = text if text == column else f"{text} AS {column}"
    return f"    {named}{comma}" + (f"  -- {one_line(trailing.text)}" if trailing else "")
