-- The seam: everything reads these views and nothing else. To adapt another platform, edit the right-hand
-- sides; names, types and meanings on the left are the contract (see contract/README.md).

CREATE SCHEMA IF NOT EXISTS monitoring;

CREATE OR REPLACE VIEW monitoring.fraud_predictions AS
SELECT predicted_at           AS "timestamp",
       transaction_id,
       fraud_score,
       decision,
       top_feature,
       model_version,
       wallet,
       host(source_ip)        AS source_ip,
       features
FROM platform.fraud_predictions;

CREATE OR REPLACE VIEW monitoring.fraud_labels AS
SELECT transaction_id, predicted_at, decision, is_fraud, labeled_at
FROM platform.fraud_labels;

CREATE OR REPLACE VIEW monitoring.transactions AS
SELECT occurred_at AS "timestamp", transaction_id, kind, amount_usd, platform_fee_usd
FROM platform.transactions;

CREATE OR REPLACE VIEW monitoring.model_versions AS
SELECT model_version, trained_at, is_active, baseline_precision, baseline_recall, baseline_f1,
       review_threshold, block_threshold, next_retraining_at
FROM platform.model_versions;

CREATE OR REPLACE VIEW monitoring.feature_reference AS
SELECT model_version, feature, kind, cuts, categories, ref_counts
FROM platform.feature_reference;

CREATE OR REPLACE VIEW monitoring.security_events AS
SELECT occurred_at AS "timestamp", event_id, severity, event_type, message, account,
       host(source_ip) AS source_ip, correlation_id
FROM platform.security_events;

CREATE OR REPLACE VIEW monitoring.event_launches AS
SELECT event_id, name, starts_at, ends_at
FROM platform.event_launches;

-- Views run with the rights of their owner, so the reader needs none on the platform's tables.
GRANT USAGE ON SCHEMA monitoring TO monitoring_reader;
GRANT SELECT ON monitoring.fraud_predictions, monitoring.fraud_labels, monitoring.transactions,
    monitoring.model_versions, monitoring.feature_reference, monitoring.security_events,
    monitoring.event_launches TO monitoring_reader;
