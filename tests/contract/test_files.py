"""The files of contract/postgresql: what the functions do, once and again, and the partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg2
import psycopg2.errors
import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import apply_files, small_database


class Session:
    """Runs statements of a role, each in a transaction of its own."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "functions")
    yield database
    postgres.drop_database(database.name)


@pytest.fixture
def platform(database: ContractDatabase) -> Iterator[Session]:
    session = Session(database.dsn)
    session.rows(
        "TRUNCATE platform.security_events, platform.admin_accounts, platform.threat_indicators,"
        " platform.retraining_requests, platform.model_versions, platform.feature_reference, platform.fraud_labels"
    )
    yield session
    session.connection.close()


@pytest.fixture
def responder(database: ContractDatabase) -> Iterator[Session]:
    session = Session(database.responder_dsn)
    yield session
    session.connection.close()


def test_an_event_is_recorded_once_per_correlation_id_and_type(platform: Session, responder: Session) -> None:
    first, second = str(uuid4()), str(uuid4())
    record = "SELECT monitoring.record_security_event(%s, %s, %s, %s, %s, %s)"
    for _ in range(3):
        responder.rows(record, "HIGH", "fraud_spike", "It's on", None, "203.0.113.1", first)
    responder.rows(record, "LOW", "fraud_spike_over", "m", "alice", "2001:db8::1", first)
    responder.rows(record, "HIGH", "fraud_spike", "m", None, None, second)
    for _ in range(2):
        responder.rows(record, "LOW", "without", "m", None, None, None)
    found = platform.rows(
        "SELECT severity, event_type, message, account, source_ip, correlation_id::text"
        " FROM monitoring.security_events ORDER BY event_id"
    )
    assert found == [
        ("HIGH", "fraud_spike", "It's on", None, "203.0.113.1", first),
        ("LOW", "fraud_spike_over", "m", "alice", "2001:db8::1", first),
        ("HIGH", "fraud_spike", "m", None, None, second),
        ("LOW", "without", "m", None, None, None),
        ("LOW", "without", "m", None, None, None),
    ]
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        responder.rows(record, "LOW", "x", "m", None, "not an address", second)


