"""How PostgreSQL would run the exporter's own queries: each must be a range of an index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from contract.definition import BLOCKED, BLOCKS_VIEW, REQUESTS_VIEW
from exporter.collectors import fraud, kpis, model, security, traffic_views
from exporter.contract_check.database import Database
from exporter.contract_check.finding import OK, WARNING, WRONG, Finding
from exporter.contract_check.indexes import index_for
from exporter.contract_check.scans import whole_reads
from exporter.contract_check.schema import Columns
from exporter.sources.ranges import RangeQuery
from exporter.web.api import FEED
from exporter.windows import MICROSECONDS, Range

LARGE_BYTES = 8 * 1024 * 1024
"""A table below it is read in a few milliseconds whatever its indexes are."""
RECENT_SECONDS = 600


@dataclass(frozen=True)
class Asked:
    """One query of the exporter.

    Attributes:
        subject: what it reads, by what.
        view: that it reads.
        columns: of the view, that it needs.
        sql: as it is sent.
        partial: its index has its condition in it.
    """

    subject: str
    view: str
    columns: tuple[str, ...]
    sql: str
    partial: bool = False


def check_plans(database: Database, usable: Columns) -> Iterator[Finding]:
    """One finding for each query whose view is usable."""
    for asked in _queries():
        if set(asked.columns) <= usable.get(asked.view, set()):
            yield from database.guarded(asked.subject, partial(plan_of, database, asked))


def _queries() -> Iterator[Asked]:
    now = time.time_ns() // 1000
    recent = Range(now - RECENT_SECONDS * MICROSECONDS, now)

    def ranges(query: RangeQuery, *columns: str) -> Asked:
        view = query.source.removeprefix("monitoring.")
        return Asked(f"{view} by {query.time}", view, (query.time, *columns), query.sql([recent]))

    yield ranges(fraud.QUERY, "decision", "fraud_score")
    feed = ("timestamp", "transaction_id", "fraud_score", "decision", "top_feature")
    yield Asked("fraud_predictions of high risk", "fraud_predictions", feed, FEED, partial=True)
    yield ranges(model.labelled((BLOCKED,)), "decision", "is_fraud")
    newly = model.newly_labelled(recent.start, now)
    yield Asked("fraud_labels by labeled_at", "fraud_labels", ("labeled_at", "predicted_at"), newly)
    yield ranges(kpis.QUERY, "kind", "amount_usd", "platform_fee_usd")
    yield ranges(security.QUERY, "severity", "event_type", "account")
    requests = traffic_views.requests_sql(now // traffic_views.MINUTE - 1, of_clients=True)
    yield Asked(f"{REQUESTS_VIEW} by timestamp", REQUESTS_VIEW, ("timestamp", "client", "requests"), requests)
    blocks = traffic_views.limits_sql(now, limits=False, blocks=True)
    yield Asked(f"{BLOCKS_VIEW} by blocked_until", BLOCKS_VIEW, ("client", "blocked_until"), blocks)


def plan_of(database: Database, asked: Asked) -> Iterator[Finding]:
    """One finding: whether PostgreSQL would read a range of an index."""
    scans = whole_reads(database, asked.sql)
    large = [scan for scan in scans if scan.size >= LARGE_BYTES]
    # A small table may well be read as a whole. Is there an index for when it has grown?
    small = whole_reads(database, asked.sql, forced=True) if scans and not large else []
    for scan in (large or small)[:1]:
        table = f"{scan.schema}.{scan.table}"
        mend = index_for(database, scan, partial=asked.partial)
        if large:
            detail = f"reads all of {table} ({scan.size / 1024**2:.0f} MiB) each time"
            yield Finding(WRONG, asked.subject, detail, mend)
        else:
            yield Finding(WARNING, asked.subject, f"no index serves it, and {table} will grow", mend)
    if not large and not small:
        yield Finding(OK, asked.subject, "a range of an index")
