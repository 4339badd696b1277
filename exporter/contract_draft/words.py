"""What platforms call things: plain tables, to be read and extended. Words are compared in lower case, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contract.definition import APPROVED, BLOCKED, PURCHASE, REVIEW, SEVERITIES, TRANSFER
from exporter.contract_draft.text import tokens

CRITICAL, HIGH, MEDIUM, LOW = SEVERITIES

Table = Mapping[str, str]
"""What words mean."""


def _table(**meanings: str) -> Table:
    return {word: meaning for meaning, many in meanings.items() for word in many.split()}


def _set(many: str) -> frozenset[str]:
    return frozenset(many.split())


DECISIONS: Table = _table(
    **{
        APPROVED: "approved approve allow allowed accept accepted ok okay pass passed clear cleared legit good green "
        "auto",
        REVIEW: "review manual hold held challenge challenged 3ds stepup step queue queued refer referred escalate "
        "escalated flag flagged suspicious amber yellow pending inspect verify check",
        BLOCKED: "blocked block decline declined deny denied reject rejected refuse refused drop dropped ban banned "
        "stop stopped red fraud kill",
    }
)
SEVERITY: Table = _table(
    **{
        CRITICAL: "critical crit fatal emergency emerg alert severe panic p1 sev1",
        HIGH: "high error err major p2 sev2",
        MEDIUM: "medium med moderate warning warn p3 sev3",
        LOW: "low info information informational notice debug trace minor none p4 p5 sev4 sev5",
    }
)
KINDS: Table = _table(
    **{
        PURCHASE: "purchase sale sold buy bought order primary resale resell secondary checkout mint",
        TRANSFER: "transfer gift send sent airdrop giveaway move donation",
    }
)
NO_SALES = _set("refund refunded chargeback void reversal payout fee adjustment withdrawal deposit topup")
"""Kinds that are neither."""
LABELS: Mapping[str, bool] = {
    **dict.fromkeys(_set("fraud fraudulent confirmed chargeback true positive bad yes guilty scam stolen"), True),
    **dict.fromkeys(_set("legit legitimate genuine ok good false negative no clean cleared dismissed won"), False),
}
NO_LABEL_YET = _set("pending open unknown inconclusive unclear none review waiting new")
PAID = _set(
    "paid completed complete success successful succeeded settled confirmed captured fulfilled "
    "finished done ok delivered minted executed"
)
"""States of a transaction that took place."""
UNPAID = _set(
    "failed failure pending cancelled canceled cancel expired declined void voided open new created "
    "processing reserved authorized authorised abandoned error rejected refused draft refunded refund "
    "chargeback initiated waiting unpaid timeout"
)
"""States of one that did not, or not yet, or no more."""
ACTIVE = _set("active live production prod current serving champion deployed enabled")
"""States of the model that decides."""
ADMINISTRATORS = _set(
    "admin administrator staff operator superuser root employee backoffice internal superadmin owner support moderator"
)
"""Roles of people who administer, as against customers."""
FAILED = _set("failed fail failure denied deny rejected reject invalid wrong error bad refused unsuccessful incorrect")
SECOND_FACTOR = _set("mfa 2fa otp totp factor twofactor webauthn fido")
SIGN_IN = _set("login signin logon auth authentication password session sign log")
OTHER_TABLES: Mapping[str, float] = {
    **dict.fromkeys(_set("backup bak old archive archived tmp temp test staging stage copy draft deleted"), 8.0),
    **dict.fromkeys(
        _set(
            "item line history user customer account session migration setting config template summary daily "
            "hourly report stat statistic queue job webhook outbox"
        ),
        4.0,
    ),
}
"""Words in the names of tables that are mostly not what is looked for, with what they cost."""
CURRENCIES = _set(
    "usd eur gbp chf jpy cad aud nzd sek nok dkk pln czk huf brl mxn inr sgd hkd krw zar aed try cny "
    "eth weth matic pol usdc usdt btc sol"
)
CENTS = _set("cent cents minor penny pence pennies")
WEI = {"wei": 10**18, "gwei": 10**9}
LIKE_USD = {"usd", "usdc", "usdt"}
"""Currencies that count as dollars."""


MOST_PARTS = 4


def meaning(table: Table, word: str) -> str | None:
    """What a word means: as a whole, else by its parts when they agree, else by the last of them."""
    parts = tokens(word)
    whole = "".join(parts)
    if whole in table:
        return table[whole]
    known = [table[part] for part in parts if part in table]
    # A sentence is no word.
    return known[-1] if known and len(parts) <= MOST_PARTS else None


def one_of(known: frozenset[str], word: str) -> bool:
    """Whether a word, or a part of it, is among these."""
    parts = {*tokens(word), word.lower()}
    return "".join(tokens(word)) in known or not known.isdisjoint(parts)


def label(word: str) -> bool | None:
    """Whether a verdict says fraud; None when it says neither."""
    parts = tokens(word)
    if parts[:1] in (("true",), ("false",)):
        return parts[0] == "true"
    if not NO_LABEL_YET.isdisjoint(parts) or {"not", "no", "non"} & set(parts[:-1]):
        # "not fraud" is none.
        return False if {"not", "no", "non"} & set(parts) and "fraud" in parts else None
    found = {LABELS[part] for part in (*parts, "".join(parts)) if part in LABELS}
    return found.pop() if len(found) == 1 else (True if found and "fraud" in parts and "false" not in parts else None)


def sign_in_failed(word: str) -> bool:
    """Whether an event's type, by itself, says that a sign-in failed."""
    return one_of(FAILED, word) and (one_of(SECOND_FACTOR, word) or one_of(SIGN_IN, word))


def _known(table: Table) -> Callable[[str], bool]:
    return lambda word: meaning(table, word) is not None


BY_ROLE: Mapping[tuple[str, str], Callable[[str], bool]] = {
    ("fraud_predictions", "decision"): _known(DECISIONS),
    ("fraud_labels", "is_fraud"): lambda word: label(word) is not None or one_of(NO_LABEL_YET, word),
    ("transactions", "kind"): lambda word: meaning(KINDS, word) is not None or one_of(NO_SALES, word),
    ("transactions", "currency"): lambda word: word.lower() in CURRENCIES,
    ("transactions", "status"): lambda word: one_of(PAID, word) or one_of(UNPAID, word),
    ("model_versions", "state"): lambda word: one_of(ACTIVE, word) or word.lower() in ("retired", "shadow", "archived"),
    ("security_events", "severity"): _known(SEVERITY),
    ("security_events", "role"): lambda word: (
        one_of(ADMINISTRATORS, word) or word.lower() in ("customer", "user", "fan")
    ),
    ("security_events", "outcome"): lambda word: one_of(FAILED | PAID, word),
}
"""Whether a word is one that columns with such a role hold."""
