"""What a draft makes of databases that are odd, poor, closed, slow or hostile; and that it leaves them as they were."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg2
import pytest
import redis
import yaml

from common.secret_text import SecretText
from contract.definition import FRAUD_THRESHOLD
from exporter.absence import SECTIONS
from exporter.config import load
from exporter.contract_draft import database as asking
from exporter.contract_draft.command import draft
from testbed.servers.contract import ContractDatabase
from testbed.servers.pgbouncer import PgBouncer
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.drafting import apply, attempt, create, drafted
from tests.exporter.web.serving import clean_environment, secret

ORDERS = """
CREATE TABLE public.orders (id bigint PRIMARY KEY, placed_at timestamptz NOT NULL, order_type text, total numeric,
                            currency text);
INSERT INTO public.orders SELECT n, now() - n * interval '1 min', 'sale', 10.5, 'USD' FROM generate_series(1, 100) AS n;
"""
SCORES = """
CREATE TABLE public.fraud_scores (id bigint PRIMARY KEY, scored_at timestamptz NOT NULL, score float8, decision text);
INSERT INTO public.fraud_scores
SELECT n, now() - n * interval '1 min', 0.5, 'approve' FROM generate_series(1, 100) AS n;
"""


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = create(postgres, "unknown_platform")
    yield database
    postgres.drop_database(database.name)


def execute(database: ContractDatabase, *statements: str) -> None:
    for statement in statements:
        database.server.execute(statement, database.name)


def scalar(database: ContractDatabase, sql: str) -> object:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    connection.close()
    return row[0] if row else None


def view(files: dict[str, str], name: str) -> str:
    return files["30-views.sql"].partition(f"VIEW monitoring.{name} AS\n")[2].partition("\n;")[0]


def test_a_database_without_tables(empty: ContractDatabase, tmp_path: Path) -> None:
    status, said = attempt(empty, tmp_path / "draft")
    assert status == 1
    assert said.startswith("There is no table of a platform")
    assert not (tmp_path / "draft").exists()


def test_a_role_without_rights(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS)
    status, said = attempt(empty, tmp_path / "draft", empty.reader_dsn)
    assert status == 1
    assert said.startswith("There is no table that this role may read: run it as the owner")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    output = StringIO()
    dsn, url = secret("POSTGRES_DSN", "postgresql://a:hush@127.0.0.1:1/x"), SecretText("REDIS_URL", {})
    assert draft(dsn, url, tmp_path / "draft", output) == 1
    assert output.getvalue().startswith("PostgreSQL: ")
    assert "hush" not in output.getvalue()


def test_rights_to_some_columns_alone(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS, SCORES, "GRANT SELECT (id, placed_at, total) ON public.orders TO monitoring_reader")
    files = drafted(empty, tmp_path / "draft", empty.reader_dsn)
    assert "total AS amount_usd" in view(files, "transactions")
    assert "order_type" not in files["30-views.sql"]
    assert "may not read" in files["questions.md"]
    assert "public.fraud\\_scores" in files["questions.md"] or "`public.fraud_scores`" in files["questions.md"]


AUDIT = """
CREATE TABLE public.audit_log (id bigserial, at timestamptz NOT NULL, level text, action text, actor text);
INSERT INTO public.audit_log (at, level, action, actor)
SELECT now() - n * interval '1 min', 'info', (ARRAY['mfa_failed', 'login_failed', 'export'])[n % 3 + 1], 'a'
FROM generate_series(1, 99) AS n;
"""
ADD = "ALTER TABLE public.audit_log ADD"
FAILURES = "SELECT count(*) FROM monitoring.security_events WHERE event_type IN ('mfa_failed', 'login_failed')"


def test_whose_sign_in_failed_is_not_guessed(empty: ContractDatabase, tmp_path: Path) -> None:
    """The platform's words are the contract's, and nothing says that they are of administrators."""
    execute(empty, AUDIT)
    files = drafted(empty, tmp_path / "draft")
    assert "- sign_ins  # until the views say" in files["platform.yml"]
    apply(empty, files, {})
    assert scalar(empty, FAILURES) == 0
    assert scalar(empty, "SELECT count(DISTINCT event_type) FROM monitoring.security_events") == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            f"{ADD} is_admin boolean; UPDATE public.audit_log SET is_admin = id < 4",
            2,
        ),
        (
            f"{ADD} role text DEFAULT 'fan'; UPDATE public.audit_log SET role = 'ROOT' WHERE id = 1",
            1,
        ),
        ("ALTER TABLE public.audit_log RENAME TO admin_audit_log", 66),
    ],
)
def test_whose_sign_in_failed_where_something_says(
    empty: ContractDatabase, tmp_path: Path, change: str, expected: int
) -> None:
    execute(empty, AUDIT, change)
    files = drafted(empty, tmp_path / "draft")
    assert "sign_ins" not in files["platform.yml"]
    apply(empty, files, {})
    assert scalar(empty, FAILURES) == expected


def test_no_file_is_overwritten(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS)
    drafted(empty, tmp_path)
    (tmp_path / "30-views.sql").write_text("an hour of work")
    status, said = attempt(empty, tmp_path)
    assert (status, said) == (1, f"{tmp_path / '30-views.sql'}: File exists\n")
    assert (tmp_path / "30-views.sql").read_text() == "an hour of work"


def test_empty_tables(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS, SCORES, "TRUNCATE public.orders, public.fraud_scores")
    files = drafted(empty, tmp_path / "draft")
    assert "FROM public.orders" in view(files, "transactions")
    assert "no rows yet" in files["questions.md"]
    apply(empty, files, {})


def test_of_two_tables_of_one_name_the_one_in_use(empty: ContractDatabase, tmp_path: Path) -> None:
    live = ORDERS.replace("public.", "live.")
    execute(empty, "CREATE SCHEMA live", ORDERS, live, "TRUNCATE public.orders")
    execute(empty, "CREATE TABLE public.orders_backup AS SELECT * FROM live.orders")
    files = drafted(empty, tmp_path / "draft")
    assert "FROM live.orders" in view(files, "transactions")
    assert "`public.orders`" in files["questions.md"]


def test_views_as_sources(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS.replace("orders", "t1"), "CREATE VIEW public.orders AS SELECT * FROM public.t1")
    files = drafted(empty, tmp_path / "draft")
    assert "FROM public.orders" in view(files, "transactions")
    assert "transactions: public.orders is no table" in files["indexes.sql"]
    apply(empty, files, {})


def test_words_that_nobody_knows_have_to_be_filled_in(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, SCORES, "UPDATE public.fraud_scores SET decision = 'grau' WHERE id = 7")
    files = drafted(empty, tmp_path / "draft")
    marked = [line for line in view(files, "fraud_predictions").splitlines() if "EDIT" in line]
    assert marked == ["        WHEN 'grau' THEN 'grau'  -- EDIT: 'grau' is which of APPROVED, REVIEW, BLOCKED?"]
    apply(empty, files, {marked[0].strip(): "        WHEN 'grau' THEN 'REVIEW'"})
    assert scalar(empty, "SELECT count(*) FROM monitoring.fraud_predictions WHERE decision = 'REVIEW'") == 1


def test_names_and_words_cannot_become_sql(empty: ContractDatabase, tmp_path: Path) -> None:
    table = 'order"s; DROP TABLE public.kept; --\n\\'
    column = "total\"'); DROP TABLE public.kept; --\n$$"
    word = "grau'); DROP TABLE public.kept; --\n\\ grau"
    quoted, amount = ('"' + name.replace('"', '""') + '"' for name in (table, column))
    connection = psycopg2.connect(empty.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.kept ()")
        cursor.execute(f'CREATE TABLE public.{quoted} ("placed At" timestamptz NOT NULL, kind text, {amount} numeric)')
        cursor.execute(f"INSERT INTO public.{quoted} SELECT now(), %s, 5 FROM generate_series(1, 9)", (word,))
    connection.close()
    files = drafted(empty, tmp_path / "draft")
    (marked,) = [line.strip() for line in files["30-views.sql"].splitlines() if "-- EDIT: " in line]
    assert "is which of purchase, transfer" in marked
    apply(empty, files, {})
    assert scalar(empty, "SELECT to_regclass('public.kept')::text") == "kept"
    assert scalar(empty, "SELECT sum(amount_usd) FROM monitoring.transactions") == 45
    assert scalar(empty, "SELECT min(kind) FROM monitoring.transactions") == word
    # Nor markup: each item is one line.
    assert not [line for line in files["questions.md"].splitlines() if line.startswith(("$$", "\\"))]


@pytest.mark.parametrize("index", ["", "CREATE INDEX ON public.orders (placed_at)"])
def test_of_a_large_table_a_few_pages_are_read(empty: ContractDatabase, tmp_path: Path, index: str) -> None:
    large = "ALTER TABLE public.orders DROP CONSTRAINT orders_pkey, ADD note text DEFAULT repeat('x', 500)"
    rows = "SELECT n, now() - n * interval '1 s', 'sale', 1, 'USD' FROM generate_series(1, 60000) AS n"
    fill = f"INSERT INTO public.orders {rows}"
    execute(empty, ORDERS, large, fill, index or "SELECT 1", "ANALYZE public.orders")
    read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'orders'"
    before = settled(empty, read)
    files = drafted(empty, tmp_path / "draft")
    assert "FROM public.orders" in view(files, "transactions")
    assert "'sale' THEN 'purchase'" in view(files, "transactions")
    after = settled(empty, read)
    # By the index: none but its own. Without one: of each column with words up to 10,000 rows, of 60,000.
    assert after == before if index else int(str(after)) - int(str(before)) < 30_000


def settled(database: ContractDatabase, sql: str) -> object:
    """A figure of the statistics once those who wrote them have gone."""
    deadline = time.monotonic() + 20
    while scalar(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ticketing%'"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return scalar(database, sql)


def test_a_relation_that_is_slow_or_locked_costs_itself_alone(
    empty: ContractDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "QUERY_SECONDS", 1.5)
    slow = "CREATE VIEW public.fraud_scores_slow AS SELECT s.* FROM public.fraud_scores s, pg_sleep(60)"
    execute(empty, ORDERS, SCORES, slow, "CREATE TABLE public.payments AS SELECT * FROM public.orders")
    locking = psycopg2.connect(empty.dsn)
    with locking.cursor() as cursor:
        cursor.execute("LOCK TABLE public.payments IN ACCESS EXCLUSIVE MODE")
        files = drafted(empty, tmp_path / "draft")
    locking.close()
    assert "FROM public.orders" in view(files, "transactions")
    assert "FROM public.fraud_scores\n" in view(files, "fraud_predictions") + "\n"
    refused = files["questions.md"].partition("## Could not be looked at")[2]
    assert "rows of public.fraud_scores_slow: PostgreSQL: query cancelled" in refused
    assert "rows of public.payments: canceling statement due to lock timeout" in refused


def test_it_can_change_nothing(empty: ContractDatabase, tmp_path: Path) -> None:
    meddling = """
        CREATE FUNCTION public.meddle() RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN DELETE FROM public.t1; RETURN 1; END $$"""
    execute(empty, SCORES, ORDERS.replace("orders", "t1"), meddling)
    execute(empty, "CREATE VIEW public.orders AS SELECT t1.*, public.meddle() AS fee FROM public.t1")
    files = drafted(empty, tmp_path / "draft")
    assert scalar(empty, "SELECT count(*) FROM public.t1") == 100
    assert "read-only transaction" in files["questions.md"]


def test_behind_a_pooler_it_leaves_nothing_behind(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS)
    with PgBouncer(empty.server) as pooler:
        dsn = pooler.dsn("postgres", empty.name)
        files = drafted(empty, tmp_path / "draft", dsn)
        # The pooler has one connection to the server, which is now somebody else's.
        connection = psycopg2.connect(dsn)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('search_path'), current_setting('transaction_read_only')")
            assert cursor.fetchall() == [('"$user", public', "off")]
        connection.close()
    assert "FROM public.orders" in view(files, "transactions")


def test_values_of_private_columns_are_not_looked_at(empty: ContractDatabase, tmp_path: Path) -> None:
    add = "ALTER TABLE public.orders ADD status_token text DEFAULT 'hush', ADD card_hash text DEFAULT 'hush'"
    execute(empty, ORDERS, add)
    files = drafted(empty, tmp_path / "draft")
    assert "hush" not in "".join(files.values())


def test_the_zone_of_a_table_that_has_stopped_is_asked_for(empty: ContractDatabase, tmp_path: Path) -> None:
    naive = "ALTER TABLE public.orders ALTER placed_at TYPE timestamp USING placed_at - interval '20 days 17 min'"
    execute(empty, ORDERS, naive)
    questions = drafted(empty, tmp_path / "draft")["questions.md"]
    guessed = questions.partition("## Guessed")[2].partition("##")[0]
    assert "UTC: nothing tells its zone" in guessed
    assert "Its newest row is 20 d old. Is it another table, or another zone?" in guessed


def test_keys_that_redis_does_not_have(
    empty: ContractDatabase, tmp_path: Path, redis_server: Redis, redis_client: redis.Redis
) -> None:
    execute(empty, ORDERS)

    def platform(directory: Path, url: str) -> tuple[str, str]:
        dsn = secret("POSTGRES_DSN", empty.dsn)
        assert draft(dsn, secret("REDIS_URL", url), directory, StringIO()) == 0
        return (directory / "platform.yml").read_text(), (directory / "questions.md").read_text()

    def absent(text: str) -> list[str]:
        keys: list[str] = yaml.safe_load(text)["platform"]["absent"].get("keys", [])
        return keys

    none, _ = platform(tmp_path / "none", redis_server.url())
    assert len(absent(none)) == 11
    redis_client.set(FRAUD_THRESHOLD, "0.6")
    some, _ = platform(tmp_path / "some", redis_server.url())
    assert load(tmp_path / "none" / "exporter.yml").rate_limits.adapter == "none"
    assert load(tmp_path / "some" / "exporter.yml").probes.keys() == {"postgresql", "redis_cache"}
    assert absent(some) == []
    assert "#      - traffic:requests\n" in some
    assert FRAUD_THRESHOLD not in some
    down, questions = platform(tmp_path / "down", "redis://127.0.0.1:1")
    assert absent(down) == []
    assert "`Redis: " in questions


def test_the_command(empty: ContractDatabase, tmp_path: Path) -> None:
    execute(empty, ORDERS)
    command = [sys.executable, "-m", "exporter", "--contract.draft", str(tmp_path / "new" / "draft")]
    environment = {**clean_environment(), "POSTGRES_DSN": empty.dsn}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "transactions       public.orders" in done.stdout
    files = {file.name for file in (tmp_path / "new" / "draft").iterdir()}
    assert files == {"30-views.sql", "indexes.sql", "platform.yml", "exporter.yml", "questions.md"}
    absence = load(None, tmp_path / "new" / "draft" / "platform.yml").absence
    assert [section for section in SECTIONS if absence.section(section)] == ["fraud", "traffic", "model", "security"]
