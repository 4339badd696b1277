"""A week in which all is well, in the own tables of the platforms in `contract/examples`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO

import numpy as np
import psycopg2

from testbed.servers.contract import ContractDatabase

DAY = 86400
WEEK = 7 * DAY
SEED = 7
PEAK_PER_HOUR, PEAK_HOUR, SPREAD_HOURS = 1100, 20, 3.5
"""Sales: of the evening, when that is (UTC), and how wide it is."""
NIGHT_SHARE = 0.07
EVENTS_PER_HOUR = 40

# A row of `sale` or `event` is a moment with three numbers between 0 and 1.
_TABLES = """
CREATE TEMP TABLE sale (n int, at timestamptz, u float8, v float8, w float8);
CREATE TEMP TABLE event (LIKE sale);
"""
_BERLIN = """
TRUNCATE kasse.risk_checks, kasse.reviews, kasse.orders, kasse.event_log, kasse.presales;
INSERT INTO kasse.orders (created_at, type, status, total_eur, fee_eur)
SELECT at AT TIME ZONE 'Europe/Berlin', CASE WHEN v < 0.15 THEN 'gift' WHEN v < 0.17 THEN 'refund' ELSE 'sale' END,
       CASE WHEN w < 0.94 THEN 'paid' ELSE 'cancelled' END, round((20 + 60 * u)::numeric, 2), 1.25
FROM sale;
INSERT INTO kasse.risk_checks (order_id, checked_at, risk_score, verdict, reason, model, client_ip, signals)
SELECT n, at AT TIME ZONE 'Europe/Berlin',
       round((CASE WHEN u < 0.018 THEN 0.95 + 0.04 * v WHEN u < 0.03 THEN 0.9 + 0.04 * v
                   WHEN u < 0.06 THEN 0.8 + 0.09 * v ELSE 0.75 * v END)::numeric, 4),
       (CASE WHEN u < 0.018 THEN 'reject' WHEN u < 0.03 THEN 'manual_review' WHEN u < 0.06 THEN 'challenge'
             ELSE 'accept' END)::kasse.entscheidung,
       'velocity', 'wald-3', '203.0.113.7',
       jsonb_build_object('account_age_days', floor(400 * w), 'new_device', v < 0.1)
FROM sale;
INSERT INTO kasse.reviews (check_id, outcome, reviewed_at, reviewer)
SELECT id, CASE WHEN verdict = 'reject' AND order_id % 20 < 16 OR verdict <> 'reject' AND order_id % 20 < 3
                THEN 'fraud' ELSE 'legit' END, checked_at + interval '1 min', 'kim'
FROM kasse.risk_checks WHERE verdict <> 'accept';
INSERT INTO kasse.event_log (logged_at, level, event, actor_type, username, ip, text)
SELECT at AT TIME ZONE 'Europe/Berlin', CASE WHEN u < 0.03 THEN 'error' WHEN u < 0.2 THEN 'warning' ELSE 'info' END,
       CASE WHEN v < 0.1 THEN 'login_failed' WHEN v < 0.15 THEN 'otp_failed' ELSE 'ticket_viewed' END,
       CASE WHEN w < 0.1 THEN 'staff' ELSE 'customer' END, 'user' || n % 40, '198.51.100.4', 'n ' || n
FROM event;
INSERT INTO kasse.presales
SELECT n, 'Konzert ' || n, ({start} + n * interval '1 day' + interval '18 hours') AT TIME ZONE 'Europe/Berlin',
       ({start} + n * interval '1 day' + interval '19 hours') AT TIME ZONE 'Europe/Berlin'
FROM generate_series(0, 6) AS n;
"""
_DROPS = """
TRUNCATE market.payments, auth.audit_trail, market.drops;
INSERT INTO market.payments (created_at, kind, state, amount_minor, fee_minor, currency)
SELECT at, CASE WHEN v < 0.15 THEN 'gift' WHEN v < 0.2 THEN 'payout' WHEN v < 0.5 THEN 'resale' ELSE 'primary_sale' END,
       CASE WHEN w < 0.95 THEN 'settled' ELSE 'failed' END, (2000 + 6000 * u)::int, 150,
       (ARRAY['USD', 'EUR', 'GBP'])[n % 3 + 1]
FROM sale;
INSERT INTO auth.audit_trail (occurred_at, severity, action, result, user_id, actor_email, remote_addr)
SELECT at, (CASE WHEN e.u < 0.03 THEN 'major' WHEN e.u < 0.2 THEN 'minor' ELSE 'info' END)::auth.alarm,
       (ARRAY['login', 'mfa', 'ticket.list', 'profile.update'])[e.n % 4 + 1],
       CASE WHEN e.v < 0.1 THEN 'denied' ELSE 'ok' END, users.id, users.email, '203.0.113.9'
