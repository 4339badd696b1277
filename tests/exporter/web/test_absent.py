"""Paths of what is not on the platform."""

from __future__ import annotations

import pytest
import redis

from exporter.absence import NOT_HERE
from exporter.config import Absent, Config, Platform
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.web.serving import exporter_of, served


@pytest.mark.parametrize(
    ("absent", "path", "status", "content"),
    [
        (Absent(features=("fraud_model",)), "/api/monitoring/fraud_feed", 404, {"error": NOT_HERE}),
        (Absent(sections=("kpis",)), "/api/monitoring/kpis", 404, {"error": NOT_HERE}),
        (
            Absent(keys=("kpi:latency_p95",)),
            "/api/monitoring/kpis",
            200,
            {
                "transactions_per_hour": 12,
                "fraud_rate": None,
                "api_latency_p95": None,
                "revenue_per_hour": None,
                "not_on_this_platform": ["api_latency_p95"],
            },
        ),
    ],
)
def test_the_api(
    database: ContractDatabase,
    redis_server: Redis,
    redis_client: redis.Redis,
    absent: Absent,
    path: str,
    status: int,
    content: object,
) -> None:
    redis_client.mset({"kpi:txn_per_hour": "12", "kpi:latency_p95": "45"})
    config = Config(probes={}, platform=Platform(absent=absent))
    with served(exporter_of(database.reader_dsn, redis_server.url(), config)) as web:
        answer = web.get(path)
        assert (answer.status_code, answer.json()) == (status, content)


def test_a_section_is_no_error_and_has_a_line(database: ContractDatabase, redis_server: Redis) -> None:
    config = Config(probes={}, platform=Platform(absent=Absent(sections=("model",))))
    with served(exporter_of(database.reader_dsn, redis_server.url(), config)) as web:
        # The job of Prometheus that asks for it, and for nothing else, stays as it is.
        answer = web.get("/metrics?collect[]=model")
        assert answer.status_code == 200
        assert 'ticketing_platform_has{part="model"} 0' in answer.text
        assert "ticketing_exporter_collector_success" not in answer.text
        assert web.get("/metrics?collect[]=modle").status_code == 400
        (row,) = [line for line in web.get("/").text.splitlines() if "collect[]=model" in line]
        assert NOT_HERE in row
