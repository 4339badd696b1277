-- The responder's ledger: what it was told and what it did about it. Its own tables, its own file; a platform adapts
-- nothing here. Applying it again is harmless.

-- One row an incident: one alert (fingerprint and playbook) from its first firing message to its verified end.
CREATE TABLE IF NOT EXISTS monitoring.responder_incidents (
    correlation_id uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    playbook       text        NOT NULL,
    fingerprint    text        NOT NULL,
    alertname      text        NOT NULL,
    labels         jsonb       NOT NULL,
    annotations    jsonb       NOT NULL,
    requested_by   text        NOT NULL,
    state          text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'ending', 'closed')),
    starts_at      timestamptz NOT NULL,           -- Alertmanager's; it may move while the incident is open
    ended_at       timestamptz,                    -- the latest end that Alertmanager told of
    opened_at      timestamptz NOT NULL DEFAULT now(),
    braked         boolean     NOT NULL DEFAULT false,  -- recorded only: max_per_hour of the playbook was reached
    last_firing_at timestamptz NOT NULL DEFAULT now(),
    closed_at      timestamptz,
    next_check_at  timestamptz,                    -- when Prometheus is to be asked
    checked_at     timestamptz,
    clear_since    timestamptz,                    -- since when Prometheus says that it is over
    last_check     text,                           -- what Prometheus said last
    counted        boolean     NOT NULL DEFAULT false,  -- in responder_totals
    told           text                            -- the state that people were told last; NULL: they were told nothing
);
ALTER TABLE monitoring.responder_incidents ADD COLUMN IF NOT EXISTS told text;
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
CREATE INDEX IF NOT EXISTS responder_incidents_untold
    ON monitoring.responder_incidents (correlation_id) WHERE state = 'closed' AND told <> 'closed';

-- One row an action of an incident. `due_at` is when somebody has to look at it next, whatever its state: the next
-- try of a pending one, the end of the lease of a running one, the revert of a done one, the last moment for a person to approve a waiting one; NULL when it is settled.
CREATE TABLE IF NOT EXISTS monitoring.responder_actions (
    action_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    correlation_id uuid        NOT NULL REFERENCES monitoring.responder_incidents,
    phase          text        NOT NULL,           -- checked below
    position       int         NOT NULL,
    action         text        NOT NULL,
    parameters     jsonb       NOT NULL,           -- of the playbook as it was then
    state          text        NOT NULL DEFAULT 'pending',  -- checked below
    dry_run        boolean     NOT NULL DEFAULT false,
    requested_by   text        NOT NULL,
    attempts       int         NOT NULL DEFAULT 0,
    spent          float8      NOT NULL DEFAULT 0,  -- seconds of the time after which it is given up
    due_at         timestamptz,
    worker         text,
    fence          bigint,                         -- of the claim: an older one may not record nor act any more
    target         text,                           -- what it holds changed, for actions that revert
    before_state   jsonb,                          -- recorded before the effect
    after_state    jsonb,
    generation     bigint      NOT NULL DEFAULT 0, -- of before_state, see responder_targets
    error          text,                           -- also why it was skipped
    wait           boolean     NOT NULL DEFAULT false,  -- tried again when the alert is repeated
    expires_after  interval,                       -- reverted then, without any message; NULL: it does not revert
    cool_down      interval    NOT NULL DEFAULT '0',
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    reverted_at    timestamptz,                    -- or when it had failed to be put back
    counted        boolean     NOT NULL DEFAULT false,  -- in responder_totals
    told           text,                           -- the state that people were told last; NULL: they were told nothing
    UNIQUE (correlation_id, phase, position)
);
ALTER TABLE monitoring.responder_actions ADD COLUMN IF NOT EXISTS spent float8 NOT NULL DEFAULT 0;
ALTER TABLE monitoring.responder_actions ADD COLUMN IF NOT EXISTS told text;
ALTER TABLE monitoring.responder_actions ADD COLUMN IF NOT EXISTS approval jsonb;  -- as in the playbook; NULL: none
-- Only where the newest name is missing: adding a check reads all rows, under a lock.
DO $$
DECLARE
    present text := (SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
                     WHERE conrelid = 'monitoring.responder_actions'::regclass);
BEGIN
    IF present NOT LIKE '%''waiting''%' THEN
        ALTER TABLE monitoring.responder_actions DROP CONSTRAINT IF EXISTS responder_actions_state_check,
            ADD CONSTRAINT responder_actions_state_check CHECK
            (state IN ('waiting', 'pending', 'running', 'done', 'failed', 'skipped', 'reverting', 'reverted'));
    END IF;
    IF present NOT LIKE '%''ack''%' THEN
        ALTER TABLE monitoring.responder_actions DROP CONSTRAINT IF EXISTS responder_actions_phase_check,
            ADD CONSTRAINT responder_actions_phase_check CHECK (phase IN ('firing', 'end', 'follow_up', 'ack'));
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS responder_actions_untold
    ON monitoring.responder_actions (correlation_id) WHERE told <> state;
