"""Section security, where strangers choose the names."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.app import Exporter
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import Samples, parse
from tests.exporter.web.serving import exporter_of

LOGINS = (("event_type", "login_failed"), ("window", "5m"))


def happen(database: ContractDatabase, columns: str, rows: str, ago: str = "1 second") -> None:
    database.server.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, message, event_type, account)"
        f" SELECT now() - interval '{ago}', 'LOW', 'm', {columns} FROM {rows}",
        database.name,
    )


def security(exporter: Exporter) -> Samples:
    return parse(exporter.scraper.scrape(["security"], 30).text)


def failures(samples: Samples, kind: str) -> dict[str, float]:
    metric = f"ticketing_admin_{kind}_failures"
    return {dict(labels)["account"]: value for (name, labels), value in samples.items() if name == metric}


def counted_types(exporter: Exporter) -> set[str]:
    return {dict(labels)["event_type"] for name, labels in security(exporter) if name.endswith("_events_total")}


def test_a_label_is_no_longer_than_a_name_and_two_stay_two(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'login_failed', repeat('x', 5000) || n % 3", "generate_series(1, 4) AS n")
    told = failures(security(exporter), "login")
    assert sorted(told.values()) == [1, 1, 2]
    assert all(label.startswith("x" * 160) and len(label) <= 200 for label in told)


def test_a_name_like_what_another_is_cut_to_stays_apart(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'login_failed', repeat('x', 5000)", "generate_series(1, 3) AS n")
    (cut,) = failures(security(exporter), "login")
    happen(database, f"'login_failed', '{cut}'", "generate_series(1, 2) AS n")
    assert sorted(failures(security(exporter), "login").values()) == [2, 3]


def test_an_empty_name_is_nobodys(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'mfa_failed', account", "(VALUES (''), (NULL), ('alice')) AS names (account)")
    samples = security(exporter)
    assert failures(samples, "mfa") == {"alice": 1}
    assert samples["ticketing_security_events", (("severity", "LOW"), ("window", "15m"))] == 3


def test_of_many_accounts_those_with_most_failures_are_told(database: ContractDatabase, exporter: Exporter) -> None:
    happen(database, "'mfa_failed', 'made-up-' || n", "generate_series(1, 2000) AS n", ago="2 minutes")
    # Spread over the window, once each time: never much, and most of all in the end.
    for ago in ("4 minutes", "2 minutes", "1 second"):
        happen(database, "'mfa_failed', 'root'", "generate_series(1, 1)", ago=ago)
    samples = security(exporter)
    assert failures(samples, "mfa")["root"] == 3
    assert len(failures(samples, "mfa")) == 50


def test_a_new_type_gets_a_name_when_old_ones_are_gone(database: ContractDatabase, redis_server: Redis) -> None:
    passed = 0.0
    exporter = exporter_of(database.reader_dsn, redis_server.url(), clock=lambda: time.time() + passed)
    try:
        happen(database, "'type-' || n, NULL", "generate_series(1, 300) AS n")
        types = counted_types(exporter)
        assert len(types) == 201
        assert "other" in types
        passed = 1200
        assert counted_types(exporter) == set()
        happen(database, "'new', NULL", "generate_series(1, 1)", ago="-1199 seconds")
        assert counted_types(exporter) == {"new"}
    finally:
        exporter.close()


def tried(samples: Samples) -> dict[str, float]:
    """Accounts that failed, by address."""
    name = "ticketing_admin_accounts_of_one_address"
    return {dict(labels)["address"]: value for (metric, labels), value in samples.items() if metric == name}


def happen_from(database: ContractDatabase, failed: str, ago: str = "1 second") -> None:
    """Failures; `failed` selects event type, account and address."""
    database.server.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, message, event_type, account, source_ip)"
        f" SELECT now() - interval '{ago}', 'LOW', 'm', event_type, account, address::inet"
        f" FROM ({failed}) AS failed (event_type, account, address)",
        database.name,
    )


NINE = "SELECT 'login_failed', n, {} FROM generate_series(1, 9) AS n"


def test_accounts_are_counted_once_for_an_address_whatever_failed(
    database: ContractDatabase, exporter: Exporter
) -> None:
    events = "VALUES ('login_failed', 'alice', '{0}'), ('mfa_failed', 'alice', '{0}'), ('mfa_failed', 'bob', '{0}')"
    for address in ("203.0.113.9", "2001:db8::9"):
        happen_from(database, events.format(address), ago="4 minutes")
    others = "VALUES ('login_failed', 'carol'), ('other', 'dave'), ('login_failed', NULL), ('login_failed', '')"
    happen_from(database, f"SELECT others.*, '203.0.113.9' FROM ({others}) AS others")
    # An address of its own each, none, and what is over.
    happen_from(database, NINE.format("'198.51.100.' || n"))
    happen_from(database, NINE.format("NULL"))
    happen_from(database, NINE.format("'192.0.2.1'"), ago="301 seconds")
    assert tried(security(exporter)) == {"203.0.113.9": 3, "2001:db8::9": 2}


@pytest.fixture
def viewing(database: ContractDatabase, redis_server: Redis) -> Iterator[Callable[[str], Samples]]:
    """The section over a view with this for a column source_ip, or with another column in its place."""
    exporters: list[Exporter] = []

    def view(column: str) -> Samples:
        columns = f"event_id, severity, event_type, message, account, {column}, correlation_id"
        database.server.execute(
            "DROP VIEW monitoring.security_events; CREATE VIEW monitoring.security_events AS"
            f' SELECT occurred_at AS "timestamp", {columns} FROM platform.security_events;'
            " GRANT SELECT ON monitoring.security_events TO monitoring_reader",
            database.name,
        )
        exporters.append(exporter_of(database.reader_dsn, redis_server.url()))
        return security(exporters[-1])

    yield view
    for exporter in exporters:
        exporter.close()


def test_addresses_are_bounded_in_number_and_length(
    database: ContractDatabase, viewing: Callable[[str], Samples]
) -> None:
    happen_from(database, "SELECT 'login_failed', n, '10.0.0.' || n % 20 FROM generate_series(1, 90) AS n")
    assert sorted(tried(viewing("host(source_ip) AS source_ip")).values()) == [5] * 10
    assert tried(viewing("repeat('x', 5000) || host(source_ip) AS source_ip")) == {"x" * 45: 90}


def test_a_view_without_addresses_lacks_this_figure_alone(
    database: ContractDatabase, viewing: Callable[[str], Samples]
) -> None:
    happen_from(database, NINE.format("'203.0.113.9'"))
    for column, told in (("source_ip AS other", {}), ("source_ip", {"203.0.113.9/32": 9})):
        samples = viewing(column)
        assert len(failures(samples, "login")) == 9
        assert tried(samples) == told


def test_of_a_flood_from_one_address_enough_is_counted(database: ContractDatabase, exporter: Exporter) -> None:
    happen_from(database, "SELECT 'login_failed', n, '203.0.113.9' FROM generate_series(1, 5000) AS n")
    assert tried(security(exporter)) == {"203.0.113.9": 200}


class Clock:
    """The exporter's: it stands still, so that its windows are known."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(database: ContractDatabase, redis_server: Redis, clock: Clock) -> Iterator[Callable[[], Exporter]]:
    """Starts an exporter with that clock."""
    exporters: list[Exporter] = []

    def make() -> Exporter:
        exporters.append(exporter_of(database.reader_dsn, redis_server.url(), clock=clock))
        return exporters[-1]

    yield make
    for exporter in exporters:
        exporter.close()


