-- A concert promoter in Berlin. What is unusual for the contract:
--   times without a zone, in local time with daylight saving
--   four decisions, as an enum
--   verdicts of reviewers in a table of their own, which leads to the score, not to the order
--   orders that were not paid, and refunds, in the same table; prices in euros
--   one log for customers and staff
CREATE SCHEMA kasse;

CREATE TYPE kasse.entscheidung AS ENUM ('accept', 'challenge', 'manual_review', 'reject');

CREATE TABLE kasse.risk_checks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   bigint       NOT NULL,
    checked_at timestamp    NOT NULL,      -- Europe/Berlin
    risk_score numeric(5,4) NOT NULL,      -- 0 to 1
    verdict    kasse.entscheidung,
    reason     varchar(80),
    model      varchar(20)  NOT NULL,
    client_ip  inet,
    signals    jsonb        NOT NULL
);
CREATE INDEX ON kasse.risk_checks (checked_at);

CREATE TABLE kasse.reviews (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_id    bigint      NOT NULL UNIQUE REFERENCES kasse.risk_checks,
    outcome     varchar(20) NOT NULL,      -- fraud, legit, open
    reviewed_at timestamp   NOT NULL,
    reviewer    varchar(40)
);

CREATE TABLE kasse.orders (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamp      NOT NULL,
    type       varchar(20)    NOT NULL,    -- sale, gift, refund
    status     varchar(20)    NOT NULL,    -- paid, pending, cancelled
    total_eur  numeric(10, 2) NOT NULL,
    fee_eur    numeric(10, 2) NOT NULL
);

CREATE TABLE kasse.models (
    name        varchar(20) PRIMARY KEY,
    trained_at  timestamp   NOT NULL,
    stage       varchar(20) NOT NULL,      -- production, shadow, retired
    "precision" real,
    recall      real,
    review_from real,
    reject_from real
);

CREATE TABLE kasse.event_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    logged_at  timestamp   NOT NULL,
    level      varchar(10) NOT NULL,       -- fatal, error, warning, info
    event      varchar(40) NOT NULL,
    actor_type varchar(10) NOT NULL,       -- staff, customer
    username   varchar(60),
    ip         inet,
    text       text
);
CREATE INDEX ON kasse.event_log (logged_at);

CREATE TABLE kasse.presales (
    id             integer PRIMARY KEY,
    title          varchar(80) NOT NULL,
    sale_starts_at timestamp   NOT NULL,
    sale_ends_at   timestamp   NOT NULL
);
