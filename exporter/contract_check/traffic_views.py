"""Traffic and limits in views: counts, minutes without rows, and limits that say nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from contract.definition import BLOCKS_VIEW, CONFIGURED_VIEWS, LIMITS_VIEW, RATE_LIMIT_FIELDS, REQUESTS_VIEW
from exporter.collectors.clients import MOST_REQUESTS
from exporter.contract_check.database import Database, newest
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.schema import Columns
from exporter.traffic_sources import VIEW, Traffic

_COUNTS = f"""
    SELECT count(*) FILTER (WHERE requests < 0),
           count(*) FILTER (WHERE requests IS NULL OR requests >= {MOST_REQUESTS}),
           count(*) FILTER (WHERE client = ''), count(DISTINCT client)
    FROM {newest(REQUESTS_VIEW, "timestamp", "client, requests")}"""
# Minutes before the one that has just ended, which may still be written.
_MINUTES = f"""
    SELECT count(*), count(*) FILTER (WHERE EXISTS (
        SELECT FROM monitoring.{REQUESTS_VIEW}
        WHERE timestamp >= minute AND timestamp < minute + interval '1 min'))
    FROM generate_series(date_trunc('minute', now()) - interval '11 min',
                         date_trunc('minute', now()) - interval '2 min', interval '1 min') AS minute"""
_LIMITS = f"SELECT scope, requests_per_minute::float8 FROM monitoring.{LIMITS_VIEW} LIMIT 100"
_UNNAMED = f"""
    SELECT count(*) FROM {newest(BLOCKS_VIEW, "blocked_until", "client")} WHERE (client <> '') IS NOT TRUE"""


def check_traffic_views(database: Database, traffic: Traffic, usable: Columns) -> Iterator[Finding]:
    """What is odd in those views that are there to be read.

    Args:
        database: that has them.
        traffic: as configured.
        usable: views that can be read.
    """
    parts = {
        REQUESTS_VIEW: partial(_requests, database, of_clients=traffic.clients == VIEW),
        LIMITS_VIEW: partial(_limits, database),
        BLOCKS_VIEW: partial(_blocks, database),
    }
    for view, find in parts.items():
        if CONFIGURED_VIEWS[view].keys() <= usable.get(view, set()):
            yield from database.guarded(view, find)


def _requests(database: Database, *, of_clients: bool) -> Iterator[Finding]:
    ((negative, unusable, unnamed, clients),) = database.rows(_COUNTS)
    if negative:
        mend = "leave corrections out of the view: requests of a minute are counted once"
        yield Finding(WRONG, f"{REQUESTS_VIEW}.requests", f"{negative:,} of the newest rows are negative", mend)
    if unusable:
        mend = "a number in each row: 1 for a row a request"
        yield Finding(WRONG, f"{REQUESTS_VIEW}.requests", f"{unusable:,} of the newest rows are no number", mend)
    if unnamed:
        mend = "in the view: nullif(client, '') AS client; they count as requests of nobody in particular"
        yield Finding(WRONG, f"{REQUESTS_VIEW}.client", f"{unnamed:,} of the newest rows name it ''", mend)
    elif of_clients and not clients:
        mend = "leave traffic.clients out and declare the feature clients absent, or name who called"
        yield Finding(WARNING, f"{REQUESTS_VIEW}.client", "is NULL in all of the newest rows", mend)
    ((minutes, there),) = database.rows(_MINUTES)
    if there < minutes:
        detail = f"{minutes - there} of the last {minutes} minutes have no row, and are not known"
        mend = "a minute without requests has a row with 0: see contract/README.md, traffic from elsewhere"
        yield Finding(WARNING, f"{REQUESTS_VIEW} by minute", detail, mend)
    else:
        yield Finding(OK, f"{REQUESTS_VIEW} by minute", f"{clients:,} clients in the newest rows")


def _limits(database: Database) -> Iterator[Finding]:
    rows = database.rows(_LIMITS)
    for scope in RATE_LIMIT_FIELDS:
        found = [value for name, value in rows if name == scope]
        subject = f"{LIMITS_VIEW} {scope}"
        if len(found) > 1:
            yield Finding(
                WRONG, subject, f"{len(found)} rows have this scope", "one row for each scope, the one in force"
            )
        elif not found or found[0] is None:
            mend = f"a row, or declare the feature {scope}_limit absent"
            yield Finding(WARNING, subject, "is NULL" if found else "no row has this scope", mend)
        elif not math.isfinite(found[0]) or found[0] < 0:
            yield Finding(WRONG, subject, f"{found[0]:g} is no limit", "requests a minute, as a number from 0 on")
        else:
            yield Finding(OK, subject, f"{found[0]:g} requests per minute")
    others = sorted({str(scope) for scope, _ in rows} - set(RATE_LIMIT_FIELDS))
    if others:
        told = ", ".join(repr(scope[:40]) for scope in others[:5])
        mend = f"scope is {' or '.join(RATE_LIMIT_FIELDS)}; limits of a single route have no place here"
        yield Finding(WARNING, f"{LIMITS_VIEW}.scope", f"{told}: not read", mend)


def _blocks(database: Database) -> Iterator[Finding]:
    ((unnamed,),) = database.rows(_UNNAMED)
    if unnamed:
        mend = f"leave rows without a client out of {BLOCKS_VIEW}"
        yield Finding(WRONG, f"{BLOCKS_VIEW}.client", f"{unnamed:,} of the newest rows name nobody", mend)
    else:
        yield Finding(OK, f"{BLOCKS_VIEW}.client", "")
