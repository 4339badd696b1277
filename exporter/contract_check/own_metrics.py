"""Own metrics: whether the views, columns and keys that the configuration names are there, and are what it says."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import redis

from common.deadline import Deadline, DeadlineExceededError
from common.secret_text import SecretError
from exporter.collectors.base import Moment
from exporter.contract_check.database import SAMPLE_ROWS, SECONDS, Database
from exporter.contract_check.finding import DENIED, DOWN, MISSING, OK, WARNING, WRONG, Finding
from exporter.contract_check.freshness import spoken
from exporter.contract_check.plans import LARGE_BYTES, RECENT_SECONDS, Asked, plan_of
from exporter.contract_check.scans import whole_reads
from exporter.contract_check.schema import READER, wrong_type
from exporter.own_metrics.config import OTHER, Entry, FromRedis, FromView, Histogram, Read, Sum
from exporter.own_metrics.query import OwnQuery, key, relation
from exporter.own_metrics.quoting import identifier
from exporter.own_metrics.redis import command, value_of
from exporter.own_metrics.state import state_query
from exporter.sources.ranges import MOST_AHEAD_SECONDS
from exporter.sources.redis import RedisError, RedisSource
from exporter.waiting import complete
from exporter.windows import MICROSECONDS, Range

_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, NULL), has_schema_privilege(n.oid, 'USAGE'),
           has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = %s
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relname = %s AND c.relkind IN ('r', 'v', 'm', 'f', 'p')"""
_ALIKE = """
    SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE lower(n.nspname || '.' || c.relname) = lower(%s) LIMIT 1"""
_NUMBERS = ("numeric", "double precision", "real", "bigint", "integer", "smallint")
_KINDS = {"GET": "string", "HGET": "hash", "HLEN": "hash", "LLEN": "list", "SCARD": "set", "ZCARD": "zset"} | {
    "XLEN": "stream"
}


def check_own_views(database: Database, entries: Sequence[Entry]) -> Iterator[Finding]:
    """The entries that are read from PostgreSQL."""
    for entry in entries:
        if isinstance(entry, FromView):
            yield from database.guarded(entry.collector, partial(_view, database, entry))


def check_own_reads(client: RedisSource, entries: Sequence[Entry]) -> Iterator[Finding]:
    """The entries that are read from Redis."""
    for entry in entries:
        if isinstance(entry, FromRedis):
            yield from _reads(client, entry)


def _view(database: Database, entry: FromView) -> Iterator[Finding]:
    schema, _, view = entry.view.partition(".")
    rows = database.rows(_COLUMNS, (schema, view))
    if not rows:
        alike = database.rows(_ALIKE, (entry.view,))
        mend = f"view: {alike[0][0]}, as the catalog has it" if alike else f"CREATE VIEW {relation(entry)} AS …"
        yield Finding(MISSING, entry.collector, f"no view {entry.view}", mend)
        return
    if not rows[0][2]:
        yield Finding(
            DENIED, entry.collector, f"no USAGE on schema {schema}",
            f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {READER}; or make the view in the schema monitoring",
        )  # fmt: skip
        return
    if not rows[0][3]:
        mend = f"GRANT SELECT ON {relation(entry)} TO {READER}"
        yield Finding(DENIED, entry.collector, f"this role may not SELECT from {entry.view}", mend)
        return
    faults = list(_columns(entry, {column: kind for column, kind, *_ in rows}))
    yield from faults
    if not faults:
        yield from _names(database, entry)
        yield from _freshness(database, entry) if entry.time is not None else _whole(database, entry)


def _columns(entry: FromView, there: Mapping[str, str]) -> Iterator[Finding]:
    wanted: list[tuple[str, str, tuple[str, ...]]] = []
    if entry.time is not None:
        wanted.append(("time", entry.time, ("timestamp with time zone",)))
    wanted += [(f"keys.{label}", key.column, ()) for label, key in entry.keys.items()]
    wanted += [
        (f"values.{name}", value.column, _NUMBERS)
        for name, value in entry.values.items()
        if isinstance(value, Sum | Histogram)
    ]
    for field, column, kinds in wanted:
        subject = f"{entry.collector} {field}"
        if column not in there:
            (like,) = difflib.get_close_matches(column, there, 1, 0) or (column,)
            mend = f"column: {like}? It has {', '.join(sorted(there)[:20])}"
            yield Finding(MISSING, subject, f"no column {column} in {entry.view}", mend)
        elif kinds and there[column] not in kinds:
            yield wrong_type(subject, column, there[column], kinds[0])


