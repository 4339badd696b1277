"""contract/definition.py is what the SQL files, the guide and all code agree with."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from contract import definition
from grafana.dashboards import looks
from testbed.servers.contract import ContractDatabase
from tests.contract.applying import CONTRACT

ROOT = CONTRACT.parent
CODE = ("exporter", "responder", "simulator", "testbed", "demo")
KEY = re.compile(r"\b(?:kpi|traffic|ratelimit|config):\w")
WORD = re.compile(rf"\b(?:{'|'.join((*definition.DECISIONS, definition.MFA_FAILED, definition.LOGIN_FAILED))})\b")
#: PromQL, with labels of ours.
OTHERS = {"demo/rules.py"}


def test_views_of_the_files_have_these_columns_and_no_more(database: ContractDatabase) -> None:
    with psycopg2.connect(database.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns JOIN information_schema.views USING (table_schema, table_name)"
            " WHERE table_schema = 'monitoring' GROUP BY 1"
        )
        found = dict(cursor.fetchall())
    connection.close()
    del found["responder_activity"]  # of the responder's own ledger: no platform has it
    assert found == {view: list(columns) for view, columns in definition.VIEWS.items()}


def test_functions_of_the_files_are_these(database: ContractDatabase) -> None:
    with psycopg2.connect(database.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname || '(' || array_to_string(ARRAY(SELECT format_type(type, NULL) FROM unnest(proargtypes)"
            " AS type), ', ') || ')' FROM pg_proc WHERE pronamespace = 'monitoring'::regnamespace"
        )
        found = {name for (name,) in cursor.fetchall()}
    connection.close()
    assert found == {*definition.FUNCTIONS, "failed_sign_in_sources(text, timestamp with time zone)"}


def test_words_in_the_files_are_these() -> None:
    # Those of the other examples are tables of platforms alone, with words of their own.
    files = [*CONTRACT.glob("postgresql/*.sql"), CONTRACT / "examples" / "adapted.sql"]
    sql = "\n".join(file.read_text() for file in files)
    assert f"CHECK (kind IN {definition.FEATURE_KINDS})" in sql
    assert f"event_type IN {definition.MFA_FAILED, definition.LOGIN_FAILED}" in sql
    assert set(re.findall(r"decision <> '(\w+)'", sql)) == {definition.APPROVED}
    # Of the example, which translates a platform's own words.
    translated = set(re.findall(r"THEN '(\w+)'", sql)) - {"pending", "closed"}
    assert translated <= {
        *(definition.DECISIONS + definition.SEVERITIES + definition.TRANSACTION_KINDS),
        *(definition.MFA_FAILED, definition.LOGIN_FAILED),
    }
    assert {*definition.DECISIONS, *definition.TRANSACTION_KINDS} <= translated


def test_guide_describes_every_view_column_and_key() -> None:
    guide = (CONTRACT / "README.md").read_text()
    for view, columns in definition.VIEWS.items():
        described = re.search(rf"(?ms)^### `{view}`(.*?)^##", guide)
        assert described, view
        assert columns.keys() <= set(re.findall(r"`(\w+)`", described[1])), view
    for words in definition.WORDS:
        assert ", ".join(words.words) in guide, words
    for key in definition.REDIS_KEYS:
        assert f"`{key.name}`" in guide, key.name
        assert all(f"`{field}`" in guide for field in key.fields)


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every literal of a module but those that document something."""
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Expr):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.Constant) and isinstance(child.value, str):
                    yield child.lineno, child.value


@pytest.mark.parametrize("folder", CODE)
def test_code_takes_keys_and_words_from_the_definition(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {text[:60]!r}"
        for file in (ROOT / folder).rglob("*.py")
        if str(file.relative_to(ROOT)) not in OTHERS
        for line, text in texts(file)
        if KEY.search(text) or WORD.search(text)
    ]
    assert not found, "\n".join(found)


def test_dashboards_know_every_word() -> None:
    assert set(looks.DECISIONS) == set(definition.DECISIONS)
    assert set(looks.SEVERITIES) == set(definition.SEVERITIES)
