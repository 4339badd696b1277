"""Views, columns and functions: whether they are there, of the right type, and this role may use them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from contract.definition import CONFIGURED_VIEWS, FUNCTIONS, NOT_READ, OPTIONAL_COLUMNS, VIEWS
from exporter.absence import NOT_HERE, Absence
from exporter.contract_check.database import Database
from exporter.contract_check.finding import ABSENT, DENIED, MISSING, OK, WARNING, WRONG, Finding

Columns = dict[str, set[str]]
"""By view: its columns that are of the right type, and those that the contract does not have."""

READER = "monitoring_reader"
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, NULL), has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'monitoring'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')"""
_FUNCTION = """
    SELECT asked.id IS NOT NULL, has_function_privilege('public', asked.id, 'EXECUTE'),
        (SELECT has_function_privilege(oid, asked.id, 'EXECUTE') FROM pg_roles WHERE rolname = 'monitoring_responder')
    FROM (SELECT to_regprocedure(%s)::oid AS id) AS asked"""
_NO_USAGE = """
    SELECT true FROM pg_namespace
    WHERE nspname = 'monitoring' AND NOT has_schema_privilege(oid, 'USAGE')"""
_MENDED_BY = {
    "timestamp without time zone": "{column} AT TIME ZONE '…' AS \"{column}\", with the zone that it is written in",
    "json": "{column}::jsonb AS {column}",
}


def check_schema(database: Database, absence: Absence, usable: Columns, more: Sequence[str] = ()) -> Iterator[Finding]:
    """The views; those that can be read, and are not declared absent, are left in `usable`.

    Args:
        database: that has them.
        absence: what is declared absent.
        usable: to be filled.
        more: names of views that are to be there, too, as the configuration reads them.
    """
    if database.rows(_NO_USAGE):
        mend = f"GRANT USAGE ON SCHEMA monitoring TO {READER}"
        yield Finding(DENIED, "schema monitoring", "this role has no USAGE on it", mend)
        return
    found: dict[str, dict[str, str]] = {}
    readable = {}
    for view, column, kind, allowed in database.rows(_COLUMNS):
        found.setdefault(view, {})[column] = kind
        readable[view] = allowed
    for view, columns in {**VIEWS, **{name: CONFIGURED_VIEWS[name] for name in more}}.items():
        if absence.view(view):
            has_rows = view in found and readable[view] and _has_rows(database, view)
            yield declared(view, "the view has rows") if has_rows else Finding(ABSENT, view, NOT_HERE)
        elif view not in found:
            where = (
                "contract/README.md"
                if view in CONFIGURED_VIEWS
                else "contract/postgresql/30-views.sql; or declare it absent"
            )
            mend = f"CREATE VIEW monitoring.{view}, see {where}"
            yield Finding(MISSING, view, "no such view in schema monitoring", mend)
        elif not readable[view]:
            mend = f"GRANT SELECT ON monitoring.{view} TO {READER}; it is lost when a view is dropped and made anew"
            yield Finding(DENIED, view, "this role may not SELECT from it", mend)
        else:
            there = {name: kinds for name, kinds in OPTIONAL_COLUMNS.get(view, {}).items() if name in found[view]}
            left_out = NOT_READ.get(view, frozenset()) - found[view].keys()
            columns = {column: kinds for column, kinds in {**columns, **there}.items() if column not in left_out}
            for column, kinds in columns.items():
                yield _column(view, column, found[view].get(column), kinds)
            unreadable = list(database.guarded(view, partial(_read_one, database, view)))
            yield from unreadable
            if not unreadable:
                usable[view] = {
                    column for column, kind in found[view].items() if column not in columns or kind in columns[column]
                }


def check_functions(database: Database) -> Iterator[Finding]:
    """The functions of the responder."""
    if database.rows(_NO_USAGE):
        return
    for function in FUNCTIONS:
        yield _function(database, function)


def declared(subject: str, detail: str) -> Finding:
    """That something is there which is declared absent, so that nothing of it is shown."""
    mend = "see platform.absent in the exporter's configuration: take out what declares it, or drop what is there"
    return Finding(WARNING, subject, f"declared absent, but {detail}", mend)


def _has_rows(database: Database, view: str) -> bool:
    try:
        return bool(database.rows(f"SELECT 1 FROM monitoring.{view} LIMIT 1"))
    except (PostgresError, DeadlineExceededError):
        return False


def _read_one(database: Database, view: str) -> Iterator[Finding]:
    # That this role may is not all: the owner of the view must have the right to what is beneath it.
    database.rows(f"SELECT 1 FROM monitoring.{view} LIMIT 1")
    return iter(())


def _column(view: str, column: str, kind: str | None, kinds: tuple[str, ...]) -> Finding:
    subject = f"{view}.{column}"
    if kind is None:
        mend = f"add it to the view; where the platform has nothing of it: NULL::{kinds[0]} AS {_quoted(column)}"
        return Finding(MISSING, subject, f"must be {kinds[0]}", mend)
    if kind not in kinds:
        return wrong_type(subject, column, kind, kinds[0])
    return Finding(OK, subject, kind)


def wrong_type(subject: str, column: str, kind: str, wanted: str) -> Finding:
    """That a view's column is of another type."""
    cast = _MENDED_BY.get(kind, "{column}::" + wanted + " AS {column}").format(column=column)
    mend = f"in the view: {cast}; another type needs DROP VIEW first, and the GRANT again"
    return Finding(WRONG, subject, f"is {kind}, must be {wanted}", mend)


def _function(database: Database, function: str) -> Finding:
    ((there, everybody, responder),) = database.rows(_FUNCTION, (f"monitoring.{function}",))
    subject = f"{function.partition('(')[0]}()"
    if not there:
        return Finding(WARNING, subject, f"the responder needs monitoring.{function}")
    if everybody:
        mend = f"REVOKE EXECUTE ON FUNCTION monitoring.{function} FROM PUBLIC"
        return Finding(WRONG, subject, "PUBLIC may EXECUTE it, so anybody can act through it: revoke that", mend)
    if responder is False:  # None where there is no such role
        return Finding(WARNING, subject, "the role monitoring_responder may not EXECUTE it")
    return Finding(OK, subject, "there for the responder")


def _quoted(column: str) -> str:
    return f'"{column}"' if column == "timestamp" else column
