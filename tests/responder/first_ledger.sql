-- The ledger as the first edition made it: its tables and their indexes, to be upgraded by what the contract has now.
CREATE TABLE IF NOT EXISTS monitoring.responder_incidents (
    correlation_id uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    playbook       text        NOT NULL,
    fingerprint    text        NOT NULL,
    alertname      text        NOT NULL,
    labels         jsonb       NOT NULL,
    annotations    jsonb       NOT NULL,
    requested_by   text        NOT NULL,
    state          text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'ending', 'closed')),
    starts_at      timestamptz NOT NULL,
    ended_at       timestamptz,
    opened_at      timestamptz NOT NULL DEFAULT now(),
    braked         boolean     NOT NULL DEFAULT false,
    last_firing_at timestamptz NOT NULL DEFAULT now(),
    closed_at      timestamptz,
    next_check_at  timestamptz,
    checked_at     timestamptz,
    clear_since    timestamptz,
    last_check     text,
    counted        boolean     NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX IF NOT EXISTS responder_incidents_one_open
    ON monitoring.responder_incidents (fingerprint, playbook) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS responder_incidents_opened_at
    ON monitoring.responder_incidents (opened_at);
CREATE INDEX IF NOT EXISTS responder_incidents_acted
    ON monitoring.responder_incidents (playbook, opened_at) WHERE NOT braked;
CREATE INDEX IF NOT EXISTS responder_incidents_uncounted
    ON monitoring.responder_incidents (correlation_id) WHERE NOT counted;
CREATE INDEX IF NOT EXISTS responder_incidents_closed_at
    ON monitoring.responder_incidents (fingerprint, playbook, closed_at);
CREATE INDEX IF NOT EXISTS responder_incidents_next_check_at
    ON monitoring.responder_incidents (next_check_at) WHERE state <> 'closed';

-- One row an action of an incident. `due_at` is when somebody has to look at it next, whatever its state: the next
-- try of a pending one, the end of the lease of a running one, the revert of a done one; NULL when it is settled.
CREATE TABLE IF NOT EXISTS monitoring.responder_actions (
    action_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    correlation_id uuid        NOT NULL REFERENCES monitoring.responder_incidents,
    phase          text        NOT NULL CHECK (phase IN ('firing', 'end')),
    position       int         NOT NULL,
    action         text        NOT NULL,
    parameters     jsonb       NOT NULL,
    state          text        NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'running', 'done', 'failed', 'skipped', 'reverting', 'reverted')),
    dry_run        boolean     NOT NULL DEFAULT false,
    requested_by   text        NOT NULL,
    attempts       int         NOT NULL DEFAULT 0,
    due_at         timestamptz,
    worker         text,
    fence          bigint,
    target         text,
    before_state   jsonb,
    after_state    jsonb,
    error          text,
    wait           boolean     NOT NULL DEFAULT false,
    expires_after  interval,
    cool_down      interval    NOT NULL DEFAULT '0',
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    reverted_at    timestamptz,
    counted        boolean     NOT NULL DEFAULT false,
    UNIQUE (correlation_id, phase, position)
);
CREATE INDEX IF NOT EXISTS responder_actions_due_at
    ON monitoring.responder_actions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS responder_actions_target
    ON monitoring.responder_actions (target) WHERE target IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS responder_actions_begun
    ON monitoring.responder_actions (coalesce(reverted_at, finished_at, started_at))
    WHERE state <> 'pending' OR attempts > 0;
DROP INDEX IF EXISTS monitoring.responder_actions_activity;
CREATE INDEX IF NOT EXISTS responder_actions_uncounted
    ON monitoring.responder_actions (action_id) WHERE NOT counted;

-- How many incidents and actions have come to rest in which state. What is at rest is added here once and marked as
-- counted, so that metrics cost no more with a longer history, and do not change when the owner deletes old rows.
CREATE TABLE IF NOT EXISTS monitoring.responder_totals (
    kind  text   NOT NULL CHECK (kind IN ('incident', 'action')),
    name  text   NOT NULL,
    state text   NOT NULL,
    total bigint NOT NULL,
    PRIMARY KEY (kind, name, state)
);