ALTER TABLE monitoring.responder_actions ADD COLUMN IF NOT EXISTS generation bigint NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS responder_actions_due_at
    ON monitoring.responder_actions (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS responder_actions_target
    ON monitoring.responder_actions (target) WHERE target IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS responder_actions_tried  -- of the view below
    ON monitoring.responder_actions (coalesce(reverted_at, finished_at, started_at))
    WHERE state NOT IN ('pending', 'waiting') OR attempts > 0;
DROP INDEX IF EXISTS monitoring.responder_actions_activity, monitoring.responder_actions_begun;
CREATE INDEX IF NOT EXISTS responder_actions_uncounted
    ON monitoring.responder_actions (action_id) WHERE NOT counted;

-- One row a decision of a person. Each can be made once about an incident: whoever comes second is told who was first.
CREATE TABLE IF NOT EXISTS monitoring.responder_decisions (
    decision_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    correlation_id uuid        NOT NULL REFERENCES monitoring.responder_incidents ON DELETE CASCADE,
    action_id      bigint      REFERENCES monitoring.responder_actions ON DELETE CASCADE,  -- that waited for it
    decision       text        NOT NULL,           -- `Kind` of the responder, which takes no other
    decided_by     text        NOT NULL,
    via            text        NOT NULL,           -- likewise `Via`
    decided_at     timestamptz NOT NULL DEFAULT now(),
    told           boolean     NOT NULL DEFAULT false   -- whether people were told of it
);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'responder_decisions_decision_check'
               AND conrelid = 'monitoring.responder_decisions'::regclass) THEN
        ALTER TABLE monitoring.responder_decisions DROP CONSTRAINT responder_decisions_decision_check,
            DROP CONSTRAINT IF EXISTS responder_decisions_via_check;
    END IF;
END $$;
CREATE UNIQUE INDEX IF NOT EXISTS responder_decisions_once
    ON monitoring.responder_decisions (correlation_id, decision) WHERE action_id IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS responder_decisions_once_for_an_action
    ON monitoring.responder_decisions (action_id);
CREATE INDEX IF NOT EXISTS responder_decisions_of_an_incident
    ON monitoring.responder_decisions (correlation_id);
CREATE INDEX IF NOT EXISTS responder_decisions_untold
    ON monitoring.responder_decisions (correlation_id) WHERE NOT told;

-- How many incidents and actions have come to rest in which state. What is at rest is added here once and marked as
-- counted, so that metrics cost no more with a longer history, and do not change when the owner deletes old rows.
CREATE TABLE IF NOT EXISTS monitoring.responder_totals (
    kind  text   NOT NULL CHECK (kind IN ('incident', 'action')),
    name  text   NOT NULL,                         -- the playbook of an incident, the name of an action
    state text   NOT NULL,
    total bigint NOT NULL,
    PRIMARY KEY (kind, name, state)
);

-- One row a target that was ever changed for a while. Actions of several incidents may hold it at once.
CREATE TABLE IF NOT EXISTS monitoring.responder_targets (
    target     text   PRIMARY KEY,
    base       jsonb  NOT NULL,                    -- the operator's state, to which it returns
    ours       jsonb  NOT NULL,                    -- array of the states that the responder may have made of it
    generation bigint NOT NULL,                    -- another one when an operator has changed it: who held it, does not
    fence      bigint NOT NULL                     -- of the last write: an older one may not record nor act any more
);

-- Whether the stop switch was thrown when a responder saw it last in Redis.
CREATE TABLE IF NOT EXISTS monitoring.responder_switch (
    redis_key text    PRIMARY KEY,
    thrown    boolean NOT NULL
);

CREATE SEQUENCE IF NOT EXISTS monitoring.responder_fence;

-- Addresses from which sign-ins of an account failed: the one thing that the responder has to read. It rests on the
-- view of the contract alone.
CREATE OR REPLACE FUNCTION monitoring.failed_sign_in_sources(account text, since timestamptz) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT e.source_ip
    FROM monitoring.security_events e
    WHERE e."timestamp" >= $2 AND e.account = $1 AND e.source_ip IS NOT NULL
      AND e.event_type IN ('mfa_failed', 'login_failed')
    ORDER BY 1
    LIMIT 100;
$$;

-- What it did, for dashboards: one row an action that was begun, also one that waits for its next try.
CREATE OR REPLACE VIEW monitoring.responder_activity AS
SELECT coalesce(a.reverted_at, a.finished_at, a.started_at) AS "timestamp",
       i.playbook, i.alertname, a.action, a.state, a.error, i.correlation_id,
       concat_ws(' ', i.labels ->> 'account', i.labels ->> 'feature') AS subject
FROM monitoring.responder_actions a
JOIN monitoring.responder_incidents i USING (correlation_id)
WHERE a.state NOT IN ('pending', 'waiting') OR a.attempts > 0;

GRANT USAGE ON SCHEMA monitoring TO monitoring_responder;
-- No DELETE: what was done stays on record. Retention is the owner's; rows that are counted may go.
GRANT SELECT, INSERT, UPDATE
ON monitoring.responder_incidents, monitoring.responder_actions, monitoring.responder_totals,
   monitoring.responder_targets, monitoring.responder_switch TO monitoring_responder;
GRANT SELECT, INSERT, UPDATE (told) ON monitoring.responder_decisions TO monitoring_responder;
GRANT USAGE ON SEQUENCE monitoring.responder_fence TO monitoring_responder;
REVOKE ALL ON FUNCTION monitoring.failed_sign_in_sources(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION monitoring.failed_sign_in_sources(text, timestamptz) TO monitoring_responder;
GRANT SELECT ON monitoring.responder_activity TO monitoring_reader;
