-- The demo platform's own tables, and the model to copy: indexes and partitions that keep every query
-- of the exporter an index range scan. A real platform has its own tables and skips this file.

CREATE SCHEMA IF NOT EXISTS platform;

-- One row a scored transaction. Daily partitions: retention drops a table instead of deleting rows, and a
-- query for the last minutes opens one partition. No DEFAULT partition: it would spoil ordered scans.
CREATE TABLE IF NOT EXISTS platform.fraud_predictions (
    predicted_at   timestamptz NOT NULL,
    transaction_id text        NOT NULL,
    fraud_score    float8,
    decision       text,
    top_feature    text,
    model_version  text,
    wallet         text,
    source_ip      inet,
    features       jsonb
) PARTITION BY RANGE (predicted_at);

-- Counts by decision and score over any window, from the index alone.
CREATE INDEX IF NOT EXISTS fraud_predictions_predicted_at
    ON platform.fraud_predictions (predicted_at) INCLUDE (decision, fraud_score);
-- The feed of high-risk transactions; the predicate must be repeated literally by the query.
CREATE INDEX IF NOT EXISTS fraud_predictions_feed
    ON platform.fraud_predictions (predicted_at DESC)
    WHERE fraud_score > 0.65 OR decision <> 'APPROVED';
CREATE INDEX IF NOT EXISTS fraud_predictions_transaction_id
    ON platform.fraud_predictions (transaction_id);

-- What reviewers and chargebacks found out later; at most one row a transaction, updated when the verdict
-- changes. The decision is copied here so that the confusion matrix needs no join. Not partitioned: labels
-- arrive for predictions of any age, and are found by the time they were given.
CREATE TABLE IF NOT EXISTS platform.fraud_labels (
    transaction_id text PRIMARY KEY,
    predicted_at   timestamptz NOT NULL,
    decision       text,
    is_fraud       boolean,
    labeled_at     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS fraud_labels_predicted_at
    ON platform.fraud_labels (predicted_at) INCLUDE (decision, is_fraud);
CREATE INDEX IF NOT EXISTS fraud_labels_labeled_at
    ON platform.fraud_labels (labeled_at) INCLUDE (predicted_at);

CREATE TABLE IF NOT EXISTS platform.transactions (
    occurred_at      timestamptz NOT NULL,
    transaction_id   text        NOT NULL,
    kind             text        NOT NULL,
    amount_usd       numeric(12, 2),
    platform_fee_usd numeric(12, 2)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX IF NOT EXISTS transactions_occurred_at
    ON platform.transactions (occurred_at) INCLUDE (kind, amount_usd, platform_fee_usd);

CREATE TABLE IF NOT EXISTS platform.model_versions (
    model_version      text PRIMARY KEY,
    trained_at         timestamptz NOT NULL,
    is_active          boolean     NOT NULL DEFAULT false,
    baseline_precision float8,
    baseline_recall    float8,
    baseline_f1        float8,
    review_threshold   float8,
    block_threshold    float8,
    next_retraining_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS model_versions_one_active
    ON platform.model_versions (is_active) WHERE is_active;

-- The training distribution of each feature. The cuts are computed once, at training, and stored.
CREATE TABLE IF NOT EXISTS platform.feature_reference (
    model_version text     NOT NULL REFERENCES platform.model_versions,
    feature       text     NOT NULL,
    kind          text     NOT NULL CHECK (kind IN ('numeric', 'boolean', 'categorical')),
    cuts          float8[],
    categories    text[],
    ref_counts    bigint[] NOT NULL,
    PRIMARY KEY (model_version, feature)
);

CREATE SEQUENCE IF NOT EXISTS platform.security_event_id;
CREATE TABLE IF NOT EXISTS platform.security_events (
    occurred_at    timestamptz NOT NULL,
    event_id       bigint      NOT NULL DEFAULT nextval('platform.security_event_id'),
    severity       text        NOT NULL,
    event_type     text        NOT NULL,
    message        text        NOT NULL,
    account        text,
    source_ip      inet,
    correlation_id uuid
) PARTITION BY RANGE (occurred_at);
CREATE INDEX IF NOT EXISTS security_events_occurred_at
    ON platform.security_events (occurred_at) INCLUDE (severity, event_type, account);
-- What the responder did, among everything else: the dashboard lists and marks it.
CREATE INDEX IF NOT EXISTS security_events_correlated
    ON platform.security_events (occurred_at DESC)
    WHERE correlation_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS platform.event_launches (
    event_id  text PRIMARY KEY,
    name      text        NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS event_launches_ends_at ON platform.event_launches (ends_at, starts_at);

-- What the functions of the contract act upon.
CREATE TABLE IF NOT EXISTS platform.admin_accounts (
    account        text PRIMARY KEY,
    locked_at      timestamptz,
    locked_reason  text,
    correlation_id uuid
);
CREATE TABLE IF NOT EXISTS platform.threat_indicators (
    source_ip      inet        NOT NULL,
    reason         text        NOT NULL,
    correlation_id uuid        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_ip, correlation_id)
);
CREATE TABLE IF NOT EXISTS platform.retraining_requests (
    correlation_id uuid PRIMARY KEY,
    reason         text        NOT NULL,
    due_by         timestamptz NOT NULL,
    requested_at   timestamptz NOT NULL DEFAULT now()
);

-- Creates the daily partitions of the given days (both included, UTC) that are not there yet.
CREATE OR REPLACE FUNCTION platform.create_partitions(first_day date, last_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    parent    text;
    day       date;
    partition text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['fraud_predictions', 'transactions', 'security_events'] LOOP
        FOR day IN SELECT first_day + n FROM generate_series(0, last_day - first_day) AS n LOOP
            partition := parent || to_char(day, '_YYYYMMDD');
            IF to_regclass('platform.' || partition) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE platform.%I PARTITION OF platform.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, parent,
                    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
            END IF;
        END LOOP;
    END LOOP;
END
$$;

-- Retention: drops the daily partitions that end on or before the given day, and the labels of their predictions.
CREATE OR REPLACE FUNCTION platform.drop_partitions_before(first_kept_day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    partition text;
BEGIN
    FOR partition IN
        SELECT child.relname
        FROM pg_inherits
        JOIN pg_class child ON child.oid = pg_inherits.inhrelid AND child.relkind = 'r'
        JOIN pg_class parent ON parent.oid = pg_inherits.inhparent
        WHERE parent.relnamespace = 'platform'::regnamespace
          AND parent.relname IN ('fraud_predictions', 'transactions', 'security_events')
          AND right(child.relname, 8) < to_char(first_kept_day, 'YYYYMMDD')
    LOOP
        EXECUTE format('DROP TABLE platform.%I', partition);
    END LOOP;
    DELETE FROM platform.fraud_labels WHERE predicted_at < first_kept_day::timestamp AT TIME ZONE 'UTC';
END
$$;
