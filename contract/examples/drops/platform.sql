-- A marketplace for drops. What is unusual for the contract:
--   no fraud model at all, and no Redis
--   UUIDs for keys; payments partitioned by month
--   several currencies, amounts in cents and pence
--   an enum of severities; who is an administrator stands in the table of users
--   launches that have no end
CREATE SCHEMA market;
CREATE SCHEMA auth;

CREATE TABLE auth.users (
    id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    role  text NOT NULL CHECK (role IN ('customer', 'creator', 'admin'))
);

CREATE TABLE market.payments (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    kind         text        NOT NULL CHECK (kind IN ('primary_sale', 'resale', 'gift', 'payout')),
    state        text        NOT NULL CHECK (state IN ('initiated', 'settled', 'failed')),
    amount_minor bigint      NOT NULL,
    fee_minor    bigint      NOT NULL,
    currency     char(3)     NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX ON market.payments (created_at);

CREATE TYPE auth.alarm AS ENUM ('info', 'minor', 'major', 'severe');
CREATE TABLE auth.audit_trail (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    occurred_at timestamptz NOT NULL DEFAULT now(),
    severity    auth.alarm  NOT NULL,
    action      text        NOT NULL,
    result      text        NOT NULL CHECK (result IN ('ok', 'denied')),
    user_id     uuid        REFERENCES auth.users,
    actor_email text,
    remote_addr text,
    details     jsonb
);
CREATE INDEX ON auth.audit_trail (occurred_at);

CREATE TABLE market.drops (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    title     text        NOT NULL,
    launch_at timestamptz NOT NULL
);