def test_two_at_once_record_one_event(database: ContractDatabase, platform: Session, responder: Session) -> None:
    correlation_id = str(uuid4())
    call = "SELECT monitoring.record_security_event('HIGH', 'x', 'm', NULL, NULL, %s)"
    other = psycopg2.connect(database.responder_dsn)  # holds its transaction open
    with other.cursor() as cursor:
        cursor.execute(call, (correlation_id,))
        responder.rows("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            responder.rows(call, correlation_id)  # waits for the other to end
    other.commit()
    other.close()
    responder.rows(call, correlation_id)
    assert platform.rows("SELECT count(*) FROM platform.security_events") == [(1,)]


def test_an_account_is_locked_once(platform: Session, responder: Session) -> None:
    platform.rows("INSERT INTO platform.admin_accounts (account) VALUES ('alice'), ('bob')")
    first, second = str(uuid4()), str(uuid4())
    lock = "SELECT monitoring.lock_admin_account(%s, %s, %s)"
    state = "SELECT locked_at, locked_reason, correlation_id::text FROM platform.admin_accounts WHERE account = 'alice'"
    assert responder.rows(lock, "alice", "3 failed MFA", first) == [(True,)]
    ((locked_at, reason, correlation_id),) = platform.rows(state)
    assert (locked_at is not None, reason, correlation_id) == (True, "3 failed MFA", first)
    for again in (first, second):  # the first lock stays as it is
        assert responder.rows(lock, "alice", "other", again) == [(True,)]
    assert platform.rows(state) == [(locked_at, "3 failed MFA", first)]
    assert responder.rows(lock, "nobody", "r", first) == [(False,)]
    assert platform.rows("SELECT locked_at FROM platform.admin_accounts WHERE account = 'bob'") == [(None,)]


def test_what_a_person_unlocked_is_locked_again_by_another_incident_only(platform: Session, responder: Session) -> None:
    platform.rows("INSERT INTO platform.admin_accounts (account) VALUES ('alice')")
    first, second = str(uuid4()), str(uuid4())
    lock = "SELECT monitoring.lock_admin_account('alice', 'r', %s)"
    responder.rows(lock, first)
    platform.rows("UPDATE platform.admin_accounts SET locked_at = NULL")
    assert responder.rows(lock, first) == [(False,)]
    assert responder.rows(lock, second) == [(True,)]


def test_a_threat_indicator_is_added_once(platform: Session, responder: Session) -> None:
    first, second = str(uuid4()), str(uuid4())
    for correlation_id in (first, first, second):
        responder.rows("SELECT monitoring.add_threat_indicator('203.0.113.9', 'r', %s)", correlation_id)
    assert platform.rows("SELECT host(source_ip), count(*) FROM platform.threat_indicators GROUP BY 1") == [
        ("203.0.113.9", 2)
    ]


def test_retraining_is_scheduled_once_and_never_later_than_planned(platform: Session, responder: Session) -> None:
    platform.rows(
        "INSERT INTO platform.model_versions (model_version, trained_at, is_active, next_retraining_at)"
        " VALUES ('v1', now(), true, '2030-01-10Z'), ('v0', now(), false, NULL)"
    )
    planned = "SELECT model_version, next_retraining_at::date::text FROM platform.model_versions ORDER BY 1"
    schedule = "SELECT monitoring.schedule_retraining('drift', %s, %s)"
    first, second = str(uuid4()), str(uuid4())
    responder.rows(schedule, "2030-01-20Z", first)
    assert platform.rows(planned) == [("v0", None), ("v1", "2030-01-10")]
    responder.rows(schedule, "2030-01-05Z", second)
    assert platform.rows(planned) == [("v0", None), ("v1", "2030-01-05")]
    # It was done, and the next one is planned; the same request comes once more.
    platform.rows("UPDATE platform.model_versions SET next_retraining_at = '2030-02-01Z' WHERE is_active")
    responder.rows(schedule, "2030-01-05Z", second)
    assert platform.rows(planned) == [("v0", None), ("v1", "2030-02-01")]
    assert platform.rows("SELECT count(*) FROM platform.retraining_requests") == [(2,)]


def test_applying_all_files_again_changes_nothing(postgres: Postgres) -> None:
    database = small_database(postgres, "twice")
    session = Session(database.dsn)
    session.rows("INSERT INTO platform.transactions VALUES (now(), 't1', 'purchase', 100, 5)")
    session.rows("INSERT INTO platform.admin_accounts VALUES ('alice', now(), 'r', gen_random_uuid())")
    inventory = (
        "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ("
        " SELECT format('%s %s %s', relkind, oid::regclass, relacl) FROM pg_class"
        " WHERE relnamespace IN ('platform'::regnamespace, 'monitoring'::regnamespace)"
        " UNION ALL SELECT format('%s %s', oid::regprocedure, proacl) FROM pg_proc"
        " WHERE pronamespace IN ('platform'::regnamespace, 'monitoring'::regnamespace)"
        " UNION ALL SELECT format('%s %s', rolname, rolconfig) FROM pg_roles WHERE rolname LIKE 'monitoring%'"
        ") AS x (line)"
    )
    before = session.rows(inventory)
    apply_files(postgres, database.name)
    assert session.rows(inventory) == before
    assert session.rows("SELECT count(*) FROM platform.transactions") == [(1,)]
    assert session.rows("SELECT count(*) FROM platform.admin_accounts WHERE locked_at IS NOT NULL") == [(1,)]
    session.connection.close()
    postgres.drop_database(database.name)


def partitions(session: Session, parent: str) -> list[str]:
    return [
        row[0]
        for row in session.rows(
            "SELECT right(inhrelid::regclass::text, 8) FROM pg_inherits"
            f" WHERE inhparent = 'platform.{parent}'::regclass ORDER BY 1"
        )
    ]


PARENTS = ("fraud_predictions", "transactions", "security_events")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Africa/Cairo"])
def test_partitions_are_days_of_utc_whatever_the_session_has(postgres: Postgres, zone: str) -> None:
    # In Cairo the first of these days begins at one o'clock.
    database = small_database(postgres, "partitions", "'2024-04-26'", "'2024-04-26'")
    session = Session(database.dsn)
    session.rows("SET timezone = %s", zone)
    session.rows("SELECT platform.create_partitions('2024-04-26', '2024-04-28')")
    session.rows("SELECT platform.create_partitions('2024-04-25', '2024-04-28')")
    days = ["20240425", "20240426", "20240427", "20240428"]
    for parent in PARENTS:
        assert partitions(session, parent) == days
    session.rows(
        "INSERT INTO platform.transactions SELECT t, 'x', 'purchase', 1, 0 FROM unnest(ARRAY["
        "'2024-04-25 00:00Z', '2024-04-25 23:59:59.999999Z', '2024-04-26 00:00Z', '2024-04-28 23:59Z'"
        "]::timestamptz[]) AS t"
    )
    assert session.rows(
        "SELECT right(tableoid::regclass::text, 8), count(*) FROM platform.transactions GROUP BY 1 ORDER BY 1"
    ) == [("20240425", 2), ("20240426", 1), ("20240428", 1)]
    with pytest.raises(psycopg2.errors.CheckViolation):
        session.rows("INSERT INTO platform.transactions VALUES ('2024-04-29 00:00Z', 'x', 'purchase', 1, 0)")

    session.rows(
        "INSERT INTO platform.fraud_labels VALUES ('old', '2024-04-26 23:59:59Z', 'BLOCKED', true, now()),"
        " ('kept', '2024-04-27 00:00Z', 'BLOCKED', true, now())"
    )
    # A table of somebody else's, by the week.
    session.rows("CREATE TABLE platform.orders (at timestamptz) PARTITION BY RANGE (at)")
    session.rows(
        "CREATE TABLE platform.orders_20240425 PARTITION OF platform.orders"
        " FOR VALUES FROM ('2024-04-25') TO ('2024-05-02')"
    )
    session.rows("SELECT platform.drop_partitions_before('2024-04-27')")
    assert session.rows("SELECT to_regclass('platform.orders_20240425') IS NOT NULL") == [(True,)]
    for parent in PARENTS:
        assert partitions(session, parent) == days[2:]
    assert session.rows("SELECT transaction_id FROM platform.fraud_labels") == [("kept",)]
    assert session.rows("SELECT count(*) FROM platform.transactions") == [(1,)]
    session.connection.close()
    postgres.drop_database(database.name)
