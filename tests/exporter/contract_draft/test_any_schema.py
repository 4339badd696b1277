"""Whatever a database has for tables, a draft is made of it, and PostgreSQL takes all that it says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from contract.definition import VIEWS
from exporter.config import load
from exporter.contract_draft.roles import ROLES
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.drafting import apply, attempt, create

TYPES = """
CREATE TYPE public.mood AS ENUM ('allow', 'hold', 'mfa_failed', 'high');
CREATE DOMAIN public.label AS text CHECK (value <> 'never');
CREATE DOMAIN public.moment AS timestamptz;
CREATE TYPE public.pair AS (a int, b text)
"""
VALUES = {
    "text": ["'allow'", "E'a\\nb'", "'admin'", "''", "'{\"a\": 1}'", "'USD'", "'refund'", "NULL"],
    "varchar(10)": ["'decline'", "'EUR'", "'paid'", "'failed'", "NULL"],
    "char(3)": ["'EUR'", "'abc'"],
    "integer": ["0", "5", "2147483647", "-3", "NULL"],
    "bigint": ["1764530000", "1764530000123", "-9000000000000000000", "7"],
    "smallint": ["1", "999", "NULL"],
    "numeric": ["0.5", "'NaN'", "1e40", "'Infinity'", "100"],
    "real": ["0.7", "'NaN'", "'Infinity'"],
    "float8": ["0.3", "'-Infinity'", "'NaN'"],
    "money": ["'5.00'"],
    "boolean": ["true", "false", "NULL"],
    "timestamptz": ["now()", "'infinity'", "'-infinity'", "now() - interval '3 days'", "'0044-03-15 BC'"],
    "timestamp": ["now()", "'infinity'", "now() - interval '7 hours'", "'290000-01-01'"],
    "date": ["now()::date", "'infinity'", "'5000-01-01'"],
    "time": ["now()::time"],
    "interval": ["'2 h'", "'-3 months'"],
    "uuid": ["gen_random_uuid()"],
    "inet": ["'1.2.3.4'", "'::1/64'"],
    "cidr": ["'10.0.0.0/8'"],
    "json": ["'{\"a\": 1}'", "'\"text\"'", "'[1]'", "NULL"],
    "jsonb": ['\'{"a": true, "b": null}\'', "'\"{}\"'", "'\"not json\"'", "'null'"],
    "text[]": ["'{a}'"],
    "bytea": ["'\\x00'"],
    "xml": ["'<a/>'"],
    "int4range": ["'[1,3)'"],
    "point": ["'(1,2)'"],
    "mood": ["'allow'", "'mfa_failed'", "'high'", "NULL"],
    "label": ["'block'", "NULL"],
    "moment": ["now()"],
    "pair": ["ROW(1, 'a')"],
}
LIKELY = {
    "time": ["timestamptz", "timestamp", "date", "bigint", "moment"],
    "number": ["integer", "numeric", "real", "float8", "bigint", "smallint"],
    "amount": ["integer", "numeric", "money", "bigint"],
    "word": ["text", "varchar(10)", "mood", "label", "char(3)"],
    "flag": ["boolean"],
    "identity": ["uuid", "integer", "bigint", "numeric"],
    "address": ["inet", "text", "cidr"],
    "object": ["json", "jsonb"],
    "length": ["interval"],
}
ODD = ["ÄÖÜ", "select", 'a"b', "it's", "x y", "UPPER", "newline\nin", "%s", "{0}", "user", "1st", "$1", ":v"]


@pytest.fixture(scope="module")
def postgres_types(postgres: Postgres) -> str:
    create(postgres, "any_schema_template", TYPES)
    return "any_schema_template"


@pytest.fixture
def empty(postgres: Postgres, postgres_types: str) -> Iterator[ContractDatabase]:
    postgres.create_database("any_schema", postgres_types)
    yield ContractDatabase(postgres, "any_schema")
    postgres.drop_database("any_schema")


@pytest.mark.parametrize("seed", range(8))
def test_what_is_drafted_can_be_applied_and_read(empty: ContractDatabase, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    connection = psycopg2.connect(empty.dsn)
    with connection, connection.cursor() as cursor:
        for view in ROLES:
            for statement in table(chance, view):
                cursor.execute(statement)
    status, said = attempt(empty, tmp_path / "draft")
    assert status == 0 or said.startswith("Written to"), said
    files = {file.name: file.read_text() for file in (tmp_path / "draft").iterdir()}
    assert "## Could not be looked at" not in files["questions.md"]
    apply(empty, files, {})
    load(None, tmp_path / "draft" / "platform.yml")
    with connection, connection.cursor() as cursor:
        for view in VIEWS:
            cursor.execute(f"SELECT * FROM monitoring.{view}")
    connection.close()


def table(chance: random.Random, view: str) -> Iterator[str]:
    """A table that may be this view, or nearly so, with a few rows."""
    name = quoted(chance.choice(list(ROLES[view].table)) + chance.choice(["", "s", "_log", '"x', " y"]) + view[:2])
    columns: dict[str, str] = {}
    for role in ROLES[view].roles.values():
        if chance.random() < 0.85:
            column = chance.choice(role.names) if chance.random() < 0.85 else chance.choice(ODD)
            likely = LIKELY.get(role.kinds[0], list(VALUES))
            columns[column] = chance.choice(likely if chance.random() < 0.85 else list(VALUES))
    columns |= {chance.choice(ODD) + str(n): chance.choice(list(VALUES)) for n in range(chance.randint(0, 4))}
    yield f"CREATE TABLE public.{name} ({', '.join(f'{quoted(c)} {kind}' for c, kind in columns.items())})"
    for _ in range(chance.choice([0, 1, 8])):
        row = ", ".join(chance.choice(VALUES[kind]) for kind in columns.values())
        yield f"INSERT INTO public.{name} VALUES ({row})"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
