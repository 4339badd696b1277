"""What platforms call things, as they would write it."""

from __future__ import annotations

import pytest

from contract.definition import APPROVED, BLOCKED, PURCHASE, REVIEW, SEVERITIES, TRANSFER
from exporter.contract_draft import words
from exporter.contract_draft.text import listed, literal, one_line, tokens

CRITICAL, HIGH, MEDIUM, LOW = SEVERITIES


@pytest.mark.parametrize(
    ("table", "word", "meaning"),
    [
        (words.DECISIONS, "ALLOW", APPROVED),
        (words.DECISIONS, "auto_approve", APPROVED),
        (words.DECISIONS, "3ds_challenge", REVIEW),
        (words.DECISIONS, "ManualReview", REVIEW),
        (words.DECISIONS, "step-up", REVIEW),
        (words.DECISIONS, "soft decline", BLOCKED),
        (words.DECISIONS, "grau", None),
        (words.DECISIONS, "", None),
        (words.DECISIONS, "we would allow this one if we could", None),
        (words.SEVERITY, "SEV-1", CRITICAL),
        (words.SEVERITY, "P2", HIGH),
        (words.SEVERITY, "Warning", MEDIUM),
        (words.SEVERITY, "debug", LOW),
        (words.KINDS, "primary_sale", PURCHASE),
        (words.KINDS, "GIFT", TRANSFER),
        (words.KINDS, "refund", None),
    ],
)
def test_meanings(table: words.Table, word: str, meaning: str | None) -> None:
    assert words.meaning(table, word) == meaning


@pytest.mark.parametrize(
    ("word", "fraud"),
    [
        ("fraud", True),
        ("CONFIRMED_FRAUD", True),
        ("true_positive", True),
        ("chargeback", True),
        ("false positive", False),
        ("not_fraud", False),
        ("legit", False),
        ("pending", None),
        ("under review", None),
        ("grau", None),
    ],
)
def test_verdicts(word: str, fraud: bool | None) -> None:
    assert words.label(word) is fraud


@pytest.mark.parametrize(
    ("word", "failed"),
    [
        ("login.denied", True),
        ("MFA_FAILED", True),
        ("signInFailed", True),
        ("invalid_otp", True),
        ("login", False),
        ("payment_failed", False),
        ("mfa_enrolled", False),
    ],
)
def test_failed_sign_ins(word: str, failed: bool) -> None:
    assert words.sign_in_failed(word) is failed


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("buyerWalletID", ("buyer", "wallet", "id")),
        ("BUYER_WALLETS", ("buyer", "wallet")),
        ("txn_velocity_1h", ("txn", "velocity", "1h")),
        ("categories", ("category",)),
        ("status", ("status",)),
        ("HTTPServer", ("http", "server")),
        ("ÄÖ", ()),
    ],
)
def test_names(name: str, parts: tuple[str, ...]) -> None:
    assert tokens(name) == parts


def test_text_stays_on_its_line() -> None:
    assert one_line("a\nb\r\x1b[31m`*/") == "a b [31m'* /"
    assert len(one_line("x" * 500)) == 60
    assert listed([str(n) for n in range(10)]) == "'0', '1', '2', '3', '4', '5', '6', '7' and 2 more"
    assert literal("it's") == "'it''s'"
    assert literal("a\\'b") == "E'a\\\\''b'"
