"""Connections to the platform's PostgreSQL, and what must be there before the first row."""

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from simulator import reference
from simulator.events import ADMIN_ACCOUNTS
from simulator.instants import DAY, moment, next_sunday_2am
from testbed.contract_files import apply_contract


def connect(dsn: str, statement_timeout_seconds: float = 15.0) -> Connection:
    """Connect, with limits on waiting for anything, and UTC as the session's time zone.

    Raises:
        psycopg2.OperationalError: when the server cannot be reached or refuses.
    """
    timeout_ms = int(statement_timeout_seconds * 1000)
    return psycopg2.connect(
        dsn,
        connect_timeout=5,
        application_name="ticketing-simulator",
        options=f"-c statement_timeout={timeout_ms} -c lock_timeout={timeout_ms} -c timezone=UTC",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=timeout_ms,
    )


def ensure_contract(dsn: str) -> None:
    """Apply the contract where it is missing.

    Raises:
        psycopg2.Error: the database cannot be reached, or the role may not.
    """
    connection = connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('platform.fraud_labels') IS NULL")
            missing = cursor.fetchall()[0][0]
    finally:
        connection.close()
    if missing:
        apply_contract(dsn)


def clear(dsn: str) -> None:
    """Delete everything that happened on the platform.

    Raises:
        psycopg2.Error: the database cannot be reached, or the role may not.
    """
    connection = connect(dsn, 60.0)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE platform.fraud_predictions, platform.fraud_labels, platform.transactions,"
                " platform.security_events, platform.event_launches"
            )
    finally:
        connection.close()


def prepare(
    connection: Connection, first: int, now: int, seed: int, precision: float = reference.BASELINE_PRECISION
) -> None:
    """Create partitions from ``first`` to tomorrow (microseconds), the model as of now, its reference, and the admins.

    What is there already is left alone.
    """
    with connection, connection.cursor() as cursor:
        create_partitions(connection, first, now + DAY)
        cursor.execute("SELECT count(*) FROM platform.model_versions")
        if cursor.fetchall()[0][0] == 0:
            reference.write(cursor, now, seed, precision)
        for account in ADMIN_ACCOUNTS:
            cursor.execute(
                "INSERT INTO platform.admin_accounts (account) VALUES (%s) ON CONFLICT DO NOTHING", (account,)
            )


def create_partitions(connection: Connection, first: int, last: int) -> None:
    """Create the daily partitions from the day of ``first`` to the day of ``last`` (microseconds)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT platform.create_partitions(%s::date, %s::date)",
            (moment(first).date(), moment(last).date()),
        )


def finish_retraining(connection: Connection, now: int) -> None:
    """Move a retraining whose time has come to the next Sunday, as the platform does after training."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE platform.model_versions SET next_retraining_at = %s WHERE is_active AND next_retraining_at <= %s",
            (moment(next_sunday_2am(now)), moment(now)),
        )


def block_threshold(connection: Connection) -> float | None:
    """Return the active model's block threshold, None when there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT block_threshold FROM platform.model_versions WHERE is_active")
        row = cursor.fetchone()
    return float(row[0]) if row and row[0] is not None else None


def written_span(connection: Connection, after: int) -> tuple[int, int] | None:
    """Return the instants of the oldest and newest row later than ``after``, None without one.

    Predictions and transactions count; all in microseconds.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (extract(epoch FROM least(p.first, t.first)) * 1000000)::bigint,"
            " (extract(epoch FROM greatest(p.last, t.last)) * 1000000)::bigint FROM"
            " (SELECT min(predicted_at) AS first, max(predicted_at) AS last"
            "  FROM platform.fraud_predictions WHERE predicted_at > %(after)s) AS p,"
            " (SELECT min(occurred_at) AS first, max(occurred_at) AS last"
            "  FROM platform.transactions WHERE occurred_at > %(after)s) AS t",
            {"after": moment(after)},
        )
        first, last = cursor.fetchall()[0]
    return None if first is None else (int(first), int(last))
