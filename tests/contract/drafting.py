"""A platform that is not known yet, connected as its operator would: draft, a few edited lines, check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from common.secret_text import SecretText
from exporter.contract_draft.command import draft
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import CONTRACT, FILES
from tests.exporter.web.serving import secret

MOST_EDITS = 5


@dataclass(frozen=True)
class Platform:
    """One of `contract/examples`, and what is true of it.

    Attributes:
        name: of its folder.
        edits: lines of the drafted views as they are, and as they have to be.
        absent: what of the contract it does not have: views, and keys.
        truth: SELECTs over the platform's own tables, by what they are rows of. `predictions` has `at`, `decision` and
            `score`; `labels` `at`, `blocked` and `fraud`; `transactions` `at`, `kind` and `usd`; `events` `at` and
            `severity`; `failures` `at`, `factor` and `account`; `launches` `starts` and `ends`.
        figures: single values of the active model, by metric and label.
        decision_words: its own, each with the contract's for it, that are among the newest of high risk.
    """

    name: str
    edits: Mapping[str, str]
    absent: Sequence[str]
    truth: Mapping[str, str]
    figures: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    decision_words: AbstractSet[tuple[str, str]] = frozenset()


def create(postgres: Postgres, name: str, *sql: str) -> ContractDatabase:
    """A database with the roles of the contract, and what is given."""
    postgres.create_database(name)
    database = ContractDatabase(postgres, name)
    for text in (FILES[0].read_text(), *sql):
        postgres.execute(text, name)
    return database


def create_example(postgres: Postgres, platform: Platform) -> ContractDatabase:
    """The database of one of the examples."""
    folder = CONTRACT / "examples" / platform.name
    texts = [(folder / file).read_text() for file in ("platform.sql", "sample.sql")]
    return create(postgres, f"example_{platform.name}", *texts)


def attempt(database: ContractDatabase, directory: Path, dsn: str | None = None) -> tuple[int, str]:
    """Draft for a platform without Redis; the exit status, and what is said."""
    output = StringIO()
    status = draft(secret("POSTGRES_DSN", dsn or database.dsn), SecretText("REDIS_URL", {}), directory, output)
    return status, output.getvalue()


def drafted(database: ContractDatabase, directory: Path, dsn: str | None = None) -> dict[str, str]:
    """The files that a draft writes, by name."""
    status, said = attempt(database, directory, dsn)
    assert status == 0, said
    return {file.name: file.read_text() for file in directory.iterdir()}


def edited(views: str, edits: Mapping[str, str]) -> str:
    """The drafted views with some lines replaced, each of which is there once."""
    lines = views.splitlines()
    assert len(edits) <= MOST_EDITS
    for before, after in edits.items():
        (position,) = [number for number, line in enumerate(lines) if line.strip() == before]
        lines[position] = after
    return "\n".join(lines) + "\n"


def apply(database: ContractDatabase, files: Mapping[str, str], edits: Mapping[str, str]) -> None:
    """Edit the lines and apply views and indexes."""
    connection = psycopg2.connect(database.dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(edited(files["30-views.sql"], edits))
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            for statement in statements(files["indexes.sql"]):
                cursor.execute(statement)
    finally:
        connection.close()


def statements(sql: str) -> list[str]:
    """Those of a file, without comments; it has no semicolon but their ends."""
    lines = "\n".join(line for line in sql.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in lines.split(";\n") if statement.strip()]