def fail(database: ContractDatabase, times: str, names: str, number: int) -> None:
    """Failed sign-ins; times and names are expressions with `n`."""
    database.server.execute(
        "INSERT INTO platform.security_events (occurred_at, severity, message, event_type, account)"
        f" SELECT {times}, 'LOW', 'm', 'login_failed', {names} FROM generate_series(1, {number}) AS n",
        database.name,
    )


def truth(database: ContractDatabase, now: float) -> dict[str, int]:
    """Failures by account, by plain SQL."""
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, count(*) FROM platform.security_events"
            " WHERE occurred_at > to_timestamp(%(now)s) - interval '5 minutes' AND occurred_at <= to_timestamp(%(now)s)"
            " AND event_type = 'login_failed' GROUP BY 1",
            {"now": now},
        )
        return dict(cursor.fetchall())


def begins(told: dict[str, int] | dict[str, float]) -> Counter[tuple[str, float]]:
    """Failures by as much of the names as labels have in any case."""
    return Counter((name[:160], count) for name, count in told.items())


def beyond(samples: Samples) -> float:
    return samples["ticketing_admin_failures_beyond_bound", LOGINS]


@pytest.mark.parametrize(
    ("names", "listed"),
    [("'x' || n", 1), ("'x' || n / 2", 50), ("'x' || n % 5000", 50), ("'root'", 2)],
    ids=["once", "twice", "ten times", "one"],
)
def test_who_fails_most_is_seen_among_made_up_names_and_exactly(
    database: ContractDatabase, start: Callable[[], Exporter], clock: Clock, names: str, listed: int
) -> None:
    fail(database, f"to_timestamp({clock.now}) - interval '17 milliseconds' * n", names, 50_000)
    fail(database, f"to_timestamp({clock.now}) - interval '10 seconds' * n", "'alice'", 29)
    # One that was there before, and one that starts in the middle of it.
    exporters = [start()]
    security(exporters[0])
    clock.now += 1
    exporters.append(start())
    security(exporters[1])
    clock.now += 1
    fail(database, f"to_timestamp({clock.now}) - interval '1 ms'", "'alice'", 3)
    expected = truth(database, clock.now)
    for exporter in exporters:
        samples = security(exporter)
        told = failures(samples, "login")
        assert len(told) == listed
        assert told["alice"] == 32
        assert told == {account: expected[account] for account in told}
        assert min(told.values()) == sorted(expected.values())[-listed]
        assert beyond(samples) == 0
        repeatedly = [sum(count > 1 for count in counts.values()) for counts in (expected, told)]
        assert samples["ticketing_admin_accounts_not_listed", LOGINS] == repeatedly[0] - repeatedly[1]
    # Its end.
    clock.now += 302
    for exporter in exporters:
        samples = security(exporter)
        assert failures(samples, "login") == {}
        assert beyond(samples) == 0


