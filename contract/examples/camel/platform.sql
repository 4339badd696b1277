-- A platform whose tables an object-relational mapper made. What is unusual for the contract:
--   names that have to be quoted
--   times as milliseconds since 1970, and without a zone in New York's
--   scores of 0 to 100; features as JSON in a string; verdicts in the table of scores
--   whole numbers of cents, which no name tells
--   failed sign-ins of administrators in a log of theirs; the password's and the second factor's outcome in a flag
--   no table of models, and no launches
CREATE SCHEMA "App";

CREATE TABLE "App"."FraudScore" (
    "id"             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "orderId"        uuid     NOT NULL,
    "scoredAt"       bigint   NOT NULL,     -- milliseconds
    "riskScore"      smallint NOT NULL,     -- 0 to 100
    "Decision"       text     NOT NULL,     -- ALLOW, HOLD, DENY
    "walletAddress"  text,
    "modelFeatures"  jsonb,                 -- a string that holds an object
    "confirmedFraud" boolean,
    "reviewedAt"     timestamp(3)           -- America/New_York
);
CREATE INDEX ON "App"."FraudScore" ("scoredAt");

CREATE TABLE "App"."Order" (
    "id"         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt"  timestamp(3) NOT NULL,     -- America/New_York
    "orderType"  text         NOT NULL,     -- BUY, SEND
    "totalPrice" integer      NOT NULL,     -- cents
    "serviceFee" integer      NOT NULL      -- cents
);

CREATE TABLE "App"."AdminAuditEntry" (
    "id"        bigserial PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL,
    "priority"  text         NOT NULL,      -- P1 to P4
    "eventName" text         NOT NULL,      -- signIn, secondFactor, export
    "success"   boolean      NOT NULL,
    "login"     text         NOT NULL,
    "message"   text
);
