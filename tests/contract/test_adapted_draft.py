"""contract/examples/adapted.sql: what somebody wrote by hand over its tables, the draft finds by itself."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg2
import pytest

from exporter.config import Config
from exporter.contract_check.check import check
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from tests.contract.applying import CONTRACT
from tests.contract.drafting import apply, create, drafted
from tests.contract.test_adapted_example import FILL
from tests.exporter.web.serving import secret

EDITS = {
    # All accounts of the audit log are administrators: only somebody who knows the platform can say so.
    "-- WHEN action = 'mfa.denied' THEN 'mfa_failed'": "        WHEN action = 'mfa.denied' THEN 'mfa_failed'",
    "-- WHEN action = 'login.denied' THEN 'login_failed'": "        WHEN action = 'login.denied' THEN 'login_failed'",
    # The model's name for it.
    "jsonb_build_object('wallet_age_days', wallet_age_days, 'velocity_1h', velocity_1h) AS features,": (
        "    jsonb_build_object('wallet_age_days', wallet_age_days, 'txn_velocity_1h', velocity_1h) AS features,"
    ),
}


@pytest.fixture(scope="module")
def tables() -> str:
    """The part of the example that is the platform's."""
    example = (CONTRACT / "examples" / "adapted.sql").read_text()
    return example.partition("-- Indexes. On a live platform")[0].rpartition("-- ---")[0]


@pytest.fixture
def shop(postgres: Postgres, tables: str) -> Iterator[ContractDatabase]:
    database = create(postgres, "drafted_shop", tables, FILL)
    yield database
    postgres.drop_database(database.name)


def test_the_draft_passes_the_check_and_is_what_was_written_by_hand(
    shop: ContractDatabase, postgres: Postgres, tmp_path: Path
) -> None:
    apply(shop, drafted(shop, tmp_path / "draft"), EDITS)
    output = StringIO()
    check(secret("POSTGRES_DSN", shop.reader_dsn), secret("REDIS_URL", "redis://127.0.0.1:1"), Config(), output)
    lines = [line.split() for line in output.getvalue().partition("Redis\n")[0].splitlines()[1:]]
    lines = [words for words in lines if words[0] != "mend:"]
    assert {state for state, *_ in lines} <= {"ok", "warning"}, output.getvalue()

    postgres.execute("ALTER SCHEMA monitoring RENAME TO drafted", shop.name)
    by_hand = (CONTRACT / "examples" / "adapted.sql").read_text().partition("-- The contract over it.")[2]
    postgres.execute(by_hand, shop.name)
    connection = psycopg2.connect(shop.dsn)
    with connection, connection.cursor() as cursor:
        for view in ("fraud_predictions", "transactions", "model_versions", "security_events", "event_launches"):
            one, other = f"SELECT * FROM drafted.{view}", f"SELECT * FROM monitoring.{view}"
            cursor.execute(f"({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one}) LIMIT 3")
            assert cursor.fetchall() == [], view
    connection.close()
