"""Section security: events of the last minutes by severity, and failed sign-ins by account.

ticketing_security_events{severity="CRITICAL",window="15m"} 0
ticketing_security_events{severity="HIGH",window="15m"} 1
ticketing_security_events_total{event_type="mfa_failed",severity="MEDIUM"} 3
ticketing_admin_mfa_failures{account="alice",window="5m"} 3
ticketing_admin_login_failures{account="alice",window="5m"} 5
ticketing_admin_accounts_of_one_address{address="203.0.113.99",window="5m"} 12
ticketing_admin_failures_beyond_bound{event_type="login_failed",window="5m"} 0
ticketing_admin_accounts_not_listed{event_type="login_failed",window="5m"} 0
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from contract.definition import LOGIN_FAILED, MFA_FAILED, SEVERITIES
from exporter.absence import NOTHING, Absence
from exporter.collectors import accounts, addresses
from exporter.collectors.base import Collector, Moment
from exporter.collectors.freshness import freshness
from exporter.collectors.windowed import WindowedView
from exporter.exposition import LONGEST_UNCUT, Family, Metric
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery, one_of
from exporter.windows import Cells, Key

_SINGLES = f"Single failures are left out when more than {accounts.MOST_ALIKE:,} accounts have one."

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
    beside_gauge=True,
)
MFA_FAILURES = Metric(
    "ticketing_admin_mfa_failures",
    "gauge",
    f"Failed second factors in the window, of the {accounts.MOST_ACCOUNTS} accounts with most of them. {_SINGLES}",
    ("account", "window"),
)
LOGIN_FAILURES = Metric(
    "ticketing_admin_login_failures",
    "gauge",
    f"Failed admin sign-ins in the window, of the {accounts.MOST_ACCOUNTS} accounts with most of them. {_SINGLES}",
    ("account", "window"),
)
METRICS = (
    EVENTS,
    EVENTS_TOTAL,
    MFA_FAILURES,
    LOGIN_FAILURES,
    addresses.METRIC,
    accounts.BEYOND_BOUND,
    accounts.NOT_LISTED,
)

UNKNOWN = "UNKNOWN"
"""Label of severities that the contract does not have; their events count all the same."""
EVENTS_WINDOW = 900
MOST_EVENT_TYPES = 200
OTHER = "other"
"""Label of event types beyond the first 200: they are free text, and series are not free."""

# One without a name is nobody's.
_FAILED = f"event_type IN ('{MFA_FAILED}', '{LOGIN_FAILED}') AND account <> ''"
QUERY = RangeQuery(
    source="monitoring.security_events",
    time="timestamp",
    width=5,
    keys=(one_of("severity", SEVERITIES), f"left(event_type, {LONGEST_UNCUT})"),
    values=("count(*)", f"count(*) FILTER (WHERE {_FAILED})"),
    rest=(accounts.hashes(_FAILED), addresses.pairs(_FAILED)),
    apart=True,
    may_lack=("source_ip",),
)


def collector(postgres: PostgresSource, settle: float, absence: Absence = NOTHING) -> Collector:
    """The section, reading events from PostgreSQL."""
    return Collector("security", (_Events(postgres, settle, absence),))


class _Events:
    def __init__(self, postgres: PostgresSource, settle: float, absence: Absence) -> None:
        self._accounts = [
            accounts.Accounts(postgres, metric, event_type, QUERY.width)
            for metric, event_type in ((MFA_FAILURES, MFA_FAILED), (LOGIN_FAILURES, LOGIN_FAILED))
            if not absence.feature("sign_ins")
        ]
        self._addresses = addresses.Addresses(QUERY.width, lambda key: key[1] in (MFA_FAILED, LOGIN_FAILED), output=1)
        self._view = WindowedView(
            postgres,
            QUERY,
            (accounts.WINDOW, EVENTS_WINDOW),
            settle,
            counter_key=self._counter_key,
            companions=[*(kind.counts for kind in self._accounts), self._addresses],
        )
        self._known: set[Key] = set()

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        await self._view.refresh(moment)
        families = [*self._events(), *freshness("security", self._view, moment)]
        sums = self._view.sums(accounts.WINDOW)
        if sums is not None:
            for kind in self._accounts:
                families += await kind.families(moment, sums)
            if self._accounts:
                families.append(self._addresses.family())
        return families

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


def _by_severity(sums: Cells) -> Family:
    severities: Counter[str] = Counter()
    for (severity, _), (count, _) in sums.items():
        severities[severity or UNKNOWN] += count
    family = Family(EVENTS)
    for severity in (*SEVERITIES, *([UNKNOWN] if severities[UNKNOWN] else [])):
        family.add(severities[severity], severity, "15m")
    return family
