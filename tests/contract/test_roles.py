"""What the two roles may do, and what not."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import pytest

from contract.definition import VIEWS
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import small_database

CALLS = (
    "monitoring.record_security_event('HIGH', 'x', 'm', NULL, NULL, gen_random_uuid())",
    "monitoring.lock_admin_account('nobody', 'r', gen_random_uuid())",
    "monitoring.add_threat_indicator('203.0.113.1', 'r', gen_random_uuid())",
    "monitoring.schedule_retraining('r', now(), gen_random_uuid())",
    "monitoring.failed_sign_in_sources('nobody', now())",
)
# The responder's own: no platform adapts them.
LEDGER = tuple(
    f"monitoring.responder_{name}" for name in ("actions", "decisions", "incidents", "switch", "targets", "totals")
)
ACTIVITY = "monitoring.responder_activity"


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "roles")
    # As a careless platform would have it.
    postgres.execute("CREATE ROLE stranger LOGIN", database.name)
    yield database
    postgres.drop_database(database.name)
    postgres.execute("DROP ROLE stranger")


def run(dsn: str, *statements: str) -> object:
    """The first value of the last statement."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
    finally:
        connection.close()


def objects(database: ContractDatabase, kinds: str) -> list[str]:
    listed = run(
        database.dsn,
        "SELECT string_agg(format('%I.%I', nspname, relname), ' ') FROM pg_class c JOIN pg_namespace n"
        f" ON n.oid = relnamespace WHERE nspname IN ('platform', 'monitoring') AND relkind IN ({kinds})",
    )
    return str(listed).split()


def refused(dsn: str, *statements: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(dsn, *statements)


def test_the_reader_reads_every_view_and_nothing_else(database: ContractDatabase) -> None:
    for view in VIEWS:
        run(database.reader_dsn, f"SELECT * FROM monitoring.{view} LIMIT 1")
    assert sorted(objects(database, "'v'")) == sorted([*(f"monitoring.{view}" for view in VIEWS), ACTIVITY])
    run(database.reader_dsn, f"SELECT * FROM {ACTIVITY} LIMIT 1")
    tables = objects(database, "'r', 'p'")
    assert len(tables) > 10
    for table in tables:
        refused(database.reader_dsn, f"SELECT FROM {table} LIMIT 1")


@pytest.mark.parametrize("view", VIEWS)
def test_the_reader_cannot_write_through_a_view(database: ContractDatabase, view: str) -> None:
    writable = "SET default_transaction_read_only = off"
    column = next(iter(VIEWS[view]))
    refused(database.reader_dsn, writable, f"DELETE FROM monitoring.{view}")
    refused(database.reader_dsn, writable, f"UPDATE monitoring.{view} SET {column} = NULL")
    refused(database.reader_dsn, writable, f"INSERT INTO monitoring.{view} ({column}) VALUES (NULL)")


def test_the_reader_is_read_only_and_limited_by_default(database: ContractDatabase) -> None:
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        run(database.reader_dsn, "CREATE TEMP TABLE x (y int)")
    assert run(database.reader_dsn, "SHOW statement_timeout") == "30s"
    assert run(database.responder_dsn, "SHOW statement_timeout") == "10s"


@pytest.mark.parametrize("call", CALLS)
def test_functions_are_for_the_responder_alone(database: ContractDatabase, call: str) -> None:
    writable = "SET default_transaction_read_only = off"
    refused(database.reader_dsn, writable, f"SELECT {call}")
    refused(database.server.dsn("stranger", database.name), f"SELECT {call}")
    run(database.responder_dsn, f"SELECT {call}")


def test_the_responder_can_do_nothing_but_call_them_and_keep_its_ledger(database: ContractDatabase) -> None:
    relations = set(objects(database, "'r', 'p', 'v'"))
    for relation in relations - set(LEDGER):
        refused(database.responder_dsn, f"SELECT FROM {relation} LIMIT 1")
    for table in LEDGER:
        run(database.responder_dsn, f"SELECT count(*) FROM {table}")
        # What was done stays on record.
        refused(database.responder_dsn, f"DELETE FROM {table}")
        refused(database.responder_dsn, f"TRUNCATE {table} CASCADE")
    for statement in (
        "SELECT platform.create_partitions('2030-01-01', '2030-01-01')",
        "SELECT nextval('platform.security_event_id')",
        "DELETE FROM platform.admin_accounts",
        "CREATE TABLE monitoring.x (y int)",
        "CREATE TABLE platform.x (y int)",
        "CREATE TABLE public.x (y int)",
        "CREATE FUNCTION monitoring.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION monitoring.lock_admin_account SECURITY INVOKER",
    ):
        refused(database.responder_dsn, statement)
    assert run(
        database.dsn,
        "SELECT count(*) FROM pg_proc p WHERE pronamespace IN ('monitoring'::regnamespace, 'platform'::regnamespace)"
        " AND has_schema_privilege('monitoring_responder', pronamespace, 'USAGE')"
        " AND has_function_privilege('monitoring_responder', p.oid, 'EXECUTE')",
    ) == len(CALLS)


def test_roles_are_plain(database: ContractDatabase) -> None:
    assert (
        run(
            database.dsn,
            "SELECT bool_or(rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) FROM pg_roles"
            " WHERE rolname IN ('monitoring_reader', 'monitoring_responder')",
        )
        is False
    )


def test_functions_are_not_fooled_by_objects_of_the_caller(database: ContractDatabase) -> None:
    run(
        database.responder_dsn,
        "CREATE TEMP TABLE admin_accounts (account text)",
        "SET search_path = pg_temp, public",
        "SELECT monitoring.lock_admin_account('nobody', 'r', gen_random_uuid())",
    )
    settings = run(
        database.dsn,
        "SELECT bool_and(prosecdef AND proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) FROM pg_proc"
        " WHERE pronamespace = 'monitoring'::regnamespace",
    )
    assert settings is True
