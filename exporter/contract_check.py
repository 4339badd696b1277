"""`--contract.check`: the first thing to run against a platform.

Connects, and reports view by view, column by column and key by key what is there, missing or of the wrong type:

    PostgreSQL
      ok       fraud_predictions.timestamp    timestamp with time zone
      WRONG    fraud_predictions.fraud_score  is text, must be double precision
      MISSING  fraud_labels                   no such view in schema monitoring
    Redis
      ok       kpi:txn_per_hour               1247
      warning  kpi:latency_p95                not there now
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import redis

from common.deadline import Deadline, DeadlineExceededError
from common.postgres import PostgresError
from common.redaction import describe
from common.secret_text import SecretError, SecretText
from contract.definition import BLOCKED_CLIENTS, FUNCTIONS, RATE_LIMITS, REDIS_KEYS, VIEWS, WORDS, RedisKey, Words
from exporter.collectors.base import Moment
from exporter.collectors.rate_limits import ADAPTERS
from exporter.config import Config, RateLimits
from exporter.sources.postgres import CONTRACT_HINT, PostgresSource
from exporter.sources.redis import RedisError, RedisSource
from exporter.waiting import complete

SECONDS = 10.0
SAMPLE_ROWS = 10_000
OK, WARNING, WRONG, MISSING, DENIED, DOWN = "ok", "warning", "WRONG", "MISSING", "DENIED", "DOWN"

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


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    state: str
    subject: str
    detail: str

    @property
    def failed(self) -> bool:
        """Whether it keeps metrics from being right."""
        return self.state not in (OK, WARNING)


def check(postgres_dsn: SecretText, redis_url: SecretText, config: Config, output: TextIO) -> int:
    """Print the report; returns 0 when everything needed is there, 1 otherwise."""
    postgres = PostgresSource(postgres_dsn, "ticketing-exporter/check")
    client = RedisSource(redis_url, "ticketing-exporter/check")
    failed = 0
    for title, findings in (("PostgreSQL", _postgres(postgres)), ("Redis", _redis(client, config))):
        print(title, file=output)
        for finding in findings:
            print(f"  {finding.state:8} {finding.subject:42} {finding.detail}".rstrip(), file=output)
            failed += finding.failed
    print(f"{failed} failed" if failed else "The contract holds.", file=output)
    postgres.close()
    client.close()
    return 1 if failed else 0


def _postgres(postgres: PostgresSource) -> Iterator[Finding]:
    try:
        yield from _schema(postgres)
    except (PostgresError, DeadlineExceededError, SecretError) as error:
        yield Finding(DOWN, "connection", _reason(error))


def _schema(postgres: PostgresSource) -> Iterator[Finding]:
    if complete(postgres.query(_NO_USAGE, (), Deadline(SECONDS))):
        yield Finding(DENIED, "schema monitoring", "this role has no USAGE on it")
        return
    rows = complete(postgres.query(_COLUMNS, (), Deadline(SECONDS)))
    found: dict[str, dict[str, str]] = {}
    readable = {}
    for view, column, kind, allowed in rows:
        found.setdefault(view, {})[column] = kind
        readable[view] = allowed
    for view, columns in VIEWS.items():
        if view not in found:
            yield Finding(MISSING, view, "no such view in schema monitoring")
        elif not readable[view]:
            yield Finding(DENIED, view, "this role may not SELECT from it")
        else:
            for column, kinds in columns.items():
                yield _column(f"{view}.{column}", found[view].get(column), kinds)
            # That this role may is not all: the owner of the view must have the right to what is beneath it.
            try:
                complete(postgres.query(f"SELECT 1 FROM monitoring.{view} LIMIT 1", (), Deadline(SECONDS)))
            except (PostgresError, DeadlineExceededError) as error:
                yield Finding(WRONG, view, f"cannot be read: {_reason(error)}")
                readable[view] = False
    for words in WORDS:
        needed = {words.column, words.recent or words.column}
        if needed <= found.get(words.view, {}).keys() and readable[words.view]:
            yield from _words(postgres, words)
    for function in FUNCTIONS:
        yield _function(postgres, function)


def _column(subject: str, kind: str | None, kinds: tuple[str, ...]) -> Finding:
    if kind is None:
        return Finding(MISSING, subject, f"must be {kinds[0]}")
    if kind not in kinds:
        return Finding(WRONG, subject, f"is {kind}, must be {kinds[0]}")
    return Finding(OK, subject, kind)


def _function(postgres: PostgresSource, function: str) -> Finding:
    ((there, everybody, responder),) = complete(
        postgres.query(_FUNCTION, (f"monitoring.{function}",), Deadline(SECONDS))
    )
    subject = f"{function.partition('(')[0]}()"
    if not there:
        return Finding(WARNING, subject, f"the responder needs monitoring.{function}")
    if everybody:
        return Finding(WRONG, subject, "PUBLIC may EXECUTE it, so anybody can act through it: revoke that")
    if responder is False:  # None where there is no such role
        return Finding(WARNING, subject, "the role monitoring_responder may not EXECUTE it")
    return Finding(OK, subject, "there for the responder")


def _words(postgres: PostgresSource, words: Words) -> Iterator[Finding]:
    newest = f"ORDER BY {words.recent} DESC LIMIT {SAMPLE_ROWS}" if words.recent else ""
    inner = f"SELECT {words.column} FROM monitoring.{words.view} {newest}"
    # As text, because a column of the wrong type may hold anything.
    sql = f"SELECT DISTINCT {words.column}::text FROM ({inner}) AS newest"
    subject = f"{words.view}.{words.column}"
    try:
        used = {word for (word,) in complete(postgres.query(sql, (), Deadline(SECONDS)))}
    except (PostgresError, DeadlineExceededError) as error:
        yield Finding(WRONG, subject, f"cannot be read: {_reason(error)}")
        return
    strange = sorted("NULL" if word is None else repr(word) for word in used - set(words.words))
    if strange:
        yield Finding(WRONG, subject, f"holds {', '.join(strange[:5])}; must be one of {', '.join(words.words)}")
    elif not used:
        yield Finding(WARNING, subject, "no rows yet")


def _reason(error: Exception) -> str:
    return str(error).removesuffix(CONTRACT_HINT)


def _redis(client: RedisSource, config: Config) -> Iterator[Finding]:
    minute = int(time.time() // 60) - 1
    of_the_limiter = () if config.rate_limits.adapter == "contract" else (RATE_LIMITS, BLOCKED_CLIENTS)
    keys = [key for key in REDIS_KEYS if key.name not in of_the_limiter]
    names = [key.name.format(minute=minute) for key in keys]
    try:
        kinds = complete(client.read([("TYPE", name) for name in names], Deadline(SECONDS)))
        questions = [_value_command(key, name) for key, name in zip(keys, names, strict=True)]
        values = complete(client.read(questions, Deadline(SECONDS)))
    except (RedisError, DeadlineExceededError, SecretError) as error:
        yield Finding(DOWN, "connection", str(error))
        return
    for key, name, kind, value in zip(keys, names, kinds, values, strict=True):
        yield _key(key, name, kind, value)
    if config.rate_limits.adapter != "contract":
        yield from _limiter(client, config.rate_limits)


def _limiter(client: RedisSource, config: RateLimits) -> Iterator[Finding]:
    adapter = ADAPTERS[config.adapter](config)
    subject = f"{adapter.PREFIX}*"
    moment = Moment(time.time_ns() // 1000, Deadline(SECONDS))
    try:
        # SCAN finds keys whatever the rights to them, and there may be none now: so first, may one be read at all?
        (answer,) = complete(client.read([("TYPE", adapter.PREFIX)], moment.deadline))
        if isinstance(answer, redis.RedisError):
            yield Finding(DENIED, subject, describe(answer))
            return
        state = complete(adapter.read(moment, client))
    except (RedisError, DeadlineExceededError) as error:
        yield Finding(WRONG, subject, f"cannot be read: {error}")
        return
    for problem in moment.problems:
        yield Finding(WRONG, subject, problem)
    if not moment.problems and state.blocked is None:
        yield Finding(WARNING, subject, "no key of this form is there now: is it the right database, and prefix?")
    elif not moment.problems:
        yield Finding(OK, subject, f"{state.blocked} blocked")


def _value_command(key: RedisKey, name: str) -> tuple[Any, ...]:
    if key.kind == "hash":
        return ("HMGET", name, *key.fields)
    return ("GET", name) if key.kind == "string" else ("ZCARD", name)


def _key(key: RedisKey, name: str, kind: Any, value: Any) -> Finding:
    if isinstance(kind, redis.RedisError):
        return Finding(DENIED, name, str(kind))
    if kind == "none":
        detail = "not there now"
        return Finding(WARNING if key.needed else OK, name, detail)
    if kind != key.kind:
        return Finding(WRONG, name, f"is a {kind}, must be a {key.kind}")
    if isinstance(value, redis.RedisError):
        return Finding(DENIED, name, str(value))
    if key.fields:
        bad = [field for field, text in zip(key.fields, value, strict=True) if not _is_number(text)]
        return Finding(WRONG, name, f"no number in {', '.join(bad)}") if bad else Finding(OK, name, "")
    if key.number and not _is_number(value):
        return Finding(WRONG, name, f"{str(value)[:40]!r} is not a number")
    return Finding(OK, name, f"{value} members" if key.kind == "zset" else str(value)[:40])


def _is_number(text: Any) -> bool:
    # As the collectors read it, see `exporter.collectors.values`.
    try:
        return math.isfinite(float(text)) and "_" not in text
    except (TypeError, ValueError):
        return False
