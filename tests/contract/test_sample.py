"""The sample of predictions and labels that docs/scaling.md tells how to publish."""

import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from testbed.servers.contract import ContractDatabase, create_contract_database
from testbed.servers.postgres import Postgres

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
LOGICAL = {"wal_level": "logical", "max_wal_senders": "4", "max_replication_slots": "4"}
PREDICTIONS = 10_000
LONGEST = 60

COUNTS = """
SELECT (SELECT count(*) FROM monitoring.fraud_predictions),
       (SELECT count(*) FROM monitoring.fraud_labels),
       (SELECT count(*) FROM monitoring.fraud_labels WHERE is_fraud),
       (SELECT count(*) FROM monitoring.fraud_predictions JOIN monitoring.fraud_labels USING (transaction_id))"""


def documented() -> str:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return textwrap.dedent(block)


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[ContractDatabase, ContractDatabase]]:
    with Postgres(settings=LOGICAL) as publisher, Postgres(settings=LOGICAL) as subscriber:
        yield create_contract_database(publisher, "platform"), create_contract_database(subscriber, "sample")


def counts(database: ContractDatabase) -> tuple[int, ...]:
    with closing(psycopg2.connect(database.dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(COUNTS)
        (row,) = cursor.fetchall()
    return tuple(row)


def test_the_sample_has_the_same_transactions_of_predictions_and_labels_and_follows_verdicts(
    databases: tuple[ContractDatabase, ContractDatabase],
) -> None:
    platform, sample = databases
    platform.server.execute(documented(), platform.name)
    address = f"host=127.0.0.1 port={platform.server.port} user=postgres dbname={platform.name}"
    sample.server.execute(
        f"CREATE SUBSCRIPTION sample CONNECTION '{address}' PUBLICATION monitoring_sample", sample.name
    )
    try:
        platform.server.execute(
            f"INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision)"
            f" SELECT now(), 'txn_' || n, 0.1, 'APPROVED' FROM generate_series(1, {PREDICTIONS}) AS n;"
            f" INSERT INTO platform.fraud_labels (transaction_id, predicted_at, decision, is_fraud, labeled_at)"
            f" SELECT transaction_id, predicted_at, decision, false, now() FROM platform.fraud_predictions",
            platform.name,
        )
        platform.server.execute("UPDATE platform.fraud_labels SET is_fraud = true, labeled_at = now()", platform.name)
        deadline = time.monotonic() + LONGEST
        while len(set(now := counts(sample))) != 1 or not now[0]:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)
        assert 0.5 * PREDICTIONS / 100 < now[0] < 2 * PREDICTIONS / 100
    finally:
        # The publisher would wait for it when it stops.
        sample.server.execute("ALTER SUBSCRIPTION sample DISABLE", sample.name)
