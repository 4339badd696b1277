"""What the columns of each view may be called in a platform's tables: plain tables, to be read and extended.

Names are compared word by word (`buyerWallet`, `buyer_wallet` and `BUYER_WALLETS` are the same), the earlier in a
list the better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TIME, NUMBER, AMOUNT, WORD = "time", "number", "amount", "word"
FLAG, IDENTITY, ADDRESS, OBJECT, LENGTH = "flag", "identity", "address", "object", "length"
"""What kind of column may play a role; see `matching.fits`."""


@dataclass(frozen=True)
class Role:
    """What a column is in a view.

    Attributes:
        names: that such a column may have.
        kinds: that it may be.
        weight: how much it tells that a table is this view.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class ViewRoles:
    """How a view is recognised.

    Attributes:
        table: words in the names of such tables, with what each is worth.
        roles: by name; some are columns of the view, others help to make one.
        needed: of each of these groups at least one role must be played.
    """

    table: Mapping[str, float]
    roles: Mapping[str, Role]
    needed: tuple[tuple[str, ...], ...]


def _role(names: str, *kinds: str, weight: float = 1.0) -> Role:
    return Role(tuple(names.split()), kinds, weight)


_ADDRESS = _role("source_ip client_ip ip_address ip buyer_ip remote_addr remote_address peer_ip", ADDRESS)
_MODEL = _role("model_version model model_name model_id scorer engine_version ruleset", WORD, IDENTITY)
_SUBJECT = (
    "transaction_id txn_id tx_id order_id order_ref order_reference purchase_id payment_id checkout_id ticket_order_id "
    "order_uuid transaction order reference ref external_id subject_id"
)

