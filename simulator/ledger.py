"""What a year of the responder leaves behind."""

#: SQL: ten incidents a day up to now, each with four actions.
YEAR = """
INSERT INTO monitoring.responder_incidents
    (playbook, fingerprint, alertname, labels, annotations, requested_by, state, starts_at, opened_at)
SELECT 'ModelDrift', n::text, 'ModelDrift', '{"feature": "wallet_age_days"}', '{}', 'test', 'closed', at, at
FROM generate_series(0, 3650) AS n, LATERAL (SELECT now() - n * interval '144 min' AS at) AS moment;
INSERT INTO monitoring.responder_actions
    (correlation_id, phase, position, action, parameters, state, requested_by, started_at, finished_at)
SELECT correlation_id, 'firing', n, 'notify', '{}', 'done', 'test', opened_at, opened_at
FROM monitoring.responder_incidents, generate_series(1, 4) AS n
"""
