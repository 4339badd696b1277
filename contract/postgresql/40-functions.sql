-- The functions through which the responder acts. All of them run with the owner's rights, are closed to
-- everyone else, and are safe to call again with the same correlation_id: the second call changes nothing.

CREATE OR REPLACE FUNCTION monitoring.record_security_event(
    severity text, event_type text, message text, account text, source_ip text, correlation_id uuid
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    -- One record of one type for one correlation ID, however often and by however many it is delivered.
    PERFORM pg_advisory_xact_lock(hashtextextended($6::text || $2, 0));
    IF $6 IS NOT NULL AND EXISTS (
        SELECT FROM platform.security_events e
        WHERE e.correlation_id = $6 AND e.event_type = $2 AND e.occurred_at > now() - interval '2 days'
    ) THEN
        RETURN;
    END IF;
    INSERT INTO platform.security_events
        (occurred_at, severity, event_type, message, account, source_ip, correlation_id)
    VALUES (now(), $1, $2, $3, $4, $5::inet, $6);
END
$$;

-- True when the account exists and is locked once the call returns. Who unlocks an account leaves its correlation_id
-- in place: it is what keeps a repeated call from locking the account again.
CREATE OR REPLACE FUNCTION monitoring.lock_admin_account(account text, reason text, correlation_id uuid)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    UPDATE platform.admin_accounts a
    SET locked_at = now(), locked_reason = $2, correlation_id = $3
    WHERE a.account = $1 AND a.locked_at IS NULL AND a.correlation_id IS DISTINCT FROM $3;
    RETURN EXISTS (SELECT FROM platform.admin_accounts a WHERE a.account = $1 AND a.locked_at IS NOT NULL);
END
$$;

CREATE OR REPLACE FUNCTION monitoring.add_threat_indicator(source_ip text, reason text, correlation_id uuid)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO platform.threat_indicators (source_ip, reason, correlation_id)
    VALUES ($1::inet, $2, $3)
    ON CONFLICT DO NOTHING;
$$;

CREATE OR REPLACE FUNCTION monitoring.schedule_retraining(reason text, due_by timestamptz, correlation_id uuid)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO platform.retraining_requests (reason, due_by, correlation_id)
    VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- An earlier date already planned stays.
    UPDATE platform.model_versions
    SET next_retraining_at = $2
    WHERE is_active AND (next_retraining_at IS NULL OR next_retraining_at > $2);
END
$$;

REVOKE ALL ON FUNCTION
    monitoring.record_security_event(text, text, text, text, text, uuid),
    monitoring.lock_admin_account(text, text, uuid),
    monitoring.add_threat_indicator(text, text, uuid),
    monitoring.schedule_retraining(text, timestamptz, uuid)
FROM PUBLIC;
GRANT USAGE ON SCHEMA monitoring TO monitoring_responder;
GRANT EXECUTE ON FUNCTION
    monitoring.record_security_event(text, text, text, text, text, uuid),
    monitoring.lock_admin_account(text, text, uuid),
    monitoring.add_threat_indicator(text, text, uuid),
    monitoring.schedule_retraining(text, timestamptz, uuid)
TO monitoring_responder;