ROLES: Mapping[str, ViewRoles] = {
    "fraud_predictions": ViewRoles(
        {
            "fraud": 8,
            "prediction": 6,
            "score": 6,
            "scoring": 8,
            "risk": 8,
            "assessment": 6,
            "screening": 6,
            "check": 3,
            "decision": 4,
            "verdict": 3,
            "inference": 6,
            "evaluation": 4,
            "antifraud": 8,
            "log": 1,
        },
        {
            "timestamp": _role(
                "predicted_at scored_at assessed_at decided_at evaluated_at screened_at checked_at timestamp "
                "occurred_at event_time created_at inserted_at created time ts at created_on date",
                TIME,
            ),
            "fraud_score": _role(
                "fraud_score risk_score score risk fraud_probability probability prob risk_points", NUMBER, weight=2
            ),
            "decision": _role(
                "decision verdict outcome disposition recommendation result action status", WORD, weight=2
            ),
            "transaction_id": _role(_SUBJECT + " id", IDENTITY, WORD),
            "top_feature": _role("top_feature top_reason main_reason reason_code reason explanation", WORD, weight=0.5),
            "model_version": _MODEL,
            "wallet": _role("wallet wallet_address buyer_wallet wallet_id from_address", WORD, weight=0.5),
            "source_ip": _ADDRESS,
            "features": _role(
                "features feature_vector inputs signals attributes model_input payload", OBJECT, weight=2
            ),
        },
        (("timestamp",), ("fraud_score", "decision")),
    ),
    "fraud_labels": ViewRoles(
        {
            "label": 8,
            "review": 5,
            "chargeback": 8,
            "dispute": 8,
            "verdict": 5,
            "feedback": 4,
            "outcome": 4,
            "fraud": 3,
            "case": 3,
            "investigation": 5,
        },
        {
            "is_fraud": _role(
                "is_fraud fraud confirmed_fraud fraudulent label verdict outcome resolution finding conclusion",
                FLAG,
                WORD,
                weight=3,
            ),
            "labeled_at": _role(
                "labeled_at labelled_at reviewed_at resolved_at decided_at closed_at updated_at created_at timestamp "
                "at",
                TIME,
                weight=1.5,
            ),
            "transaction_id": _role(_SUBJECT + " score_id prediction_id scoring_id assessment_id id", IDENTITY, WORD),
            "predicted_at": _role("predicted_at scored_at assessed_at", TIME),
            "decision": _role("decision original_decision model_decision", WORD),
        },
        (("is_fraud",), ("labeled_at",), ("transaction_id",)),
    ),
    "transactions": ViewRoles(
        {
            "transaction": 8,
            "order": 8,
            "payment": 6,
            "purchase": 8,
            "sale": 8,
            "checkout": 4,
            "ticket": 2,
            "invoice": 3,
        },
        {
            "timestamp": _role(
                "timestamp occurred_at purchased_at placed_at ordered_at sold_at completed_at executed_at event_time "
                "created_at created inserted_at paid_at time ts at created_on booked_at date",
                TIME,
            ),
            "amount_usd": _role(
                "amount_usd price_usd total_usd amount total_amount price total gross amount_cents price_cents "
                "total_cents total_price gross_amount amount_minor value sum",
                AMOUNT,
                weight=3,
            ),
            "platform_fee_usd": _role(
                "platform_fee_usd fee_usd platform_fee service_fee fee fee_cents commission booking_fee fee_minor",
                AMOUNT,
            ),
            "transaction_id": _role("id uuid " + _SUBJECT, IDENTITY, WORD, weight=0.5),
            "kind": _role("kind type order_type transaction_type txn_type tx_type category operation", WORD),
            "currency": _role("currency currency_code ccy", WORD, weight=1.5),
            "status": _role("status state payment_status order_status", WORD),
        },
        (("timestamp",), ("amount_usd",)),
    ),
    "model_versions": ViewRoles(
        {"model": 8, "version": 2, "classifier": 6, "registry": 3},
        {
            "model_version": _role("model_version version name model_name tag model id", WORD, IDENTITY, weight=1.5),
            "trained_at": _role("trained_at trained_on training_date trained fitted_at created_at deployed_at", TIME),
            "is_active": _role(
                "is_active active is_live live in_use deployed is_deployed enabled is_current current", FLAG, weight=2
            ),
            "state": _role("status state stage", WORD, weight=1.5),
            "baseline_precision": _role("baseline_precision test_precision precision val_precision", NUMBER, weight=2),
            "baseline_recall": _role("baseline_recall test_recall recall val_recall", NUMBER, weight=2),
            "baseline_f1": _role("baseline_f1 test_f1 f1 f1_score", NUMBER),
            "review_threshold": _role(
                "review_threshold manual_from review_from manual_threshold review_score challenge_from hold_from",
                NUMBER,
            ),
            "block_threshold": _role(
                "block_threshold decline_from block_from reject_from deny_from decline_threshold reject_threshold "
                "deny_threshold threshold cutoff",
                NUMBER,
            ),
            "next_retraining_at": _role(
                "next_retraining_at next_retraining retrain_at next_training_at retraining_due", TIME
            ),
        },
        (("model_version",), ("is_active", "state")),
    ),
    "feature_reference": ViewRoles(
        {"feature": 4, "reference": 4, "distribution": 6, "baseline": 3},
        {
            "model_version": _MODEL,
            "feature": _role("feature", WORD),
            "kind": _role("kind", WORD),
            "cuts": _role("cuts", "float8[]", weight=3),
            "categories": _role("categories", "text[]"),
            "ref_counts": _role("ref_counts", "bigint[]", weight=3),
        },
        (("model_version",), ("feature",), ("kind",), ("cuts",), ("ref_counts",)),
    ),
    "security_events": ViewRoles(
        {
            "security": 8,
            "audit": 8,
            "auth": 6,
            "event": 1,
            "log": 2,
            "incident": 4,
            "trail": 3,
            "access": 4,
            "login": 4,
            "signin": 4,
            "siem": 6,
        },
        {
            "timestamp": _role(
                "timestamp occurred_at event_time logged_at happened_at created_at at time ts created inserted_at date",
                TIME,
            ),
            "event_id": _role("event_id id log_id entry_id uuid", IDENTITY, weight=0.5),
            "severity": _role("severity level priority criticality importance", WORD, NUMBER, weight=2),
            "event_type": _role("event_type action event type event_name kind category name operation", WORD, weight=2),
            "message": _role("message details description msg detail text summary note", WORD, OBJECT, weight=0.5),
            "account": _role(
                "account actor username user_name user login admin_name email admin subject principal "
                "user_email actor_email actor_name user_id actor_id account_id admin_id",
                WORD,
                IDENTITY,
            ),
            "source_ip": _ADDRESS,
            "correlation_id": _role("correlation_id incident_id", "uuid", weight=0.5),
            "administrator": _role("is_admin admin is_staff staff by_admin is_operator", FLAG, weight=0.5),
            "role": _role(
                "role actor_role user_role actor_type user_type account_type realm scope audience", WORD, weight=0.5
            ),
            "success": _role("success succeeded successful is_success ok passed", FLAG, weight=0.5),
            "outcome": _role("outcome result status", WORD, weight=0.5),
        },
        (("timestamp",), ("event_type",)),
    ),
    "event_launches": ViewRoles(
        {
            "launch": 8,
            "drop": 8,
            "onsale": 8,
            "presale": 6,
            "event": 3,
            "release": 4,
            "sale": 2,
            "concert": 4,
            "show": 3,
        },
        {
            "starts_at": _role(
                "starts_at launch_at onsale_at on_sale_at sale_starts_at sale_start opens_at opens start_time start_at "
                "begins_at sales_open starts start",
                TIME,
                weight=3,
            ),
            "ends_at": _role(
                "ends_at sale_ends_at sale_end closes_at end_time end_at finishes_at sales_close ends end", TIME
            ),
            "duration": _role("duration lasts length duration_minutes duration_hours window_minutes", LENGTH, NUMBER),
            "event_id": _role("event_id drop_id launch_id id uuid slug", IDENTITY, WORD, weight=0.5),
            "name": _role("name title event_name headline", WORD),
        },
        (("starts_at",), ("event_id",), ("name", "ends_at", "duration")),
    ),
}
