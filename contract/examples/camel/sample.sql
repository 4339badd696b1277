INSERT INTO "App"."FraudScore" ("orderId", "scoredAt", "riskScore", "Decision", "walletAddress", "modelFeatures",
                                "confirmedFraud", "reviewedAt")
SELECT gen_random_uuid(), floor(extract(epoch FROM now() - n * interval '20 s') * 1000)::bigint, n * 7 % 101,
       CASE WHEN n * 7 % 101 >= 90 THEN 'DENY' WHEN n * 7 % 101 >= 80 THEN 'HOLD' ELSE 'ALLOW' END, '0x' || md5(n::text),
       to_jsonb(jsonb_build_object('walletAgeDays', n % 300, 'firstPurchase', n % 4 = 0)::text),
       CASE WHEN n % 6 = 0 THEN n * 7 % 101 >= 85 END,
       CASE WHEN n % 3 = 0 THEN (now() - n * interval '20 s' + interval '5 s') AT TIME ZONE 'America/New_York' END
FROM generate_series(0, 12000) AS n;
INSERT INTO "App"."Order" ("createdAt", "orderType", "totalPrice", "serviceFee")
SELECT (now() - n * interval '15 s') AT TIME ZONE 'America/New_York', CASE WHEN n % 4 = 0 THEN 'SEND' ELSE 'BUY' END,
       CASE WHEN n % 4 = 0 THEN 0 ELSE 3000 + n % 9000 END, 550
FROM generate_series(0, 5000) AS n;
INSERT INTO "App"."AdminAuditEntry" ("createdAt", "priority", "eventName", "success", "login", "message")
SELECT (now() - n * interval '25 s') AT TIME ZONE 'America/New_York', 'P' || n % 4 + 1,
       (ARRAY['signIn', 'secondFactor', 'export'])[n % 3 + 1], n % 5 > 0, 'admin' || n % 4, 'n ' || n
FROM generate_series(0, 5000) AS n;
ANALYZE;
