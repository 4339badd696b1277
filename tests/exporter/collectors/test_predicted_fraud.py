"""Which decisions count as fraud predicted is the operator's word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.yaml_files import ConfigError
from exporter.config import load
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.web.serving import exporter_of

# By decision and verdict: 1, 2, 4, … rows, so that every sum tells what is in it.
LABELS = """
    INSERT INTO platform.fraud_labels
    SELECT decision || is_fraud || number, now(), decision, is_fraud, now()
    FROM (VALUES ('BLOCKED', true, 1), ('BLOCKED', false, 2), ('REVIEW', true, 4), ('REVIEW', false, 8),
                 ('APPROVED', true, 16), ('APPROVED', false, 32)) AS labels (decision, is_fraud, rows),
         generate_series(1, rows) AS number"""


@pytest.fixture(scope="module")
def labelled(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "predicted_fraud")
    postgres.execute(LABELS, database.name)
    yield database
    postgres.drop_database(database.name)


@pytest.mark.parametrize(
    ("text", "fraud_fraud", "fraud_legit", "legit_fraud", "legit_legit"),
    [
        ("{}", 1, 2, 20, 40),
        ("predicted_fraud: [BLOCKED]", 1, 2, 20, 40),
        ("predicted_fraud: [REVIEW, BLOCKED]", 5, 10, 16, 32),
        ("predicted_fraud: [REVIEW]", 4, 8, 17, 34),
    ],
)
def test_the_matrix(
    labelled: ContractDatabase,
    redis_server: Redis,
    tmp_path: Path,
    text: str,
    fraud_fraud: int,
    fraud_legit: int,
    legit_fraud: int,
    legit_legit: int,
) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(text)
    exporter = exporter_of(labelled.reader_dsn, redis_server.url())
    exporter.apply(load(file))  # a reload takes it up
    exposition = exporter.scraper.scrape(("model",), 30).text.decode()
    exporter.close()
    found = dict(
        re.findall(r'^ticketing_model_predictions\{predicted="(\w+",actual="\w+)".*\} (\d+)$', exposition, re.MULTILINE)
    )
    assert {key.replace('",actual="', " "): int(count) for key, count in found.items()} == {
        "fraud fraud": fraud_fraud,
        "fraud legit": fraud_legit,
        "legit fraud": legit_fraud,
        "legit legit": legit_legit,
    }


@pytest.mark.parametrize("words", ["[]", "[DENY]", "BLOCKED"])
def test_other_words_are_refused(tmp_path: Path, words: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(f"predicted_fraud: {words}")
    with pytest.raises(ConfigError, match=f"{re.escape(str(file))}.*predicted_fraud"):
        load(file)
