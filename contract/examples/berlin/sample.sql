-- Two days, and one night of March in which the clocks went from 2 to 3.
INSERT INTO kasse.risk_checks (order_id, checked_at, risk_score, verdict, reason, model, client_ip, signals)
SELECT n, (now() - n * interval '20 s') AT TIME ZONE 'Europe/Berlin', n * 7 % 1000 / 1000.0,
       (CASE WHEN n * 7 % 1000 >= 950 THEN 'reject' WHEN n * 7 % 1000 >= 900 THEN 'manual_review'
             WHEN n * 7 % 1000 >= 800 THEN 'challenge' ELSE 'accept' END)::kasse.entscheidung,
       'velocity', 'wald-3', '203.0.113.7',
       jsonb_build_object('account_age_days', n % 400, 'new_device', n % 9 = 0, 'payment', (ARRAY['card', 'sepa'])[n % 2 + 1])
FROM generate_series(0, 12000) AS n;
INSERT INTO kasse.risk_checks (order_id, checked_at, risk_score, verdict, model, signals)
SELECT 100000 + n, (night + n * interval '1 min') AT TIME ZONE 'Europe/Berlin', 0.1, 'accept', 'wald-2', '{}'
FROM generate_series(0, 240) AS n,
     (SELECT min(hour) - interval '2 hours' AS night
      FROM generate_series(date_trunc('hour', now()) - interval '364 days', now(), '1 hour') AS hour
      WHERE extract(hour FROM hour AT TIME ZONE 'Europe/Berlin')
            - extract(hour FROM (hour - interval '1 hour') AT TIME ZONE 'Europe/Berlin') = 2) AS spring;
INSERT INTO kasse.reviews (check_id, outcome, reviewed_at, reviewer)
SELECT id, (ARRAY['fraud', 'legit', 'fraud', 'open'])[id % 4 + 1], checked_at + interval '10 s', 'kim'
FROM kasse.risk_checks WHERE verdict IN ('reject', 'manual_review') AND order_id % 3 > 0;
INSERT INTO kasse.orders (created_at, type, status, total_eur, fee_eur)
SELECT (now() - n * interval '15 s') AT TIME ZONE 'Europe/Berlin', (ARRAY['sale', 'sale', 'gift', 'refund', 'sale'])[n % 5 + 1],
       (ARRAY['paid', 'paid', 'pending', 'paid', 'cancelled', 'paid', 'paid'])[n % 7 + 1], 20 + n % 90 + 0.5, 1.25
FROM generate_series(0, 5000) AS n;
INSERT INTO kasse.models VALUES ('wald-2', '2025-01-10', 'retired', 0.5, 0.6, 0.7, 0.9),
                                ('wald-3', '2025-06-01', 'production', 0.75, 0.5, 0.8, 0.95);
INSERT INTO kasse.event_log (logged_at, level, event, actor_type, username, ip, text)
SELECT (now() - n * interval '25 s') AT TIME ZONE 'Europe/Berlin', (ARRAY['fatal', 'error', 'warning', 'info', 'info'])[n % 5 + 1],
       (ARRAY['login_failed', 'otp_failed', 'ticket_viewed', 'password_changed'])[n % 4 + 1],
       CASE WHEN n % 3 = 0 THEN 'staff' ELSE 'customer' END, 'user' || n % 6, '198.51.100.4', 'n ' || n
FROM generate_series(0, 5000) AS n;
INSERT INTO kasse.presales
SELECT n, 'Konzert ' || n, (now() + (n - 2) * interval '1 day' - interval '10 min') AT TIME ZONE 'Europe/Berlin',
       (now() + (n - 2) * interval '1 day' + interval '50 min') AT TIME ZONE 'Europe/Berlin'
FROM generate_series(1, 5) AS n;
ANALYZE;