def test_of_equals_those_that_are_listed_stay(
    database: ContractDatabase, start: Callable[[], Exporter], clock: Clock
) -> None:
    exporter = start()
    fail(database, f"to_timestamp({clock.now}) - interval '10 milliseconds' * n", "'x' || n / 2", 20_000)
    before = failures(security(exporter), "login")
    assert len(before) == 50
    clock.now += 5
    fail(database, f"to_timestamp({clock.now}) - interval '1 milliseconds' * n", "'y' || n / 2", 200)
    assert failures(security(exporter), "login") == before


def test_what_is_not_counted_by_account_is_told(
    database: ContractDatabase, start: Callable[[], Exporter], clock: Clock
) -> None:
    exporter = start()
    fail(database, f"to_timestamp({clock.now})", "'x' || n", 25_001)
    fail(database, f"to_timestamp({clock.now})", "NULL", 3)
    assert beyond(security(exporter)) == 1


account_names = st.sampled_from(["alice", "bob", "", "Bob", "böb🎫", "a" * 300, "a" * 301, "\\x00", "'"])
events = st.lists(st.tuples(st.integers(-2_000_000, 320_000_000), account_names), max_size=30)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(course=st.lists(st.tuples(events, st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4))
def test_accounts_are_those_of_plain_sql_after_any_history(
    database: ContractDatabase,
    start: Callable[[], Exporter],
    clock: Clock,
    course: list[tuple[list[tuple[int, str]], int, int]],
) -> None:
    database.server.execute("TRUNCATE platform.security_events", database.name)
    exporter = start()
    security(exporter)
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for added, changed, deleted in course:
            cursor.executemany(
                "INSERT INTO platform.security_events (occurred_at, severity, message, event_type, account, source_ip)"
                " VALUES (to_timestamp(%s) - %s * interval '1 us', 'LOW', 'm', 'login_failed', %s, '203.0.113.9')",
                [(clock.now, age, name) for age, name in added],
            )
            some = "WHERE event_id IN (SELECT event_id FROM platform.security_events ORDER BY random() LIMIT %s)"
            cursor.execute(f"UPDATE platform.security_events SET account = 'changed' {some}", (changed,))
            cursor.execute(f"DELETE FROM platform.security_events {some}", (deleted,))
            # Anything is seen before half of the window has passed.
            for _ in range(15):
                clock.now += 10
                samples = security(exporter)
            expected = truth(database, clock.now)
            expected.pop("", None)
            assert begins(failures(samples, "login")) == begins(expected)
            assert tried(samples) == ({"203.0.113.9": len(expected)} if len(expected) > 1 else {})
            assert beyond(samples) == 0
