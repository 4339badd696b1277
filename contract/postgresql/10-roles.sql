-- The two roles of the contract. Roles belong to the cluster, so this file may meet them already there.
-- No password is set here: set one out of band (`\password monitoring_reader`) or use another method of pg_hba.conf.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitoring_reader') THEN
        CREATE ROLE monitoring_reader LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'monitoring_responder') THEN
        CREATE ROLE monitoring_responder LOGIN;
    END IF;
END
$$;

-- The exporter holds at most 10 connections, and one for each entry of `metrics`, Grafana a pool of its own; a leak
-- anywhere must not take the platform's connections.
ALTER ROLE monitoring_reader CONNECTION LIMIT 60;
-- A seat belt: grants are the fence. Each client sets a shorter limit for its own queries.
ALTER ROLE monitoring_reader SET statement_timeout = '30s';
ALTER ROLE monitoring_reader SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE monitoring_reader SET default_transaction_read_only = on;
-- Short range scans over few rows: compiling them costs more than running them.
ALTER ROLE monitoring_reader SET jit = off;

ALTER ROLE monitoring_responder CONNECTION LIMIT 20;
ALTER ROLE monitoring_responder SET statement_timeout = '10s';
ALTER ROLE monitoring_responder SET idle_in_transaction_session_timeout = '30s';
