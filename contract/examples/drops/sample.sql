-- The last three months in partitions, two days of rows.
DO $$
BEGIN
    FOR n IN -2..1 LOOP
        EXECUTE format('CREATE TABLE market.%I PARTITION OF market.payments FOR VALUES FROM (%L) TO (%L)',
                       'payments_' || n + 3, date_trunc('month', now()) + n * interval '1 month',
                       date_trunc('month', now()) + (n + 1) * interval '1 month');
    END LOOP;
END
$$;
INSERT INTO auth.users (email, role)
SELECT 'user' || n || '@example.com', CASE WHEN n % 5 = 0 THEN 'admin' WHEN n % 5 = 1 THEN 'creator' ELSE 'customer' END
FROM generate_series(0, 49) AS n;
INSERT INTO market.payments (created_at, kind, state, amount_minor, fee_minor, currency)
SELECT now() - n * interval '15 s', (ARRAY['primary_sale', 'resale', 'gift', 'payout'])[n % 4 + 1],
       (ARRAY['settled', 'settled', 'failed', 'settled', 'initiated'])[n % 5 + 1], 1000 + n % 9000, 150,
       (ARRAY['USD', 'EUR', 'GBP'])[n % 3 + 1]
FROM generate_series(0, 5000) AS n;
INSERT INTO auth.audit_trail (occurred_at, severity, action, result, user_id, actor_email, remote_addr, details)
SELECT now() - n * interval '20 s', (ARRAY['info', 'minor', 'major', 'severe'])[n % 4 + 1]::auth.alarm,
       (ARRAY['login', 'mfa', 'ticket.list', 'profile.update'])[n % 4 + 1],
       CASE WHEN n % 3 = 0 THEN 'denied' ELSE 'ok' END, u.id, u.email, '203.0.113.9', jsonb_build_object('n', n)
FROM generate_series(0, 5000) AS n
JOIN (SELECT id, email, row_number() OVER (ORDER BY email) AS position FROM auth.users) AS u ON u.position = n % 50 + 1;
INSERT INTO market.drops (title, launch_at)
SELECT 'Drop ' || n, now() + (n - 2) * interval '1 day' - interval '20 min' FROM generate_series(1, 5) AS n;
ANALYZE;
