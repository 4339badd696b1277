"""Makes a database one of a platform: ``contract/postgresql/*.sql``, in the order of their names."""

import time
from pathlib import Path

import psycopg2
import psycopg2.errors

CONTRACT = Path(__file__).resolve().parents[1] / "contract" / "postgresql"
_ROLE_CONFLICTS = (psycopg2.errors.InternalError_, psycopg2.errors.UniqueViolation)


def apply_contract(dsn: str) -> None:
    """Run the files; needs a superuser, may be repeated.

    Raises:
        FileNotFoundError: when the contract is not beside this package.
        psycopg2.Error: when a statement fails.
    """
    files = sorted(CONTRACT.glob("*.sql"))
    if not files:
        raise FileNotFoundError(f"no *.sql in {CONTRACT}")
    connection = psycopg2.connect(
        dsn, connect_timeout=5, options="-c statement_timeout=60s -c lock_timeout=60s -c timezone=UTC"
    )
    try:
        for file in files:
            _run(connection, file.read_text(encoding="utf-8"))
    finally:
        connection.close()


def _run(connection: psycopg2.extensions.connection, sql: str) -> None:
    # Roles are the cluster's: another database's contract may be altering them at this moment.
    for attempt in range(10):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
        except _ROLE_CONFLICTS:
            if attempt == 9:
                raise
            time.sleep(0.1 * (attempt + 1))
        else:
            return
