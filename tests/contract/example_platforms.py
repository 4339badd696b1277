"""The platforms of `contract/examples`: the lines of a draft that are edited, and what is true by their own tables."""

from __future__ import annotations

from tests.contract.drafting import Platform

_EDIT = "-- EDIT: US dollars for one"
FRAUD_VIEWS = ("fraud_predictions", "fraud_labels", "model_versions", "feature_reference")

BERLIN = Platform(
    name="berlin",
    edits={
        f"CROSS JOIN (VALUES (NULL::numeric)) AS rate (usd)  {_EDIT} EUR": "CROSS JOIN (VALUES (1.1)) AS rate (usd)",
    },
    absent=("feature_reference",),
    truth={
        "predictions": """
            SELECT checked_at AT TIME ZONE 'Europe/Berlin' AS at, risk_score AS score,
                   CASE WHEN verdict = 'accept' THEN 'APPROVED' WHEN verdict = 'reject' THEN 'BLOCKED' ELSE 'REVIEW' END
                       AS decision
            FROM kasse.risk_checks""",
        "labels": """
            SELECT c.checked_at AT TIME ZONE 'Europe/Berlin' AS at, c.verdict = 'reject' AS blocked,
                   r.outcome = 'fraud' AS fraud
            FROM kasse.reviews r JOIN kasse.risk_checks c ON c.id = r.check_id WHERE r.outcome <> 'open'""",
        "transactions": """
            SELECT created_at AT TIME ZONE 'Europe/Berlin' AS at,
                   CASE type WHEN 'sale' THEN 'purchase' WHEN 'gift' THEN 'transfer' END AS kind,
                   1.1 * (CASE type WHEN 'sale' THEN total_eur ELSE 0 END + fee_eur) AS usd
            FROM kasse.orders WHERE status = 'paid' AND type <> 'refund'""",
        "events": """
            SELECT logged_at AT TIME ZONE 'Europe/Berlin' AS at,
                   CASE level WHEN 'fatal' THEN 'CRITICAL' WHEN 'error' THEN 'HIGH' WHEN 'warning' THEN 'MEDIUM'
                              WHEN 'info' THEN 'LOW' END AS severity
            FROM kasse.event_log""",
        "failures": """
            SELECT logged_at AT TIME ZONE 'Europe/Berlin' AS at, username AS account,
                   CASE event WHEN 'otp_failed' THEN 'mfa' ELSE 'login' END AS factor
            FROM kasse.event_log WHERE event IN ('otp_failed', 'login_failed') AND actor_type = 'staff'""",
        "launches": """
            SELECT sale_starts_at AT TIME ZONE 'Europe/Berlin' AS starts,
                   sale_ends_at AT TIME ZONE 'Europe/Berlin' AS ends
            FROM kasse.presales""",
    },
    figures={
        ("fraud_threshold_ratio", "block"): 0.95,
        ("model_baseline_ratio", "precision"): 0.75,
        ("model_baseline_ratio", "recall"): 0.5,
        ("model_baseline_ratio", "f1"): 0.6,
        ("model_info", "wald-3"): 1,
    },
    decision_words={
        ("accept", "APPROVED"),
        ("challenge", "REVIEW"),
        ("manual_review", "REVIEW"),
        ("reject", "BLOCKED"),
    },
)
DROPS = Platform(
    name="drops",
    edits={
        f"('EUR', NULL::numeric),  {_EDIT} EUR": "    ('EUR', 1.1),",
        f"('GBP', NULL::numeric),  {_EDIT} GBP": "    ('GBP', 1.25),",
    },
    absent=FRAUD_VIEWS,
    truth={
        "transactions": """
            SELECT created_at AS at, CASE kind WHEN 'gift' THEN 'transfer' ELSE 'purchase' END AS kind,
                   (CASE kind WHEN 'gift' THEN 0 ELSE amount_minor END + fee_minor) / 100.0
                   * CASE currency WHEN 'EUR' THEN 1.1 WHEN 'GBP' THEN 1.25 ELSE 1 END AS usd
            FROM market.payments WHERE state = 'settled' AND kind <> 'payout'""",
        "events": """
            SELECT occurred_at AS at, CASE severity::text WHEN 'severe' THEN 'CRITICAL' WHEN 'major' THEN 'HIGH'
                                           ELSE 'LOW' END AS severity
            FROM auth.audit_trail""",
        "failures": """
            SELECT occurred_at AS at, actor_email AS account, action AS factor
            FROM auth.audit_trail JOIN auth.users u ON u.id = user_id
            WHERE action IN ('mfa', 'login') AND result = 'denied' AND u.role = 'admin'""",
        "launches": "SELECT launch_at AS starts, launch_at + interval '2 hours' AS ends FROM market.drops",
    },
)
CAMEL = Platform(
    name="camel",
    edits={},
    absent=("model_versions", "feature_reference", "event_launches"),
    truth={
        "predictions": """
            SELECT to_timestamp("scoredAt" / 1000.0) AS at, "riskScore" / 100.0 AS score,
                   CASE "Decision" WHEN 'ALLOW' THEN 'APPROVED' WHEN 'HOLD' THEN 'REVIEW' ELSE 'BLOCKED' END AS decision
            FROM "App"."FraudScore\"""",
        "labels": """
            SELECT to_timestamp("scoredAt" / 1000.0) AS at, "Decision" = 'DENY' AS blocked, "confirmedFraud" AS fraud
            FROM "App"."FraudScore" WHERE "confirmedFraud" IS NOT NULL""",
        "transactions": """
            SELECT "createdAt" AT TIME ZONE 'America/New_York' AS at,
                   CASE "orderType" WHEN 'BUY' THEN 'purchase' ELSE 'transfer' END AS kind,
                   (CASE "orderType" WHEN 'BUY' THEN "totalPrice" ELSE 0 END + "serviceFee") / 100.0 AS usd
            FROM "App"."Order\"""",
        "events": """
            SELECT "createdAt" AT TIME ZONE 'America/New_York' AS at,
                   (ARRAY['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'])[right(priority, 1)::int] AS severity
            FROM "App"."AdminAuditEntry\"""",
        "failures": """
            SELECT "createdAt" AT TIME ZONE 'America/New_York' AS at, login AS account,
                   CASE "eventName" WHEN 'signIn' THEN 'login' ELSE 'mfa' END AS factor
            FROM "App"."AdminAuditEntry" WHERE "eventName" IN ('signIn', 'secondFactor') AND NOT success""",
    },
    decision_words={("ALLOW", "APPROVED"), ("HOLD", "REVIEW"), ("DENY", "BLOCKED")},
)
PLATFORMS = (BERLIN, DROPS, CAMEL)
