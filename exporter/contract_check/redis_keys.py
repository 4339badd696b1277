"""Redis: each key of the contract, and whether any key of its form is in this database at all."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import redis

from common.deadline import Deadline, DeadlineExceededError
from common.redaction import describe
from common.secret_text import SecretError
from contract.definition import (
    BLOCKED_CLIENTS,
    KPI_UPDATED_AT,
    RATE_LIMITS,
    REDIS_KEYS,
    REQUESTS_BY_CLIENT,
    RedisKey,
)
from exporter.absence import NOT_HERE, key_name
from exporter.collectors.base import Moment
from exporter.collectors.rate_limits import ADAPTERS
from exporter.config import Config, RateLimits
from exporter.contract_check.database import SECONDS
from exporter.contract_check.finding import ABSENT, DENIED, DOWN, OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import declared
from exporter.kpi_sources import KPIS
from exporter.sources.byte_text import shown
from exporter.sources.redis import RedisError, RedisSource
from exporter.traffic_sources import CONTRACT, NO_LIMITS, VIEW, keys_elsewhere
from exporter.waiting import complete

MINUTE = "{minute}"
OF_THE_LIMITER = (RATE_LIMITS, BLOCKED_CLIENTS)
SCAN_SECONDS = 2.0
SCAN_COUNT = 1000
_GRANT = "ACL SETUSER … ~{form} +@read +@connection"
_RIGHT_DATABASE = "see that REDIS_URL names the database (…/0) and server that the platform writes to"


def check_redis(client: RedisSource, config: Config, values: dict[str, float]) -> Iterator[Finding]:
    """The keys; the numbers that they hold are left in `values`."""
    minute = int(time.time() // 60) - 1
    absence = config.absence
    asked = list(_asked(config))
    keys = [key for key in asked if not absence.key(key.name)]
    gone = [key for key in asked if absence.key(key.name)]
    names = [key.name.replace(MINUTE, str(minute)) for key in keys]
    # Where nothing is read from Redis there need not be one.
    others = [key.name.replace(MINUTE, str(minute)) for key in gone] if keys else []
    kpis = {kpi.redis_key(config.kpis): kpi for kpi in KPIS}
    try:
        kinds = complete(client.read([("TYPE", name) for name in (*names, *others)], Deadline(SECONDS)))
        questions = [_value_command(key, name) for key, name in zip(keys, names, strict=True)]
        answers = complete(client.read(questions, Deadline(SECONDS)))
        found = _forms_found(client, {form(key) for key in keys}) if "none" in kinds else None
        elsewhere = _elsewhere(client) if found is not None else ""
    except (RedisError, DeadlineExceededError, SecretError) as error:
        yield Finding(DOWN, "connection", str(error), "see REDIS_URL, the network, and the server's log")
        return
    for key, kind in zip(gone, kinds[len(keys) :] or ["none"] * len(gone), strict=True):
        name = key_name(key.name)
        yield Finding(ABSENT, name, NOT_HERE) if kind == "none" else declared(name, "the key is there")
    for key, name, kind, value in zip(keys, names, kinds[: len(keys)], answers, strict=True):
        if kind == "none":
            yield _missing(key, name, found, elsewhere)
            continue
        finding = _key(key, name, kind, value)
        if finding.state == OK and key.name in kpis:
            kpi = kpis[key.name]
            values[kpi.key] = float(value) * kpi.contract_divisor / kpi.divisor(config.kpis)
        elif finding.state == OK and key.number and MINUTE not in key.name:
            values[key.name] = float(value)
        yield finding
    for command in sorted(client.refused):
        detail = "this user may not: a wrong clock, or a master that is gone, would not be noticed"
        yield Finding(WARNING, command, detail, "ACL SETUSER … +time +info|replication")
    if config.rate_limits.adapter not in (CONTRACT, VIEW) and not absence.feature("rate_limits"):
        yield from _limiter(client, config.rate_limits)


def form(key: RedisKey) -> str:
    """The pattern of the keys that are written together with this one: `kpi:*`, `traffic:requests:*`."""
    if MINUTE in key.name:
        return key.name.partition(MINUTE)[0] + "*"
    return key.name.rpartition(":")[0] + ":*" if ":" in key.name else key.name


def _asked(config: Config) -> Iterator[RedisKey]:
    """The keys that the exporter reads, KPIs under the platform's own names for them."""
    own_names = {kpi.key: kpi.redis_key(config.kpis) for kpi in KPIS}
    elsewhere = keys_elsewhere(config.traffic, config.rate_limits.adapter)
    no_limits = config.rate_limits.adapter == NO_LIMITS
    for key in REDIS_KEYS:
        if key.name in own_names:
            if name := own_names[key.name]:
                yield replace(key, name=name)
        elif key.name == KPI_UPDATED_AT:
            if any(own_names.values()):
                yield key
        elif key_name(key.name) not in elsewhere and not (key.name in OF_THE_LIMITER and no_limits):
            yield key


def _forms_found(client: RedisSource, forms: Iterable[str]) -> dict[str, list[str]] | None:
    """Some keys of each form; None when there are too many keys to look at all, or none may be looked at."""
    found: dict[str, list[str]] = {pattern: [] for pattern in forms}
    budget = Deadline(SCAN_SECONDS)
    cursor: Any = 0
    while budget.remaining() > 0:
        (answer,) = complete(client.read([("SCAN", cursor, "COUNT", SCAN_COUNT)], Deadline(SECONDS)))
        if isinstance(answer, redis.RedisError):
            return None
        cursor, names = answer
        for pattern in forms:
            found[pattern] += [str(name) for name in names if str(name).startswith(pattern.removesuffix("*"))][:100]
        if int(cursor) == 0:
            return found
    return None


