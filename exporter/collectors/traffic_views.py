"""Traffic and rate limits in views, of a platform that has them in PostgreSQL.

Five whole minutes are read until rows of the last are no more expected, and then once more; until the next minute has
ended nothing of them changes. A minute without rows is not known: one without requests has a row that says 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.definition import BLOCKS_VIEW, LIMITS_VIEW, RATE_LIMIT_FIELDS, REQUESTS_VIEW
from exporter.absence import Absence
from exporter.collectors.base import Moment
from exporter.collectors.clients import MOST_REQUESTS
from exporter.collectors.traffic_metrics import MINUTES, MOST_CLIENTS, REQUESTS, client_families, limit_families
from exporter.exposition import LONGEST_UNCUT, Family
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import literal
from exporter.windows import MICROSECONDS

MINUTE = 60 * MICROSECONDS
CLIENT, TOTAL, LIMIT = 0, 1, 2
"""What a row of an answer is about, in its first column. The second is there for `PostgresSource.query_now`."""

# Two that begin alike stay two.
_NAME = (
    f"CASE WHEN length(client) <= {LONGEST_UNCUT} THEN client"
    f" ELSE left(client, {LONGEST_UNCUT - 33}) || '…' || md5(client) END"
)


def requests_sql(last: int, *, of_clients: bool) -> str:
    """What the view tells of five whole minutes; without clients, of the last alone.

    Args:
        last: minutes from the epoch to the begin of the last one.
        of_clients: the busiest are asked for, too.
    """
    first = last - MINUTES + 1 if of_clients else last
    usable, in_last = f"requests BETWEEN 0 AND {MOST_REQUESTS - 1}", f"timestamp >= {literal(last * MINUTE)}"
    counted = f"""
        SELECT {"client" if of_clients else "NULL::text AS client"},
               sum(requests) FILTER (WHERE {usable}) AS requests,
               sum(requests) FILTER (WHERE {usable} AND {in_last}) AS in_last,
               count(*) FILTER (WHERE ({usable}) IS NOT TRUE) AS unusable
        FROM monitoring.{REQUESTS_VIEW}
        WHERE timestamp >= {literal(first * MINUTE)} AND timestamp < {literal((last + 1) * MINUTE)}
        GROUP BY 1"""
    total = f"""
        SELECT {TOTAL}, 0, NULL, sum(unusable), sum(in_last), count(*) FILTER (WHERE client = '' AND requests > 0)
        FROM counted"""
    if not of_clients:
        return f"WITH counted AS ({counted}) {total}"
    busiest = f"""
        SELECT {CLIENT}, 0, {_NAME}, requests, coalesce(in_last, 0), 0 FROM counted
        WHERE client <> '' AND requests > 0 ORDER BY requests DESC, client LIMIT {MOST_CLIENTS}"""
    return f"WITH counted AS ({counted}) {total} UNION ALL ({busiest})"


@dataclass(frozen=True)
class _Read:
    """What was read of the minutes that end with `last`; `settled` when it will not change."""

    last: int
    settled: bool
    requests: int | None
    busiest: Sequence[tuple[str, Sequence[int]]]
    unusable: int
    unnamed: int


class RequestsView:
    """Reads monitoring.requests.

    Args:
        postgres: a connection of its own.
        settle: seconds after which no more rows of a minute are expected.
        requests: the requests of all are wanted.
        of_clients: those of the busiest are.
    """

    def __init__(self, postgres: PostgresSource, settle: float, *, requests: bool, of_clients: bool) -> None:
        self._postgres = postgres
        self._settle = settle
        self._requests = requests
        self._clients = of_clients
        self._read: _Read | None = None

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        if self._postgres.status.now() is None:
            await self._postgres.check(moment.deadline)
        moment.follow(self._postgres.status.now())
        last = moment.now // MINUTE - 1
        read = self._read
        if read is None or read.last != last or not read.settled:
            self._read = read = await self._ask(moment, last)
        else:
            # It may have become too late to be believed.
            await self._postgres.check(moment.deadline)
        moment.reject(f"monitoring.{REQUESTS_VIEW}: requests are not from 0 to 2^53", read.unusable)
        moment.reject(f"monitoring.{REQUESTS_VIEW}: a client has no name", read.unnamed)
        return list(self._families(read))

    def _families(self, read: _Read) -> Iterator[Family]:
        # Of five minutes without the last one nothing is known that could be called by their name.
        if read.requests is None:
            return
        if self._requests:
            yield Family(REQUESTS).add(read.requests)
        if self._clients:
            yield from client_families(read.busiest, "5m")

    async def _ask(self, moment: Moment, last: int) -> _Read:
        late = self._postgres.status.lag or 0.0
        settled = moment.now - (last + 1) * MINUTE >= (self._settle + late) * MICROSECONDS
        rows = await self._postgres.query_now(requests_sql(last, of_clients=self._clients), 1, 3, moment.deadline)
        busiest = []
        requests, unusable, unnamed = None, 0, 0
        for what, _, client, first, second, third in rows:
            if what == CLIENT:
                # The last minute, and the others.
                busiest.append((client, (int(second), int(first) - int(second))))
            else:
                unusable, unnamed = int(first or 0), int(third)
                requests = None if second is None else int(second)
        return _Read(last, settled, requests, busiest, unusable, unnamed)


def limits_sql(now: int, *, limits: bool, blocks: bool) -> str:
    """What the views tell of limits and of the clients that are blocked.

    Args:
        now: unix time in microseconds.
        limits: the limits are asked for.
        blocks: who is blocked is.
    """
    parts = []
    if limits:
        scopes = ", ".join(map(repr, RATE_LIMIT_FIELDS))
        parts.append(f"""
        (SELECT {LIMIT}, 0, scope::text, NULL::bigint, requests_per_minute::float8, 0
         FROM monitoring.{LIMITS_VIEW} WHERE scope IN ({scopes}) LIMIT {2 * len(RATE_LIMIT_FIELDS)})""")
    if blocks:
        after_now = f"blocked_until > {literal(now)}"
        parts += [
            f"""
        SELECT {TOTAL}, 0, NULL, count(DISTINCT client) FILTER (WHERE client <> '' AND isfinite(blocked_until)),
               count(*) FILTER (WHERE NOT isfinite(blocked_until)),
               count(*) FILTER (WHERE (client <> '') IS NOT TRUE)
        FROM monitoring.{BLOCKS_VIEW} WHERE {after_now}""",
            f"""
        (SELECT {CLIENT}, 0, {_NAME}, NULL, extract(epoch FROM max(blocked_until))::float8, 0
         FROM monitoring.{BLOCKS_VIEW} WHERE {after_now} AND isfinite(blocked_until) AND client <> ''
         GROUP BY client ORDER BY max(blocked_until) DESC, client LIMIT {MOST_CLIENTS})""",
        ]
    return " UNION ALL ".join(parts)


class LimitsViews:
    """Reads monitoring.rate_limits, where no limits are told, and monitoring.blocked_clients.

    Args:
        postgres: a connection of its own.
        told: limits by scope, of the configuration.
        absence: what is not read.
    """

    def __init__(self, postgres: PostgresSource, told: Mapping[str, int], absence: Absence) -> None:
        self._postgres = postgres
        self._told = told
        self._absence = absence
        self._blocks = not absence.feature("blocked_clients")

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        if not (self._blocks or not self._told):
            return limit_families(self._told, None, (), self._absence)
        if self._postgres.status.now() is None:
            await self._postgres.check(moment.deadline)
        moment.follow(self._postgres.status.now())
        sql = limits_sql(moment.now, limits=not self._told, blocks=self._blocks)
        rows = await self._postgres.query_now(sql, 1, 3, moment.deadline)
        blocked, until = None, []
        for what, _, client, count, value, unnamed in rows:
            if what == CLIENT:
                until.append((client, float(value)))
            elif what == TOTAL:
                blocked = int(count)
                moment.reject(f"monitoring.{BLOCKS_VIEW}: a block ends at an infinite time", int(value))
                moment.reject(f"monitoring.{BLOCKS_VIEW}: a client has no name", int(unnamed))
        limits = self._told or _limits(moment, [(row[2], row[4]) for row in rows if row[0] == LIMIT])
        return limit_families(limits, blocked, until, self._absence)


def _limits(moment: Moment, rows: Sequence[tuple[str, Any]]) -> dict[str, float]:
    limits = {}
    for scope in RATE_LIMIT_FIELDS:
        found = [value for name, value in rows if name == scope]
        if len(found) > 1:
            moment.problem(f"monitoring.{LIMITS_VIEW}: more than one row is {scope}")
        elif found and found[0] is not None:
            if math.isfinite(found[0]) and found[0] >= 0:
                limits[scope] = float(found[0])
            else:
                moment.problem(f"monitoring.{LIMITS_VIEW}: {scope} is not a number from 0 on")
    return limits
