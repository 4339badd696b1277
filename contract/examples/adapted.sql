-- A worked example: a platform that differs from the contract in every way that is usual, and the views that make
-- it hold. Apply contract/postgresql/10-roles.sql, then a file like this one instead of 20-platform.sql and
-- 30-views.sql. What differs here:
--
--   other names of schema, tables and columns      shop.scoring_log, shop.orders, shop.audit_log, ...
--   timestamp without time zone, in UTC            expression indexes, see below
--   scores of 0 to 1000                            divided by 1000
--   other decision words                           allow, manual, decline
--   no top_feature, features in columns            NULL, and jsonb_build_object
--   money in cents                                 divided by 100
--   other kinds of transactions                    sale, resale, gift
--   severities in lower case, one more of them     upper(), and info as LOW
--   other event types                              those two that have a meaning are translated
--   no labels, no training distributions           empty views
--
-- Each condition that the exporter puts on a view reaches the table as a condition on the expression in the view.
-- So an index has to be on that expression, word for word as the view has it.

-- ---------------------------------------------------------------------------------------------------------------
-- The platform as it is. In reality this part exists already.

CREATE SCHEMA IF NOT EXISTS shop;

CREATE TABLE IF NOT EXISTS shop.scoring_log (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_ref       uuid      NOT NULL,
    scored_at       timestamp NOT NULL,  -- UTC
    risk            smallint,            -- 0 to 1000
    verdict         text,                -- allow, manual, decline
    model           text,
    buyer_wallet    text,
    buyer_ip        text,
    wallet_age_days float8,
    velocity_1h     integer
);
CREATE TABLE IF NOT EXISTS shop.orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    placed_at   timestamp NOT NULL,      -- UTC
    order_type  text      NOT NULL,      -- sale, resale, gift
    price_cents bigint    NOT NULL,
    fee_cents   bigint    NOT NULL
);
CREATE TABLE IF NOT EXISTS shop.audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    level   text        NOT NULL,        -- critical, high, medium, low, info
    action  text        NOT NULL,        -- login.denied, mfa.denied, ...
    details text,
    actor   text,
    ip      inet
);
CREATE TABLE IF NOT EXISTS shop.models (
    version        text PRIMARY KEY,
    trained_on     timestamp NOT NULL,   -- UTC
    live           boolean   NOT NULL,
    test_precision real,
    test_recall    real,
    manual_from    smallint,             -- risk from which an order is looked at
    decline_from   smallint              -- risk from which an order is declined
);
CREATE TABLE IF NOT EXISTS shop.drops (
    drop_id  integer PRIMARY KEY,
    title    text      NOT NULL,
    opens_at timestamp NOT NULL,         -- UTC
    lasts    interval  NOT NULL
);

-- ---------------------------------------------------------------------------------------------------------------
-- Indexes. On a live platform: CREATE INDEX CONCURRENTLY, one at a time, outside a transaction.

-- PostgreSQL reads a row from the index alone only when all columns it mentions are stored in it, so the bare
-- column of the expression is included, too.
CREATE INDEX IF NOT EXISTS scoring_log_monitoring
    ON shop.scoring_log ((scored_at AT TIME ZONE 'UTC')) INCLUDE (scored_at, verdict, risk);
-- The feed: its condition is `fraud_score > 0.65 OR decision <> 'APPROVED'`, in terms of the view below.
CREATE INDEX IF NOT EXISTS scoring_log_monitoring_feed
    ON shop.scoring_log ((scored_at AT TIME ZONE 'UTC') DESC)
    WHERE risk::float8 / 1000 > 0.65
       OR CASE verdict WHEN 'allow' THEN 'APPROVED' WHEN 'manual' THEN 'REVIEW' WHEN 'decline' THEN 'BLOCKED'
          ELSE verdict END <> 'APPROVED';
CREATE INDEX IF NOT EXISTS orders_monitoring
    ON shop.orders ((placed_at AT TIME ZONE 'UTC')) INCLUDE (placed_at, order_type, price_cents, fee_cents);
CREATE INDEX IF NOT EXISTS audit_log_monitoring
    ON shop.audit_log (at) INCLUDE (level, action, actor);
-- The planner guesses badly what an expression yields until it has statistics on it.
ANALYZE shop.scoring_log, shop.orders, shop.audit_log;

-- ---------------------------------------------------------------------------------------------------------------
-- The contract over it.

