"""Section security: events of the last minutes by severity, and failed sign-ins by account.

ticketing_security_events{severity="CRITICAL",window="15m"} 0
ticketing_security_events{severity="HIGH",window="15m"} 1
ticketing_security_events_total{event_type="mfa_failed",severity="MEDIUM"} 3
ticketing_admin_mfa_failures{account="alice",window="5m"} 3
ticketing_admin_login_failures{account="alice",window="5m"} 5
ticketing_admin_accounts_left_out{event_type="login_failed",window="5m"} 0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contract.definition import LOGIN_FAILED, MFA_FAILED, SEVERITIES
from exporter.collectors.base import Collector, Moment
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery, literal, one_of
from exporter.windows import MICROSECONDS, Cells, Key

EVENTS = Metric(
    "ticketing_security_events",
    "gauge",
    "Security events in the window, by severity.",
    ("severity", "window"),
)
EVENTS_TOTAL = Metric(
    "ticketing_security_events_total",
    "counter",
    "Security events seen since the exporter started, by severity and type.",
    ("severity", "event_type"),
)
MFA_FAILURES = Metric(
    "ticketing_admin_mfa_failures",
    "gauge",
    "Failed second factors in the window, of the 50 accounts with most of them.",
    ("account", "window"),
)
LOGIN_FAILURES = Metric(
    "ticketing_admin_login_failures",
    "gauge",
    "Failed admin sign-ins in the window, of the 50 accounts with most of them.",
    ("account", "window"),
)
ACCOUNTS_LEFT_OUT = Metric(
    "ticketing_admin_accounts_left_out",
    "gauge",
    "Accounts with failures in the window beyond the 50 with most of them, by type of failure.",
    ("event_type", "window"),
)

METRICS = (EVENTS, EVENTS_TOTAL, MFA_FAILURES, LOGIN_FAILURES, ACCOUNTS_LEFT_OUT)

UNKNOWN = "UNKNOWN"
"""Label of severities that the contract does not have; their events count all the same."""
EVENTS_WINDOW = 900
ACCOUNTS_WINDOW = 300
MOST_ACCOUNTS = 50
MOST_EVENT_TYPES = 200
OTHER = "other"
"""Label of event types beyond the first 200: they are free text, and series are not free."""

LONGEST_NAME = 200
"""Characters: what somebody types for a name may be a book."""

QUERY = RangeQuery(
    source="monitoring.security_events",
    time="timestamp",
    width=5,
    keys=(one_of("severity", SEVERITIES), f"left(event_type, {LONGEST_NAME})"),
    values=("count(*)",),
)


# The database counts and sorts the names: a stranger can make up a million of them. One that is empty is nobody's.
# The row without a name says how many there are.
_FAILURES = f"""
    WITH failed AS (
        SELECT left(account, {LONGEST_NAME}) AS account, count(*) AS failures
        FROM monitoring.security_events
        WHERE timestamp >= {{start}} AND timestamp < {{end}} AND event_type = '{{event_type}}' AND account <> ''
        GROUP BY 1
    )
    SELECT NULL AS account, NULL AS event_type, count(*) AS failures FROM failed
    UNION ALL
    (SELECT account, NULL, failures FROM failed ORDER BY failures DESC, account COLLATE "C" LIMIT {MOST_ACCOUNTS})"""


def collector(postgres: PostgresSource, logins: PostgresSource, settle: float) -> Collector:
    """The section, reading events from PostgreSQL, and failed passwords on a connection of their own.

    Anybody can fail passwords, under more names than the database counts in time. Who fails a second factor knows a
    password: to count those never waits for the others.
    """
    return Collector("security", (_Events(postgres, settle), _LoginFailures(logins)))


class _Events:
    def __init__(self, postgres: PostgresSource, settle: float) -> None:
        self._view = WindowedView(postgres, QUERY, (EVENTS_WINDOW,), settle, counter_key=self._counter_key)
        self._known: set[Key] = set()

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        failures = await self._view.refresh(moment, aside=_failures_sql(moment, MFA_FAILED))
        return [*self._events(), *_failures(MFA_FAILED, MFA_FAILURES, failures)]

    def _events(self) -> Iterator[Family]:
        events = self._view.sums(EVENTS_WINDOW)
        if events is not None:
            yield _by_severity(events)
            # A counter that is born at 3 has not increased: series start at 0 as soon as a type is known.
            current = {self._counter_key(key) for key in events}
            if len(self._known) >= MOST_EVENT_TYPES:
                self._forget(self._known - current)
        yield self._totals()

    def _totals(self) -> Family:
        family = Family(EVENTS_TOTAL)
        counters = self._view.counters
        for key in sorted(self._known):
            family.add(counters[key][0] if key in counters else 0, *key)
        return family

    def _counter_key(self, key: Key) -> Key:
        severity, event_type = key
        severity = severity or UNKNOWN
        counted = (severity, event_type or "")
        if counted not in self._known and len(self._known) >= MOST_EVENT_TYPES:
            counted = (severity, OTHER)
        self._known.add(counted)
        return counted

    def _forget(self, keys: set[Key]) -> None:
        # Or what was seen once would keep what is new from having a name until the next start.
        self._known -= keys
        for key in keys:
            self._view.counters.pop(key, None)


class _LoginFailures:
    def __init__(self, postgres: PostgresSource) -> None:
        self._postgres = postgres

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        rows = await self._postgres.query(_failures_sql(moment, LOGIN_FAILED), (), moment.deadline)
        return _failures(LOGIN_FAILED, LOGIN_FAILURES, rows)


def _by_severity(sums: Cells) -> Family:
    severities: Counter[str] = Counter()
    for (severity, _), (count,) in sums.items():
        severities[severity or UNKNOWN] += count
    family = Family(EVENTS)
    for severity in (*SEVERITIES, *([UNKNOWN] if severities[UNKNOWN] else [])):
        family.add(severities[severity], severity, "15m")
    return family


def _failures_sql(moment: Moment, event_type: str) -> str:
    start, end = moment.now + 1 - ACCOUNTS_WINDOW * MICROSECONDS, moment.now + 1
    return _FAILURES.format(start=literal(start), end=literal(end), event_type=event_type)


def _failures(event_type: str, metric: Metric, rows: Sequence[tuple[Any, ...]]) -> Iterator[Family]:
    failures = {account: count for account, _, count in rows}
    accounts = failures.pop(None)
    family = Family(metric)
    for account, count in failures.items():
        family.add(count, account, "5m")
    yield family
    yield Family(ACCOUNTS_LEFT_OUT).add(accounts - len(failures), event_type, "5m")
