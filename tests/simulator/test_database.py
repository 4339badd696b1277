"""What is written to PostgreSQL: history, live steps, bulk, the specification's figures."""

from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from simulator import database as platform_database
from simulator.bulk import bulk_load
from simulator.database import connect
from simulator.features import FEATURE_NAMES
from simulator.history import backfill, resume
from simulator.instants import HOUR, MINUTE, SECOND, micros
from simulator.source import OrdinaryDays
from simulator.world import World
from testbed.contract_files import apply_contract
from testbed.servers.contract import ContractDatabase
from tests.simulator.helpers import SEED, query

# The fixtures' partitions are around today.
END = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
FINGERPRINT = """
SELECT count(*), md5(string_agg(row::text, '' ORDER BY row::text)) FROM (
    SELECT predicted_at, transaction_id, fraud_score, decision, top_feature, wallet, source_ip, features
    FROM platform.fraud_predictions UNION ALL
    SELECT predicted_at, transaction_id, is_fraud::int, decision, labeled_at::text, NULL, NULL, NULL
    FROM platform.fraud_labels UNION ALL
    SELECT occurred_at, transaction_id, amount_usd, kind, platform_fee_usd::text, NULL, NULL, NULL
    FROM platform.transactions UNION ALL
    SELECT occurred_at, message, 0, severity, event_type, account, source_ip, NULL
    FROM platform.security_events) AS row
"""


def test_contract_may_be_applied_again(database: ContractDatabase) -> None:
    apply_contract(database.dsn)
    platform_database.ensure_contract(database.dsn)
    assert query(database.dsn, "SELECT count(*) FROM monitoring.fraud_predictions") == [(0,)]


def test_history_twice_is_identical(database: ContractDatabase) -> None:
    written = backfill(database.dsn, end=END, hours=6, seed=SEED)
    first = query(database.dsn, FINGERPRINT)
    query(
        database.dsn,
        "TRUNCATE platform.fraud_predictions, platform.fraud_labels, platform.transactions,"
        " platform.security_events; SELECT 1",
    )
    assert backfill(database.dsn, end=END, hours=6, seed=SEED) == written
    assert query(database.dsn, FINGERPRINT) == first


def test_history_in_two_parts_and_live_steps_is_the_history_at_once(database: ContractDatabase) -> None:
    world = World(OrdinaryDays(SEED))
    backfill(database.dsn, end=END - timedelta(hours=2), hours=4, seed=SEED)
    start = micros(END) - 2 * HOUR
    # The newest row is where it resumes; whatever happened between it and the end of the first part is empty.
    recorder = resume(database.dsn, world, start + MINUTE, 4.1)
    connection = connect(database.dsn)
    for second in range(60, 7200, 30):
        recorder.advance(connection, start + (second + 30) * SECOND, 0.60)
    connection.close()
    in_parts = query(database.dsn, "SELECT count(*), max(predicted_at) FROM platform.fraud_predictions")
    labels = query(database.dsn, "SELECT transaction_id, labeled_at FROM platform.fraud_labels ORDER BY 1")
    query(
        database.dsn,
        "TRUNCATE platform.fraud_predictions, platform.fraud_labels, platform.transactions; SELECT 1",
    )
    backfill(database.dsn, end=END, hours=6, seed=SEED)
    assert in_parts == query(database.dsn, "SELECT count(*), max(predicted_at) FROM platform.fraud_predictions")
    assert labels == query(database.dsn, "SELECT transaction_id, labeled_at FROM platform.fraud_labels ORDER BY 1")


def test_history_through_the_views(database: ContractDatabase) -> None:
    backfill(database.dsn, end=END, hours=24, seed=SEED)
    assert query(database.reader_dsn, "SELECT max(timestamp) <= %s FROM monitoring.fraud_predictions", END) == [(True,)]
    ((predictions, features),) = query(
        database.reader_dsn,
        "SELECT count(*), count(*) FILTER (WHERE features ?& %s) FROM monitoring.fraud_predictions",
        list(FEATURE_NAMES),
    )
    assert predictions == features > 8000
    ((sold, unsold),) = query(
        database.reader_dsn,
        "SELECT count(t.kind), count(*) FILTER (WHERE t.kind IS NULL AND p.decision = 'BLOCKED')"
        " FROM monitoring.fraud_predictions p LEFT JOIN monitoring.transactions t USING (transaction_id)",
    )
    assert sold + unsold == predictions
    ((labels, late, future, copied),) = query(
        database.reader_dsn,
        "SELECT count(*), count(*) FILTER (WHERE labeled_at > predicted_at + interval '1 hour'),"
        " count(*) FILTER (WHERE labeled_at > %s), count(*) FILTER (WHERE l.decision = p.decision)"
        " FROM monitoring.fraud_labels l JOIN monitoring.fraud_predictions p USING (transaction_id)",
        END,
    )
    assert 0.4 * predictions < labels < 0.9 * predictions
    assert late > 0.8 * labels
    assert future == 0
    assert copied == labels
    assert query(database.reader_dsn, "SELECT count(*) FROM monitoring.feature_reference") == [(len(FEATURE_NAMES),)]
    ((precision, f1, review, block, retraining),) = query(
        database.reader_dsn,
        "SELECT baseline_precision, baseline_f1, review_threshold, block_threshold,"
        " to_char(next_retraining_at, 'Dy HH24:MI') FROM monitoring.model_versions WHERE is_active",
    )
    assert (precision, round(f1, 4), review, block, retraining) == (0.55, 0.6799, 0.6, 0.8, "Sun 02:00")