FROM event AS e
JOIN (SELECT id, email, row_number() OVER (ORDER BY email) AS number FROM auth.users) AS users
  ON users.number = floor(50 * e.w) + 1;
INSERT INTO market.drops (title, launch_at)
SELECT 'Drop ' || n, {start} + n * interval '1 day' + interval '18 hours' FROM generate_series(0, 6) AS n;
"""
_CAMEL = """
TRUNCATE "App"."FraudScore", "App"."Order", "App"."AdminAuditEntry";
INSERT INTO "App"."FraudScore" ("orderId", "scoredAt", "riskScore", "Decision", "walletAddress", "modelFeatures",
                                "confirmedFraud", "reviewedAt")
SELECT gen_random_uuid(), floor(extract(epoch FROM at) * 1000)::bigint,
       CASE WHEN u < 0.018 THEN 90 + 10 * v WHEN u < 0.05 THEN 80 + 9 * v ELSE 79 * v END,
       CASE WHEN u < 0.018 THEN 'DENY' WHEN u < 0.05 THEN 'HOLD' ELSE 'ALLOW' END, '0x' || md5(n::text),
       to_jsonb(jsonb_build_object('walletAgeDays', floor(300 * w), 'firstPurchase', v < 0.25)::text),
       CASE WHEN u < 0.05 THEN w < 0.8 END,
       CASE WHEN u < 0.05 THEN (at + interval '1 min') AT TIME ZONE 'America/New_York' END
FROM sale;
INSERT INTO "App"."Order" ("createdAt", "orderType", "totalPrice", "serviceFee")
SELECT at AT TIME ZONE 'America/New_York', CASE WHEN v < 0.2 THEN 'SEND' ELSE 'BUY' END,
       CASE WHEN v < 0.2 THEN 0 ELSE (3000 + 5000 * u)::int END, 550
FROM sale;
INSERT INTO "App"."AdminAuditEntry" ("createdAt", "priority", "eventName", "success", "login", "message")
SELECT at AT TIME ZONE 'America/New_York', CASE WHEN u < 0.03 THEN 'P2' WHEN u < 0.2 THEN 'P3' ELSE 'P4' END,
       (ARRAY['signIn', 'secondFactor', 'export'])[n % 3 + 1], v > 0.05, 'admin' || floor(12 * w), 'n ' || n
FROM event;
"""
_ROWS = {"berlin": _BERLIN, "drops": _DROPS, "camel": _CAMEL}


def fill(database: ContractDatabase, platform: str, start: float) -> None:
    """Put a week from `start` on, and the day before it, in place of all rows.

    Args:
        database: of the platform, with its views.
        platform: its name.
        start: unix seconds, a midnight of UTC.
    """
    random = np.random.default_rng(SEED)
    connection = psycopg2.connect(database.dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
            moments = {"sale": list(_sales(random, start)), "event": list(_events(random, start))}
            for table, instants in moments.items():
                numbers = random.random((len(instants), 3))
                lines = (
                    f"{n}\t{datetime.fromtimestamp(at, UTC)}\t" + "\t".join(map(repr, row.tolist())) + "\n"
                    for n, (at, row) in enumerate(zip(instants, numbers, strict=True))
                )
                cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO("".join(lines)))
            cursor.execute(_ROWS[platform].replace("{start}", f"TIMESTAMPTZ '{datetime.fromtimestamp(start, UTC)}'"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
    finally:
        connection.close()


def per_hour(hour: float) -> float:
    """Sales at an hour of the day, UTC."""
    away = min(abs(hour - PEAK_HOUR), 24 - abs(hour - PEAK_HOUR))
    return PEAK_PER_HOUR * (NIGHT_SHARE + (1 - NIGHT_SHARE) * float(np.exp(-((away / SPREAD_HOURS) ** 2))))


def _sales(random: np.random.Generator, start: float) -> Iterator[float]:
    for hour in range(-24, 7 * 24):
        count = random.poisson(per_hour(hour % 24 + 0.5))
        yield from (start + 3600 * (hour + each) for each in sorted(random.random(count)))


def _events(random: np.random.Generator, start: float) -> Iterator[float]:
    count = random.poisson(EVENTS_PER_HOUR * 8 * 24)
    yield from (start - DAY + 8 * DAY * each for each in sorted(random.random(count)))