CREATE SCHEMA IF NOT EXISTS monitoring;

CREATE OR REPLACE VIEW monitoring.fraud_predictions AS
SELECT scored_at AT TIME ZONE 'UTC' AS "timestamp",
       order_ref::text              AS transaction_id,
       risk::float8 / 1000          AS fraud_score,
       -- An unknown word passes through: --contract.check then names it, and it is counted as UNKNOWN.
       CASE verdict WHEN 'allow' THEN 'APPROVED' WHEN 'manual' THEN 'REVIEW' WHEN 'decline' THEN 'BLOCKED'
            ELSE verdict END        AS decision,
       NULL::text                   AS top_feature,
       model                        AS model_version,
       buyer_wallet                 AS wallet,
       buyer_ip                     AS source_ip,
       jsonb_build_object('wallet_age_days', wallet_age_days, 'txn_velocity_1h', velocity_1h) AS features,
       verdict                      AS decision_word    -- optional: shown in its place
FROM shop.scoring_log;

-- Nobody reviews decisions here: no rows, so all predictions count as unlabelled, and precision and recall, which
-- are ratios of labelled ones, stay absent.
CREATE OR REPLACE VIEW monitoring.fraud_labels AS
SELECT NULL::text AS transaction_id, NULL::timestamptz AS predicted_at, NULL::text AS decision,
       NULL::boolean AS is_fraud, NULL::timestamptz AS labeled_at
WHERE false;

CREATE OR REPLACE VIEW monitoring.transactions AS
SELECT placed_at AT TIME ZONE 'UTC' AS "timestamp",
       id::text                     AS transaction_id,
       CASE order_type WHEN 'sale' THEN 'purchase' WHEN 'resale' THEN 'purchase' WHEN 'gift' THEN 'transfer'
            ELSE order_type END     AS kind,
       price_cents / 100.0          AS amount_usd,
       fee_cents / 100.0            AS platform_fee_usd
FROM shop.orders;

CREATE OR REPLACE VIEW monitoring.model_versions AS
SELECT version                           AS model_version,
       trained_on AT TIME ZONE 'UTC'     AS trained_at,
       live                              AS is_active,
       test_precision::float8            AS baseline_precision,
       test_recall::float8               AS baseline_recall,
       2 * test_precision::float8 * test_recall / nullif(test_precision + test_recall, 0) AS baseline_f1,
       manual_from::float8 / 1000        AS review_threshold,
       decline_from::float8 / 1000       AS block_threshold,
       NULL::timestamptz                 AS next_retraining_at
FROM shop.models;

-- Without training distributions there is no drift to compute; its series stay absent.
CREATE OR REPLACE VIEW monitoring.feature_reference AS
SELECT NULL::text AS model_version, NULL::text AS feature, NULL::text AS kind, NULL::float8[] AS cuts,
       NULL::text[] AS categories, NULL::bigint[] AS ref_counts
WHERE false;

CREATE OR REPLACE VIEW monitoring.security_events AS
SELECT at                          AS "timestamp",
       id                          AS event_id,
       CASE level WHEN 'info' THEN 'LOW' ELSE upper(level) END AS severity,
       -- These two are counted by account; all others are labels and nothing else.
       CASE action WHEN 'mfa.denied' THEN 'mfa_failed' WHEN 'login.denied' THEN 'login_failed'
            ELSE action END        AS event_type,
       coalesce(details, action)   AS message,
       actor                       AS account,
       host(ip)                    AS source_ip,
       NULL::uuid                  AS correlation_id
FROM shop.audit_log;

CREATE OR REPLACE VIEW monitoring.event_launches AS
SELECT drop_id::text                           AS event_id,
       title                                   AS name,
       opens_at AT TIME ZONE 'UTC'             AS starts_at,
       (opens_at + lasts) AT TIME ZONE 'UTC'   AS ends_at
FROM shop.drops;

GRANT USAGE ON SCHEMA monitoring TO monitoring_reader;
GRANT SELECT ON monitoring.fraud_predictions, monitoring.fraud_labels, monitoring.transactions,
    monitoring.model_versions, monitoring.feature_reference, monitoring.security_events,
    monitoring.event_launches TO monitoring_reader;

-- The functions of 40-functions.sql are needed by the responder alone; adapt their bodies in the same way. Until
-- they are there, --contract.check warns.
