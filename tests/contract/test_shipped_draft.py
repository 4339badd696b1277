"""Over the demo platform's tables the draft writes what contract/postgresql/30-views.sql has."""

from __future__ import annotations

from pathlib import Path

import psycopg2

from contract.definition import VIEWS
from testbed.servers.contract import ContractDatabase
from tests.contract.drafting import apply, drafted

FILL = """
INSERT INTO platform.model_versions
VALUES ('v1', now(), true, 0.5, 0.6, 0.55, 0.6, 0.8, now()), ('v0', now(), false, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO platform.feature_reference VALUES ('v1', 'age', 'numeric', '{1,10}', NULL, '{10,20,30,0}');
INSERT INTO platform.fraud_predictions
SELECT now() - n * interval '9 s', 't' || n, n % 100 / 100.0, (ARRAY['APPROVED', 'REVIEW', 'BLOCKED'])[n % 3 + 1],
       'age=3', 'v1', '0x1', '203.0.113.1', '{"age": 3}'
FROM generate_series(1, 300) AS n;
INSERT INTO platform.fraud_labels
SELECT transaction_id, predicted_at, decision, true, predicted_at FROM platform.fraud_predictions;
INSERT INTO platform.transactions
SELECT now() - n * interval '9 s', 't' || n, (ARRAY['purchase', 'transfer'])[n % 2 + 1], 99.5, 1.5
FROM generate_series(1, 300) AS n;
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip, correlation_id)
SELECT now() - n * interval '9 s', (ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'])[n % 4 + 1], 'rate_limit', 'm', 'a',
       '203.0.113.1', gen_random_uuid()
FROM generate_series(1, 300) AS n;
INSERT INTO platform.event_launches VALUES ('e1', 'Launch', now(), now() + interval '1 hour');
ANALYZE
"""


def test_the_views_are_the_same(database: ContractDatabase, tmp_path: Path) -> None:
    database.server.execute(FILL.rpartition(";")[0], database.name)
    before = rows(database)
    database.server.execute("DROP SCHEMA monitoring CASCADE", database.name)
    files = drafted(database, tmp_path / "draft")
    assert "-- EDIT: " not in files["30-views.sql"]
    # Its indexes are there; nothing says whether the partial one is the feed's.
    assert "CREATE INDEX" not in files["indexes.sql"]
    apply(database, files, {})
    after = rows(database)
    assert {view: (len(before[view]), len(after[view])) for view in VIEWS if before[view] != after[view]} == {}


def rows(database: ContractDatabase) -> dict[str, list[tuple[object, ...]]]:
    connection = psycopg2.connect(database.dsn)
    found = {}
    with connection, connection.cursor() as cursor:
        for view, columns in VIEWS.items():
            names = ", ".join(f'"{column}"' for column in columns)
            cursor.execute(f"SELECT {names} FROM monitoring.{view} ORDER BY 1, 2")
            found[view] = cursor.fetchall()
            assert found[view], view
    connection.close()
    return found
