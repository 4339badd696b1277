"""A feature whose reference cannot be used is reported, and costs the drift of no other."""

from __future__ import annotations

import psycopg2
import pytest

from exporter.app import Exporter
from testbed.servers.contract import ContractDatabase
from tests.exporter.platform_truth import parse

PREDICTIONS = """
    INSERT INTO platform.model_versions VALUES ('v1', now(), true, 0.67, 0.89, 0.76, 0.6, 0.8, NULL);
    INSERT INTO platform.feature_reference VALUES ('v1', 'good', 'numeric', '{10,20}', NULL, '{100,110,90,0}');
    INSERT INTO platform.fraud_predictions
        (predicted_at, transaction_id, fraud_score, decision, model_version, features)
    SELECT now() - interval '1 minute', 't' || i, 0.1, 'APPROVED', 'v1',
           jsonb_build_object('good', i % 30, 'odd', i % 30)
    FROM generate_series(1, 600) AS i
"""


def features_with_drift(exporter: Exporter) -> set[str]:
    samples = parse(exporter.scraper.scrape(["model"], 30).text)
    floors = {dict(labels)["feature"] for name, labels in samples if name.endswith("_noise_floor_nats")}
    assert floors == {dict(labels)["feature"] for name, labels in samples if name.endswith("_drift_nats")}
    return floors


def execute(database: ContractDatabase, sql: str) -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("'numeric', '{-Infinity,10,20,Infinity}', NULL, '{0,1,2,3,0,0}'", "cuts must be finite"),
        ("'numeric', '{10,NaN}', NULL, '{1,2,3,0}'", "cuts must be finite"),
        ("'numeric', '{10,NULL,20}', NULL, '{1,2,3,4,0}'", "cuts must be finite"),
        ("'numeric', '{{10,20},{30,40}}', NULL, '{1,2,3,0}'", "cuts must be finite"),
        ("'numeric', '{20,10}', NULL, '{1,2,3,0}'", "cuts do not ascend"),
        ("'numeric', '{10,20}', NULL, '{1,2,-3,0}'", "ref_counts has a negative count"),
        ("'numeric', '{10,20}', NULL, '{1,2,NULL,0}'", "ref_counts has 4 counts"),
        ("'numeric', '{10,20}', NULL, '{1,2,0}'", "ref_counts has 3 counts"),
        ("'numeric', '{10,20}', NULL, '{0,0,0,0}'", "ref_counts are all 0"),
        ("'categorical', NULL, '{a,NULL}', '{1,2,3,0}'", "names and categories must be text"),
    ],
)
def test_it_is_skipped(database: ContractDatabase, exporter: Exporter, reference: str, problem: str) -> None:
    execute(database, f"{PREDICTIONS}; INSERT INTO platform.feature_reference VALUES ('v1', 'odd', {reference})")
    assert features_with_drift(exporter) == {"good"}
    (told,) = exporter.scraper.statuses()["model"].problems
    assert told.startswith(f"monitoring.feature_reference: feature odd: {problem}")


def test_of_two_active_models_nobody_knows_whose_reference_counts(
    database: ContractDatabase, exporter: Exporter
) -> None:
    execute(database, "DROP INDEX platform.model_versions_one_active")
    execute(database, f"{PREDICTIONS}; INSERT INTO platform.model_versions VALUES ('v2', now(), true)")
    for version in ("v1", "v2"):
        reference = f"'{version}', 'odd', 'numeric', '{{10,20}}', NULL, '{{1,2,3,0}}'"
        execute(database, f"INSERT INTO platform.feature_reference VALUES ({reference})")
    assert features_with_drift(exporter) == {"good"}
    told = "monitoring.feature_reference: feature odd: 2 active models have it"
    assert told in exporter.scraper.statuses()["model"].problems


def test_hundreds_of_bins_are_not_odd(database: ContractDatabase, exporter: Exporter) -> None:
    cuts, counts = ",".join(str(n / 10) for n in range(300)), ",".join("9" for _ in range(302))
    reference = f"'numeric', '{{{cuts}}}', NULL, '{{{counts}}}'"
    execute(database, f"{PREDICTIONS}; INSERT INTO platform.feature_reference VALUES ('v1', 'odd', {reference})")
    assert features_with_drift(exporter) == {"good", "odd"}
    assert exporter.scraper.statuses()["model"].success