@pytest.mark.parametrize("day", range(7))
def test_the_model_was_trained_before_now_and_is_trained_within_a_week(database: ContractDatabase, day: int) -> None:
    now = datetime(2026, 3, 2 + day, 12, tzinfo=UTC)
    backfill(database.dsn, end=now, hours=0, seed=SEED)
    ((trained, retraining),) = query(
        database.reader_dsn, "SELECT trained_at, next_retraining_at FROM monitoring.model_versions WHERE is_active"
    )
    assert trained <= now < retraining <= now + timedelta(days=7)


def test_reference_counts_agree_with_width_bucket(database: ContractDatabase) -> None:
    backfill(database.dsn, end=END, hours=12, seed=SEED)
    rows = query(
        database.reader_dsn,
        "SELECT r.feature, max(abs(c.share - r.ref_counts[c.bin + 1] / 100000.0))"
        " FROM monitoring.feature_reference r CROSS JOIN LATERAL ("
        "   SELECT width_bucket((features ->> r.feature)::float8, r.cuts) AS bin,"
        "          count(*) / (sum(count(*)) OVER ()) AS share"
        "   FROM monitoring.fraud_predictions GROUP BY 1) AS c"
        " WHERE r.kind = 'numeric' AND c.bin IS NOT NULL GROUP BY 1",
    )
    assert len(rows) == 9
    assert max(difference for _, difference in rows) < 0.03


@pytest.mark.parametrize("companions", [True, False])
def test_bulk_has_so_many_rows_at_a_constant_rate(database: ContractDatabase, companions: bool) -> None:
    query(database.dsn, "SELECT platform.drop_partitions_before(current_date - 1)")
    bulk_load(database.dsn, 70_000, per_hour=1000, end=END, companions=companions)
    ((rows, distinct, fastest, slowest),) = query(
        database.dsn,
        "SELECT sum(n)::int, bool_and(d), max(n) FILTER (WHERE whole), min(n) FILTER (WHERE whole) FROM ("
        " SELECT count(*) AS n, count(DISTINCT transaction_id) = count(*) AS d,"
        "  date_trunc('hour', predicted_at) BETWEEN %s AND %s AS whole"
        " FROM platform.fraud_predictions GROUP BY date_trunc('hour', predicted_at)) AS hours",
        END - timedelta(hours=68),
        END - timedelta(hours=2),
    )
    assert (rows, distinct) == (70_000, True)
    assert 998 <= slowest <= fastest <= 1002
    ((sold, labels, events),) = query(
        database.dsn,
        "SELECT (SELECT count(*) FROM platform.transactions), (SELECT count(*) FROM platform.fraud_labels),"
        " (SELECT count(*) FROM platform.security_events)",
    )
    ((blocked, latest),) = query(
        database.dsn,
        "SELECT count(*) FILTER (WHERE decision = 'BLOCKED'), max(predicted_at) FROM platform.fraud_predictions",
    )
    assert END - timedelta(seconds=10) < latest <= END
    assert blocked / rows == pytest.approx(0.019, abs=0.004)
    assert (sold == rows - blocked and labels > 40_000 and events > 100) == companions
    if not companions:
        assert (sold, labels, events) == (0, 0, 0)


def test_thresholds_in_force_decide(database: ContractDatabase) -> None:
    recorder = resume(database.dsn, World(OrdinaryDays(SEED, 3000)), micros(END) - HOUR, 0)
    connection = connect(database.dsn)
    recorder.advance(connection, micros(END), 0.30)
    connection.close()
    assert query(
        database.dsn,
        "SELECT decision, min(fraud_score) >= floor, max(fraud_score) < ceiling FROM platform.fraud_predictions"
        " JOIN (VALUES ('APPROVED', 0, 0.30), ('REVIEW', 0.30, 0.80), ('BLOCKED', 0.80, 1.1))"
        " AS expected (decision, floor, ceiling) USING (decision) GROUP BY decision, floor, ceiling ORDER BY 1",
    ) == [("APPROVED", True, True), ("BLOCKED", True, True), ("REVIEW", True, True)]


def test_an_unreachable_database_is_an_error_without_the_password() -> None:
    with pytest.raises(psycopg2.OperationalError) as failure:
        backfill("host=127.0.0.1 port=1 user=u password=hunter2", end=END, hours=1, seed=SEED)
    assert "hunter2" not in str(failure.value)
