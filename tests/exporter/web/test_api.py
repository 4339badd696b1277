"""The JSON API: the blueprint's shapes, unknown values as null, closed to other origins."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
import redis

from exporter.config import Api, Config
from testbed.servers.contract import ContractDatabase
from tests.exporter.web.serving import Served


def predict(database: ContractDatabase, *rows: tuple[datetime, str, float | None, str | None, str | None]) -> None:
    connection = psycopg2.connect(database.dsn)
    with connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, top_feature)"
            " VALUES (%s, %s, %s, %s, %s)",
            rows,
        )
    connection.close()


def test_kpis_as_the_platform_writes_them(web: Served, redis_client: redis.Redis) -> None:
    redis_client.mset({"kpi:fraud_rate": "1.8", "kpi:latency_p95": "45", "kpi:revenue_per_hour": "12450.5"})
    answer = web.get("/api/monitoring/kpis")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "transactions_per_hour": 1247,
        "fraud_rate": 1.8,
        "api_latency_p95": 45.0,
        "revenue_per_hour": 12450.5,
    }


def test_unknown_kpis_are_null(web: Served, redis_client: redis.Redis) -> None:
    redis_client.delete("kpi:txn_per_hour")
    redis_client.set("kpi:fraud_rate", "NaN")
    redis_client.set("kpi:latency_p95", "n/a")
    redis_client.rpush("kpi:revenue_per_hour", "1")
    answer = web.get("/api/monitoring/kpis")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {None}


def test_fraud_feed_is_the_newest_fifty_of_high_risk(web: Served, database: ContractDatabase) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [(now - timedelta(seconds=n), f"txn_{n:03}", 0.9, "BLOCKED", "txn_velocity_1h=12") for n in range(60)]
    predict(
        database,
        *rows,
        (now + timedelta(seconds=1), "low", 0.65, "APPROVED", None),
        (now + timedelta(seconds=2), "reviewed_low", 0.1, "REVIEW", None),
        (now + timedelta(seconds=3), "unscored", None, "BLOCKED", None),
        (now + timedelta(seconds=4), "nan", float("nan"), "BLOCKED", 'quote"'),
        (now + timedelta(seconds=5), "high_approved", 0.66, "APPROVED", ""),
    )
    answer = web.get("/api/monitoring/fraud_feed")
    assert "NaN" not in answer.text  # which is no JSON
    feed = json.loads(answer.text)
    assert [entry["txn_id"] for entry in feed] == [
        "high_approved",
        "nan",
        "unscored",
        "reviewed_low",
        *[f"txn_{n:03}" for n in range(46)],
    ]
    assert feed[4] == {
        "time": now.isoformat(),
        "txn_id": "txn_000",
        "score": 0.9,
        "decision": "BLOCKED",
        "decision_word": None,
        "top_feature": "txn_velocity_1h=12",
    }
    assert [entry["score"] for entry in feed[:4]] == [0.66, None, None, 0.1]


def test_an_empty_feed(web: Served) -> None:
    assert web.get("/api/monitoring/fraud_feed").json() == []


@pytest.mark.parametrize("path", ["/api/monitoring/kpis", "/api/monitoring/fraud_feed"])
def test_the_api_without_its_source_is_503(sourceless: Served, path: str) -> None:
    answer = sourceless.get(path)
    assert answer.status_code == 503
    assert set(answer.json()) == {"error"}
    assert "s3cr3t" not in answer.text
    assert "hush" not in answer.text


def test_cors_is_closed_by_default(web: Served) -> None:
    for origin in ("https://ops.example", "null", "*", ""):
        answer = web.get("/api/monitoring/kpis", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_cors_is_open_for_configured_origins_only(web: Served) -> None:
    web.exporter.apply(Config(probes={}, api=Api(cors_origins=("https://ops.example",))))
    for path in ("/api/monitoring/kpis", "/api/monitoring/fraud_feed"):
        allowed = web.get(path, headers={"Origin": "https://ops.example"})
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://ops.example"
        assert allowed.headers["Vary"] == "Origin"
        for origin in ("https://ops.example.evil", "http://ops.example", "https://OPS.example", "null"):
            assert "Access-Control-Allow-Origin" not in web.get(path, headers={"Origin": origin}).headers
    metrics = web.get("/metrics", headers={"Origin": "https://ops.example"})
    assert "Access-Control-Allow-Origin" not in metrics.headers
