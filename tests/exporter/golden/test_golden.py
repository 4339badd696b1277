"""The whole exposition of a fixed platform at a fixed time, line by line.

A change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/exporter/golden`, and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common.yaml_files import Duration
from exporter.app import Exporter
from exporter.collectors import METRICS
from exporter.config import Config, PostgresProbe, ProbeConfig, RedisProbe
from exporter.scrape import METRICS as OWN_METRICS
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.web.serving import exporter_of, wait_for

GOLDEN = Path(__file__).with_name("metrics.txt")
NOW = 1764354153.0  # 2025-11-28 18:22:33 UTC
MINUTE = int(NOW) // 60

PLATFORM = """
INSERT INTO platform.model_versions VALUES
    ('2025-11-02', '2025-11-02 02:00Z', true, 0.67, 0.9, 0.77, 0.6, 0.8, '2025-11-30 02:00Z');
INSERT INTO platform.feature_reference VALUES
    ('2025-11-02', 'wallet_age_days', 'numeric', '{10,100}', NULL, '{300,400,300,0}'),
    ('2025-11-02', 'geo_velocity_flag', 'boolean', NULL, NULL, '{985,15,0}'),
    ('2025-11-02', 'payment_method', 'categorical', NULL, '{card,wallet}', '{700,250,50,0}'),
    ('2025-11-02', 'rare', 'boolean', NULL, NULL, '{10,10,0}');
-- 900 predictions over the last 6 days, one in 9.6 minutes.
INSERT INTO platform.fraud_predictions
    (predicted_at, transaction_id, fraud_score, decision, top_feature, model_version, wallet, source_ip, features)
SELECT '2025-11-28 18:22:00Z'::timestamptz - n * interval '9.6 minutes', 'txn_' || n, (n * 37 % 100) / 100.0,
       CASE WHEN n * 37 % 100 >= 80 THEN 'BLOCKED' WHEN n * 37 % 100 >= 60 THEN 'REVIEW' ELSE 'APPROVED' END,
       'txn_velocity_1h', '2025-11-02', '0x' || n, '203.0.113.1',
       jsonb_build_object('wallet_age_days', n * 53 % 200, 'geo_velocity_flag', n % 50 = 0,
                          'payment_method', (ARRAY['card', 'card', 'wallet', 'bank'])[n % 4 + 1])
FROM generate_series(0, 899) AS n;
INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision) VALUES
    ('2025-11-28 18:00:00Z', 'odd_1', NULL, NULL), ('2025-11-28 18:00:00Z', 'odd_2', 'NaN', 'decline');
INSERT INTO platform.fraud_labels
SELECT transaction_id, predicted_at, decision, fraud_score > 0.85, predicted_at + interval '1 minute'
FROM platform.fraud_predictions
WHERE predicted_at > '2025-11-28 00:00Z' AND fraud_score < 'NaN' AND transaction_id <> 'txn_3';
INSERT INTO platform.transactions
SELECT '2025-11-28 18:22:30Z'::timestamptz - n * interval '1 minute', 't' || n,
       CASE WHEN n % 10 = 0 THEN 'transfer' ELSE 'purchase' END, 100.10, 2.55
FROM generate_series(0, 99) AS n;
INSERT INTO platform.transactions VALUES ('2025-11-28 18:20:00Z', 'odd', 'refund', 9999, 1);
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account, source_ip)
SELECT '2025-11-28 18:22:10Z'::timestamptz - n * interval '40 seconds', (ARRAY['HIGH', 'MEDIUM', 'LOW'])[n % 3 + 1],
       (ARRAY['mfa_failed', 'login_failed', 'rate_limit'])[n % 3 + 1], 'm', 'admin' || n % 2, '203.0.113.99'
FROM generate_series(0, 30) AS n;
INSERT INTO platform.security_events (occurred_at, severity, event_type, message)
VALUES ('2025-11-28 18:22:00Z', 'urgent', 'quote "and" \\ backslash', 'm');
INSERT INTO platform.event_launches VALUES ('e1', 'Launch', '2025-11-28 18:00Z', '2025-11-28 19:00Z')
"""
# Between two scrapes, so that the counters have counted.
LATER = """
INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features) VALUES
    ('2025-11-28 18:22:30Z', 'new_1', 0.91, 'BLOCKED', '{"wallet_age_days": 0.5}'),
    ('2025-11-28 18:22:31Z', 'new_2', 0.1, 'APPROVED', NULL);
INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account)
VALUES ('2025-11-28 18:22:32Z', 'CRITICAL', 'mfa_failed', 'm', 'admin0')
"""


@pytest.fixture(scope="module")
def platform(postgres: Postgres, redis_server: Redis) -> Iterator[ContractDatabase]:
    with redis_server.client() as client:
        yield fill(postgres, client)
        client.flushall()


def fill(postgres: Postgres, redis_client: redis.Redis) -> ContractDatabase:
    redis_client.flushall()
    database = small_database(postgres, "golden", "'2025-11-20'", "'2025-11-29'")
    postgres.execute(PLATFORM, database.name)
    redis_client.mset(
        {
            "kpi:txn_per_hour": "1247",
            "kpi:fraud_rate": "1.8",
            "kpi:latency_p95": "45",
            "kpi:revenue_per_hour": "12450",
            "kpi:updated_at": "1764354150",
            "config:fraud_threshold": "0.60",
            "config:fraud_model": "xgboost",
            f"traffic:requests:{MINUTE - 1}": "4523",
        }
    )
    for back in range(1, 6):
        redis_client.zadd(
            f"traffic:clients:{MINUTE - back}", {f"203.0.113.{n}": (n * 31 + back) % 98 + 1 for n in range(12)}
        )
    redis_client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
    redis_client.zadd("ratelimit:blocked", {"198.51.100.7": NOW + 3600, "198.51.100.8": NOW})
    return database


@pytest.fixture(scope="module")
def exposition(platform: ContractDatabase, redis_server: Redis) -> str:
    often = Duration(0.5)
    probes: dict[str, ProbeConfig] = {
        "postgresql": PostgresProbe(interval=often, timeout=often, baseline=Duration(3600)),
        "redis_cache": RedisProbe(interval=often, timeout=often),
    }
    clock = [NOW - 5]
    exporter = exporter_of(platform.reader_dsn, redis_server.url(), Config(probes=probes), clock=lambda: clock[0])
    exporter.start()
    try:
        wait_for(lambda: has_read_everything(exporter))
        platform.server.execute(LATER, platform.name)
        clock[0] = NOW
        return exporter.scraper.scrape(exporter.scraper.sections, 20).text.decode()
    finally:
        exporter.close()


def has_read_everything(exporter: Exporter) -> bool:
    """Whether all windows are read, and all probes tried with success."""
    text = exporter.scraper.scrape(exporter.scraper.sections, 20).text.decode()
    return "feature_drift_nats{" in text and text.count("ticketing_probe_success{") == text.count("probe_success{") == 2


def normalised(exposition: str) -> str:
    """Without what differs from run to run: this process, durations, versions and the time of probes."""
    lines = [line for line in exposition.splitlines() if not re.match(r"(# (HELP|TYPE) )?process_", line)]
    text = "\n".join(lines) + "\n"
    text = re.sub(r"^(ticketing_\w+_duration_seconds{.*}) \S+$", r"\1 DURATION", text, flags=re.MULTILINE)
    text = re.sub(r"^(ticketing_probe_timestamp_seconds{.*}) \S+$", r"\1 TIME", text, flags=re.MULTILINE)
    # Logarithms may differ in the last digits from one C library to another.
    text = re.sub(r"\d+\.\d{12,}$", lambda match: f"{float(match[0]):.10g}", text, flags=re.MULTILINE)
    return re.sub(
        r"(version|python_version)=\"\d[^\"]*\"(?=[,}].* 1$)", r'\1="VERSION"', text, flags=re.MULTILINE
    ).replace('ticketing_model_info{version="VERSION"}', 'ticketing_model_info{version="2025-11-02"}')


def test_the_whole_exposition(exposition: str) -> None:
    found = normalised(exposition)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found.splitlines() == GOLDEN.read_text().splitlines()


def test_no_metric_is_left_out(exposition: str) -> None:
    families = set(re.findall(r"^# TYPE (ticketing_\w+) ", exposition, flags=re.MULTILINE))
    assert families == {metric.name for metric in (*METRICS, *OWN_METRICS) if metric.name.startswith("ticketing_")}


def test_promtool_has_no_complaint(exposition: str) -> None:
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
