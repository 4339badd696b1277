-- One view for each example, with the index that its time needs. Views of the schema monitoring run with the rights of their
-- owner, so that the exporter's role needs none on the tables.

-- Refunds by reason
CREATE INDEX ON shop.refunds (refunded_at);
CREATE VIEW monitoring.refunds AS SELECT refunded_at, reason, amount_cents FROM shop.refunds;

-- Payment failures by provider
CREATE INDEX ON shop.payments (attempted_at);
CREATE VIEW monitoring.payments AS
SELECT attempted_at, provider, CASE status WHEN 'paid' THEN 'paid' ELSE 'failed' END AS outcome, seconds FROM shop.payments;

-- Expired reservations: expires_at may lie ahead, and counts when its time has come
CREATE INDEX ON shop.reservations (expires_at) WHERE paid_at IS NULL;
CREATE VIEW monitoring.expired_reservations AS
SELECT expires_at FROM shop.reservations WHERE paid_at IS NULL AND expires_at <= now();

-- Waiting list: a state, without time
CREATE VIEW monitoring.waiting_list AS SELECT event, email FROM shop.waiting;

-- Check-ins by gate
CREATE INDEX ON shop.scans (scanned_at);
CREATE VIEW monitoring.check_ins AS SELECT scanned_at, gate FROM shop.scans WHERE accepted;

-- Revenue by currency
CREATE INDEX ON shop.orders (paid_at);
CREATE VIEW monitoring.orders AS SELECT paid_at, currency, total_cents FROM shop.orders;

-- Oversell: a state, without time
CREATE VIEW monitoring.oversold AS SELECT name AS event, sold - capacity AS tickets FROM shop.events WHERE sold > capacity;

GRANT SELECT ON monitoring.refunds, monitoring.payments, monitoring.expired_reservations, monitoring.waiting_list,
    monitoring.check_ins, monitoring.orders, monitoring.oversold TO monitoring_reader;
