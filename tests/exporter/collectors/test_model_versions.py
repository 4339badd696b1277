"""What the table of models does not say, or says in a way that means nothing, is absent."""

from __future__ import annotations

import psycopg2
import pytest

from exporter.app import Exporter
from testbed.servers.contract import ContractDatabase
from tests.exporter.platform_truth import parse


def models(database: ContractDatabase, rows: str) -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO platform.model_versions VALUES {rows}")
    connection.close()


def found(exporter: Exporter, section: str) -> dict[str, float]:
    """Values by name and label values, and whether the section is whole."""
    samples = parse(exporter.scraper.scrape([section], 10).text)
    return {"|".join([name, *(value for _, value in labels)]): value for (name, labels), value in samples.items()}


@pytest.mark.parametrize("nothing", ["NULL", "'NaN'", "'Infinity'"])
def test_numbers_that_are_none_are_absent(database: ContractDatabase, exporter: Exporter, nothing: str) -> None:
    models(database, f"('v1', now(), true, {nothing}, 0.89, {nothing}, 0.6, {nothing}, NULL)")
    model, fraud = found(exporter, "model"), found(exporter, "fraud")
    assert model["ticketing_model_baseline_ratio|recall"] == 0.89
    assert not {"ticketing_model_baseline_ratio|precision", "ticketing_model_baseline_ratio|f1"} & model.keys()
    assert "ticketing_model_next_retraining_timestamp_seconds" not in model
    assert "ticketing_fraud_threshold_ratio|block" not in fraud
    assert exporter.scraper.statuses()["model"].success
    assert exporter.scraper.statuses()["fraud"].success


def test_without_an_active_model_there_is_none(database: ContractDatabase, exporter: Exporter) -> None:
    models(database, "('v1', now(), false, 0.67, 0.89, 0.76, 0.6, 0.8, now())")
    names = {
        name.partition("|")[0]
        for name in found(exporter, "model")
        if not name.startswith(("ticketing_source_", "ticketing_platform_"))
    }
    assert names == {"ticketing_model_predictions", "ticketing_model_unlabelled_predictions"}
    assert exporter.scraper.statuses()["model"].success


def test_an_active_model_without_a_name(database: ContractDatabase, exporter: Exporter) -> None:
    models(database, "('v1', now(), true, 0.67, 0.89, 0.76, 0.6, 0.8, now())")
    whole = found(exporter, "model")
    database.server.execute(
        "ALTER VIEW monitoring.model_versions RENAME TO model_versions_good;"
        " CREATE VIEW monitoring.model_versions AS SELECT * FROM monitoring.model_versions_good;"
        " CREATE TABLE public.nameless AS SELECT * FROM monitoring.model_versions_good;"
        " UPDATE public.nameless SET model_version = NULL;"
        " CREATE OR REPLACE VIEW monitoring.model_versions AS SELECT * FROM public.nameless;"
        " GRANT SELECT ON monitoring.model_versions TO monitoring_reader",
        database.name,
    )
    lost = whole.keys() - found(exporter, "model").keys()
    assert {name.partition("|")[0] for name in lost} == {"ticketing_model_info"}
    assert exporter.scraper.statuses()["model"].success
