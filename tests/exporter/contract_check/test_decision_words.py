"""What the check says of a platform's own words for decisions."""

from __future__ import annotations

import pytest

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.contract.own_words import with_own_words
from tests.exporter.contract_check.reporting import faults, mends, report

# Three rows are there already, one a decision.
MORE = """
    INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)
    SELECT now(), 'm' || n, 0.7, 'REVIEW', '{"flag": true}' FROM generate_series(1, 20) AS n"""


def said(platform: ContractDatabase, server: Redis) -> tuple[list[str], dict[str, str]]:
    """What is not ok about the words, or said to be right, and how it is mended."""
    _, lines = report(platform.reader_dsn, server.url())
    about = [line for line in lines if "decision_word" in line and not line.startswith("mend: ")]
    return about, {fault: mend for fault, mend in mends(lines).items() if fault in about}


@pytest.mark.usefixtures("keys")
def test_a_platform_without_them_misses_nothing(platform: ContractDatabase, redis_server: Redis) -> None:
    assert said(platform, redis_server) == ([], {})


@pytest.mark.usefixtures("keys")
def test_several_words_for_one_decision(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(MORE, platform.name)
    with_own_words(
        platform,
        "CASE decision WHEN 'APPROVED' THEN 'accept' WHEN 'BLOCKED' THEN 'reject'"
        " ELSE CASE WHEN transaction_id < 'm' THEN 'challenge' ELSE 'manual' END END",
    )
    (kind, words), _ = said(platform, redis_server)
    assert kind == "ok fraud_predictions.decision_word text"
    assert words == (
        "ok fraud_predictions.decision_word by decision"
        " 'manual' REVIEW, 'accept' APPROVED, 'challenge' REVIEW, 'reject' BLOCKED"
    )


@pytest.mark.usefixtures("keys")
def test_a_word_for_two_decisions_is_wrong(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(MORE, platform.name)
    with_own_words(platform, "CASE decision WHEN 'APPROVED' THEN 'accept' ELSE 'held' END")
    (_, fault), mended = said(platform, redis_server)
    assert fault == "WRONG fraud_predictions.decision_word 'held' is REVIEW in 21 rows and BLOCKED in 1 rows"
    assert "each word has one decision" in mended[fault]


@pytest.mark.usefixtures("keys")
def test_reasons_instead_of_words(platform: ContractDatabase, redis_server: Redis) -> None:
    platform.server.execute(MORE, platform.name)
    with_own_words(platform, "transaction_id || repeat(' because', 20)")
    (_, many, long, _), mended = said(platform, redis_server)
    assert many == "warning fraud_predictions.decision_word 23 words; the scatter tells the 12 most frequent apart"
    assert long == "warning fraud_predictions.decision_word up to 163 characters long; the first 40 are shown"
    assert set(mended) == {many, long}


@pytest.mark.usefixtures("keys")
def test_of_another_type(platform: ContractDatabase, redis_server: Redis) -> None:
    with_own_words(platform, "length(decision)")
    status, lines = report(platform.reader_dsn, redis_server.url())
    (fault,) = faults(lines[:-1])
    assert (status, fault) == (1, "WRONG fraud_predictions.decision_word is integer, must be text")
    assert mends(lines)[fault].startswith("in the view: decision_word::text AS decision_word")
