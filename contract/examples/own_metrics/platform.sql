-- Tables that the examples are written over. Yours have other names: the views are where that is said.
CREATE SCHEMA shop;

CREATE TABLE shop.refunds (
    refunded_at  timestamptz NOT NULL,
    reason       text,
    amount_cents bigint NOT NULL
);
CREATE TABLE shop.payments (
    attempted_at timestamptz NOT NULL,
    provider     text NOT NULL,
    status       text NOT NULL,             -- paid, declined, error
    seconds      double precision           -- until the provider answered
);
CREATE TABLE shop.reservations (
    id         bigint PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    paid_at    timestamptz
);
CREATE TABLE shop.waiting (
    event text NOT NULL,
    email text NOT NULL
);
CREATE TABLE shop.scans (
    scanned_at timestamptz NOT NULL,
    gate       text NOT NULL,
    accepted   boolean NOT NULL
);
CREATE TABLE shop.orders (
    paid_at     timestamptz NOT NULL,
    currency    text NOT NULL,
    total_cents bigint NOT NULL
);
CREATE TABLE shop.events (
    name     text PRIMARY KEY,
    capacity integer NOT NULL,
    sold     integer NOT NULL
);