def _names(database: Database, entry: FromView) -> Iterator[Finding]:
    order = f" ORDER BY {identifier(entry.time)} DESC NULLS LAST" if entry.time is not None else ""
    for label, of in entry.keys.items():
        column = f"{identifier(of.column)}::text"
        newest = f"(SELECT {key(of)} AS name, {column} AS word FROM {relation(entry)}{order} LIMIT {SAMPLE_ROWS}) AS n"
        subject = f"{entry.collector} keys.{label}"
        if of.words:
            others = database.rows(f"SELECT DISTINCT left(word, 40) FROM {newest} WHERE name IS NULL LIMIT 5")
            if others:
                words = ", ".join(repr(word) for (word,) in others)
                mend = f"where one is to have a series, add it to words; else all well: they are summed under {OTHER!r}"
                yield Finding(WARNING, subject, f"holds {words}, none of words", mend)
            continue
        ((names,),) = database.rows(f"SELECT count(DISTINCT name) FROM {newest}")
        if names > of.most:
            mend = f"raise most, list words, or let the view group them: the others are summed under {OTHER!r}"
            yield Finding(WARNING, subject, f"{names} names in {SAMPLE_ROWS:,} rows, most is {of.most}", mend)


def _freshness(database: Database, entry: FromView) -> Iterator[Finding]:
    column = identifier(str(entry.time))
    now = time.time_ns() // 1000
    sql = OwnQuery.of(entry).sql([Range(now - RECENT_SECONDS * MICROSECONDS, now)])
    database.rows(sql)
    yield from plan_of(database, Asked(f"{entry.collector} by {entry.time}", entry.view, (), sql))
    ((age, ahead),) = database.rows(
        f"SELECT min(age), count(*) FILTER (WHERE age < -{MOST_AHEAD_SECONDS}) FROM"
        f" (SELECT extract(epoch FROM now() - {column})::float8 AS age FROM {relation(entry)}"
        f" WHERE isfinite({column}) ORDER BY {column} DESC LIMIT 200) AS newest"
    )
    subject = f"{entry.collector} time"
    if age is None:
        yield Finding(WARNING, subject, "no rows yet", f"is {entry.view} the right view?")
    elif ahead:
        detail = f"at least {ahead} rows in the future, the newest by {spoken(-age)}"
        mend = "name in the view's AT TIME ZONE the zone that the column is written in, or correct its writer's clock"
        yield Finding(WRONG, subject, detail, mend)
    else:
        yield Finding(OK, subject, f"newest row is {spoken(max(0.0, age))} old")


def _whole(database: Database, entry: FromView) -> Iterator[Finding]:
    sql = state_query(entry)
    database.rows(sql)
    large = [scan for scan in whole_reads(database, sql) if scan.size >= LARGE_BYTES]
    for scan in large[:1]:
        detail = f"reads all of {scan.schema}.{scan.table} ({scan.size / 1024**2:.0f} MiB) with each scrape"
        mend = "give it time and windows; or the view a condition that an index serves"
        yield Finding(WRONG, entry.collector, detail, mend)
    if not large:
        yield Finding(OK, entry.collector, f"the state of {entry.view}")


def _reads(client: RedisSource, entry: FromRedis) -> Iterator[Finding]:
    reads = list(entry.values.items())
    try:
        kinds = complete(client.read([("TYPE", read.key) for _, read in reads], Deadline(SECONDS)))
        answers = complete(client.read([command(read) for _, read in reads], Deadline(SECONDS)))
    except (RedisError, DeadlineExceededError, SecretError) as error:
        yield Finding(DOWN, entry.collector, str(error), "see REDIS_URL, the network, and the server's log")
        return
    for (name, read), kind, answer in zip(reads, kinds, answers, strict=True):
        yield _read(f"{entry.collector} values.{name}", read, kind, answer)


def _read(subject: str, read: Read, kind: Any, answer: Any) -> Finding:
    for refused in (kind, answer):
        if isinstance(refused, redis.exceptions.NoPermissionError):
            return Finding(DENIED, subject, str(refused), f"ACL SETUSER … ~{read.key} +@read +@connection")
    if kind == "none":
        shown = "absent" if read.command in ("GET", "HGET") else "0"
        return Finding(WARNING, subject, f"no key {read.key} now: {shown}", "is it the right key, and database?")
    wanted = _KINDS[read.command]
    if kind != wanted:
        fitting = [name for name, of in _KINDS.items() if of == kind]
        mend = f"command: {' or '.join(fitting)}" if fitting else f"the key of a {wanted}"
        return Finding(WRONG, subject, f"{read.key} is a {kind}, {read.command} is for a {wanted}", mend)
    moment = Moment(0, Deadline(SECONDS))
    value = value_of(moment, read, answer)
    if moment.problems:
        mend = "write a plain number, without unit, sign of percent or separators"
        return Finding(WRONG, subject, "; ".join(moment.problems), mend)
    if value is None:
        return Finding(WARNING, subject, f"no field {read.field} in {read.key} now: absent", "is it the right field?")
    return Finding(OK, subject, f"{value:g}")