def _elsewhere(client: RedisSource) -> str:
    """Which databases of the server hold keys, where it tells."""
    (answer,) = complete(client.read([("INFO", "keyspace")], Deadline(SECONDS)))
    if isinstance(answer, redis.RedisError):
        return ""
    text = answer if isinstance(answer, str) else str(answer)
    databases = re.findall(r"\b(db\d+)\b", text)
    return f"; keys are in {', '.join(dict.fromkeys(databases))}" if databases else "; this server holds no keys at all"


def _missing(key: RedisKey, name: str, found: dict[str, list[str]] | None, elsewhere: str) -> Finding:
    pattern = form(key)
    if not key.needed:
        return Finding(OK, name, "not there now")
    declare = f"where the platform has none, declare {key_name(key.name)} absent"
    if found is None or found[pattern]:
        if found and MINUTE in key.name:
            return _other_minutes(key, name, found[pattern])
        return Finding(WARNING, name, "not there now", f"its alerts are blind until it is; {declare}")
    if key.name == REQUESTS_BY_CLIENT:
        # Redis has no empty sets: nobody may have called.
        return Finding(WARNING, name, f"no key of the form {pattern} in this database", declare)
    detail = f"no key of the form {pattern} in this database{elsewhere}"
    return Finding(WRONG, name, detail, f"{_RIGHT_DATABASE}; {declare}")


def _other_minutes(key: RedisKey, name: str, names: list[str]) -> Finding:
    """There are keys of other minutes: of which?"""
    written = [text for text in (other.removeprefix(form(key)[:-1]) for other in names) if text.isascii()]
    minutes = [int(text) for text in written if text.isdigit()]
    asked = int(name.removeprefix(form(key)[:-1]))
    mend = "the minute is floor(unix seconds / 60), in no zone, and its key is kept for 15 minutes"
    if not minutes:
        return Finding(WRONG, name, f"not there, but {shown(names[0][:60])}: of no minute since 1970", mend)
    nearest = min(minutes, key=lambda minute: abs(minute - asked))
    if abs(nearest - asked) > 5:
        off = "" if abs(nearest - asked) > 10**6 else f", {abs(nearest - asked)} minutes {_direction(nearest - asked)}"
        return Finding(WRONG, name, f"not there; the nearest is {nearest}{off}", mend)
    return Finding(WARNING, name, "not there now", "a minute without requests should be written as 0")


def _direction(minutes: int) -> str:
    return "ahead" if minutes > 0 else "behind"


def _limiter(client: RedisSource, config: RateLimits) -> Iterator[Finding]:
    adapter = ADAPTERS[config.adapter](config)
    subject = f"{adapter.PREFIX}*"
    moment = Moment(time.time_ns() // 1000, Deadline(SECONDS))
    mend = f"see rate_limits in the configuration: are these keys written as {config.adapter} writes them?"
    try:
        # SCAN finds keys whatever the rights to them, and there may be none now: so first, may one be read at all?
        (answer,) = complete(client.read([("TYPE", adapter.PREFIX)], moment.deadline))
        if isinstance(answer, redis.RedisError):
            yield Finding(DENIED, subject, describe(answer), _GRANT.format(form=subject))
            return
        state = complete(adapter.read(moment, client))
    except (RedisError, DeadlineExceededError) as error:
        yield Finding(WRONG, subject, f"cannot be read: {error}", mend)
        return
    for problem in moment.problems:
        yield Finding(WRONG, subject, problem, mend)
    if not moment.problems and state.blocked is None:
        yield Finding(WARNING, subject, "no key of this form is there now: is it the right database, and prefix?", mend)
    elif not moment.problems:
        yield Finding(OK, subject, f"{state.blocked} blocked")


def _value_command(key: RedisKey, name: str) -> tuple[Any, ...]:
    if key.kind == "hash":
        return ("HMGET", name, *key.fields)
    return ("GET", name) if key.kind == "string" else ("ZCARD", name)


def _key(key: RedisKey, name: str, kind: Any, value: Any) -> Finding:
    for answer in (kind, value):
        if isinstance(answer, redis.exceptions.NoPermissionError):
            return Finding(DENIED, name, str(answer), _GRANT.format(form=form(key)))
    if isinstance(kind, redis.RedisError):
        return Finding(DENIED, name, str(kind), _GRANT.format(form=form(key)))
    if kind != key.kind:
        return Finding(WRONG, name, f"is a {kind}, must be a {key.kind}", f"DEL {name}, and write it as a {key.kind}")
    if isinstance(value, redis.RedisError):
        return Finding(DENIED, name, str(value), _GRANT.format(form=form(key)))
    if key.fields:
        bad = [field for field, text in zip(key.fields, value, strict=True) if not _is_number(text)]
        mend = f"HSET {name} {bad[0]} NUMBER" if bad else ""
        return Finding(WRONG, name, f"no number in {', '.join(bad)}", mend) if bad else Finding(OK, name, "")
    if key.number and not _is_number(value):
        mend = "write a plain number, without unit, sign of percent or separators"
        return Finding(WRONG, name, f"{str(value)[:40]!r} is not a number", mend)
    return Finding(OK, name, f"{value} members" if key.kind == "zset" else shown(str(value)[:40]))


def _is_number(text: Any) -> bool:
    # As the collectors read it, see `exporter.collectors.values`.
    try:
        return math.isfinite(float(text)) and "_" not in text
    except (TypeError, ValueError):
        return False
