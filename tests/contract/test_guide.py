"""What contract/README.md says of applying the files is done as it is written."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import psycopg2

from testbed.servers.postgres import Postgres, newest_programs
from tests.contract.applying import CONTRACT

SHIPPED = CONTRACT / "postgresql" / "40-functions.sql"
VIEWS = CONTRACT / "examples" / "adapted.sql"


def test_all_files_are_applied_or_none(postgres: Postgres, tmp_path: Path) -> None:
    stub = tmp_path / "functions.sql"
    stub.write_text("SELECT 1;")
    postgres.create_database("guide")
    try:
        # The shipped functions are not for these tables.
        refused = _apply(postgres, SHIPPED)
        assert refused.returncode != 0
        assert "platform.threat_indicators" in refused.stderr
        assert _functions(postgres) == set()
        applied = _apply(postgres, stub)
        assert applied.returncode == 0, applied.stderr
        assert "failed_sign_in_sources" in _functions(postgres)
    finally:
        postgres.drop_database("guide")


def _apply(postgres: Postgres, functions: Path) -> subprocess.CompletedProcess[str]:
    guide = (CONTRACT / "README.md").read_text().replace("\\\n", " ")
    found = re.search(r"^ +psql (\S+ .*-f .*)$", guide, re.MULTILINE)
    assert found
    places = {'"$database"': postgres.dsn(dbname="guide"), "your-views.sql": VIEWS, "your-functions.sql": functions}
    command = found[1]
    for name, place in places.items():
        command = command.replace(name, shlex.quote(str(place)))
    psql = [str(newest_programs() / "psql"), *shlex.split(command)]
    return subprocess.run(psql, cwd=CONTRACT.parent, capture_output=True, text=True, check=False)


def _functions(postgres: Postgres) -> set[str]:
    query = "SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'monitoring'"
    connection = psycopg2.connect(postgres.dsn(dbname="guide"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return {name for (name,) in cursor.fetchall()}
    finally:
        connection.close()
