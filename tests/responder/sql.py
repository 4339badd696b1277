"""The platform's own look into its database."""

from __future__ import annotations

from typing import Any

import psycopg2


def rows(dsn: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a statement gives, in a transaction of its own; nothing when it gives none."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
