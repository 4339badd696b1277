"""Pieces of SQL that know which columns they read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.contract_draft.catalog import Column


@dataclass(frozen=True)
class Remark:
    """A comment to the end of its line; no part of an index."""

    text: str


@dataclass(frozen=True)
class Expression:
    """An expression over columns of one relation.

    Attributes:
        parts: SQL, columns and remarks, in order.
    """

    parts: tuple[str | Column | Remark, ...]

    def sql(self, alias: str = "", *, remarks: bool = True) -> str:
        """As text; columns are qualified with the alias, if there is one."""
        prefix = f"{alias}." if alias else ""
        written = []
        for part in self.parts:
            if isinstance(part, Column):
                written.append(prefix + part.quoted)
            elif isinstance(part, str):
                written.append(part)
            elif remarks:
                written.append(f"  -- {part.text}")
        return "".join(written)

    def in_index(self) -> str:
        """As text of an index, on one line."""
        return " ".join(self.sql(remarks=False).split())

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those it reads, each once."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, Column)))


def expression(*parts: str | Column | Remark | Expression) -> Expression:
    """One expression of these, in order."""
    return Expression(tuple(_flat(parts)))


def _flat(parts: tuple[str | Column | Remark | Expression, ...]) -> Iterator[str | Column | Remark]:
    for part in parts:
        if isinstance(part, Expression):
            yield from part.parts
        else:
            yield part


def null(kind: str) -> Expression:
    """NULL; the type has to be said."""
    return expression(f"NULL::{kind}")


def as_text(column: Column) -> Expression:
    """As text or varchar, which a view of the contract may have."""
    if column.type in ("text", "character varying"):
        return expression(column)
    if column.type in ("inet", "cidr"):
        return expression("host(", column, ")")
    return expression(column, "::text")


def as_float(column: Column) -> Expression:
    """As float8; a `real` by its decimal digits, or 0.7 of it would be below 0.7."""
    if column.type == "real":
        return expression(column, "::numeric::float8")
    return expression(column) if column.type == "double precision" else expression(column, "::float8")


def as_numeric(column: Column) -> Expression:
    """As numeric."""
    return expression(column) if column.type == "numeric" else expression(column, "::numeric")
