"""The numbers of the live sections as a user would ask PostgreSQL for them: plain SQL over the contract's views."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One query for an exporter of SQL results.

    Attributes:
        name: of the metric, or the first part of its name.
        labels: columns that become labels.
        values: columns that become values.
        sql: the query; `rows` may be none.
    """

    name: str
    labels: tuple[str, ...]
    values: tuple[str, ...]
    sql: str


# One pass over the longest window for all three, which is cheaper than a query for each.
PREDICTIONS = Query(
    "fraud_predictions",
    ("decision",),
    ("last_10m", "last_1h", "last_24h"),
    """
    SELECT decision::text,
           (count(*) FILTER (WHERE timestamp > now() - interval '10 minutes'))::float8 AS last_10m,
           (count(*) FILTER (WHERE timestamp > now() - interval '1 hour'))::float8 AS last_1h,
           count(*)::float8 AS last_24h
    FROM monitoring.fraud_predictions
    WHERE timestamp > now() - interval '24 hours' GROUP BY decision""",
)
BLOCKED_RATIO = Query(
    "fraud_blocked_ratio",
    (),
    ("ratio_10m", "ratio_1h"),
    """
    SELECT coalesce(avg((decision = 'BLOCKED')::int)
               FILTER (WHERE timestamp > now() - interval '10 minutes'), 0)::float8 AS ratio_10m,
           coalesce(avg((decision = 'BLOCKED')::int), 0)::float8 AS ratio_1h
    FROM monitoring.fraud_predictions WHERE timestamp > now() - interval '1 hour'""",
)
BLOCK_THRESHOLD = Query(
    "fraud_threshold",
    (),
    ("block",),
    "SELECT block_threshold::float8 AS block FROM monitoring.model_versions WHERE is_active",
)
TRANSACTIONS = Query(
    "transactions",
    ("kind",),
    ("last_1h", "revenue_usd_1h"),
    """
    SELECT kind::text, count(*)::float8 AS last_1h,
           (coalesce(sum(amount_usd) FILTER (WHERE kind = 'purchase'), 0)
               + coalesce(sum(platform_fee_usd), 0))::float8 AS revenue_usd_1h
    FROM monitoring.transactions WHERE timestamp > now() - interval '1 hour' GROUP BY kind""",
)
LAUNCH = Query(
    "event_launch",
    (),
    ("active",),
    """
    SELECT count(*)::float8 AS active
    FROM monitoring.event_launches WHERE starts_at <= now() AND ends_at > now()""",
)
SECURITY_EVENTS = Query(
    "security_events",
    ("severity",),
    ("last_15m",),
    """
    SELECT severity::text, count(*)::float8 AS last_15m
    FROM monitoring.security_events WHERE timestamp > now() - interval '15 minutes' GROUP BY severity""",
)
ADMIN_FAILURES = Query(
    "admin_failures",
    ("account", "event_type"),
    ("last_5m",),
    """
    SELECT account::text, event_type::text, count(*)::float8 AS last_5m
    FROM monitoring.security_events
    WHERE timestamp > now() - interval '5 minutes' AND event_type IN ('mfa_failed', 'login_failed')
    GROUP BY account, event_type""",
)

QUERIES = (PREDICTIONS, BLOCKED_RATIO, BLOCK_THRESHOLD, TRANSACTIONS, LAUNCH, SECURITY_EVENTS, ADMIN_FAILURES)

KEYS = (
    "kpi:txn_per_hour",
    "kpi:fraud_rate",
    "kpi:latency_p95",
    "kpi:revenue_per_hour",
    "kpi:updated_at",
    "config:fraud_threshold",
    "config:fraud_model",
)
"""Redis keys of which an exporter can report the value as it is."""

TRAFFIC_SCRIPT = """\
local now = tonumber(redis.call('TIME')[1])
local minute = math.floor(now / 60) - 1
local answer = {}
local function report(name, value)
  if value then
    answer[#answer + 1] = name
    answer[#answer + 1] = tostring(value)
  end
end
report('requests_per_minute', redis.call('GET', 'traffic:requests:' .. minute))
report('limit_global', redis.call('HGET', 'ratelimit:limits', 'global_per_minute'))
report('limit_client', redis.call('HGET', 'ratelimit:limits', 'client_per_minute'))
report('limited_clients', redis.call('ZCOUNT', 'ratelimit:blocked', now, '+inf'))
local keys = {}
for back = 0, 4 do keys[#keys + 1] = 'traffic:clients:' .. (minute - back) end
local flat = redis.call('ZUNION', 5, keys[1], keys[2], keys[3], keys[4], keys[5], 'WITHSCORES')
for place = #flat - 1, math.max(1, #flat - 19), -2 do
  report('requests_5m:' .. flat[place], flat[place + 1])
  report('requests_1m:' .. flat[place], redis.call('ZSCORE', keys[1], flat[place]))
end
return answer
"""
"""What the keys of the current minutes hold, whose names change: the answer of ZUNION is in ascending order."""
