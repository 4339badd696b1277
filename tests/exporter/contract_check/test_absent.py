"""What is declared absent is not checked, and said to be so."""

from __future__ import annotations

import pytest
import redis

from contract.definition import NOT_READ
from contract.definition import VIEWS as VIEW_COLUMNS
from exporter.absence import KEYS, VIEWS
from exporter.config import Absent, Config, Platform, RateLimits
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, report


def declared(**absent: tuple[str, ...]) -> Config:
    return Config(platform=Platform(absent=Absent(**absent)))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.usefixtures("keys")
def test_a_view(platform: ContractDatabase, redis_server: Redis, view: str) -> None:
    platform.server.execute(f"DROP VIEW monitoring.{view}", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url(), declared(views=(view,)))
    assert status == 0
    assert f"absent {view} not on this platform" in faults(lines)
    assert not [line for line in lines if line.startswith(f"ok {view}")]


@pytest.mark.parametrize("key", KEYS)
def test_a_key(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, key: str) -> None:
    for found in keys.scan_iter(f"{key}*"):
        keys.delete(found)
    status, lines = report(platform.reader_dsn, redis_server.url(), declared(keys=(key,)))
    assert (status, faults(lines)) == (0, [f"absent {key} not on this platform", "The contract holds."])


@pytest.mark.usefixtures("keys")
def test_what_is_there_all_the_same_is_told(platform: ContractDatabase, redis_server: Redis) -> None:
    config = declared(views=("transactions", "event_launches"), keys=("kpi:latency_p95",))
    platform.server.execute("DELETE FROM platform.event_launches", platform.name)
    status, lines = report(platform.reader_dsn, redis_server.url(), config)
    assert status == 0
    found = faults(lines)
    assert "warning transactions declared absent, but the view has rows" in found
    assert "warning kpi:latency_p95 declared absent, but the key is there" in found
    assert "absent event_launches not on this platform" in found  # an empty view is nothing


def test_a_platform_with_next_to_nothing(
    platform: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    assert redis_client.dbsize() == 0
    platform.server.execute(
        "DROP VIEW monitoring.fraud_predictions, monitoring.fraud_labels, monitoring.model_versions,"
        " monitoring.feature_reference, monitoring.event_launches",
        platform.name,
    )
    keys = tuple(key for key in KEYS if key.startswith("kpi:"))
    config = declared(features=("fraud_model", "launches"), sections=("traffic",), keys=keys)
    status, lines = report(platform.reader_dsn, redis_server.url(), config)
    assert status == 0, lines
    limiter = Config(platform=config.platform, rate_limits=RateLimits(adapter="flask-limiter"))
    assert report(platform.reader_dsn, redis_server.url(), limiter)[0] == 0


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("view", "column"), [(view, column) for view, names in NOT_READ.items() for column in sorted(names)]
)
def test_a_column_that_nothing_reads_may_be_left_out(
    platform: ContractDatabase, redis_server: Redis, view: str, column: str
) -> None:
    kept = ", ".join(f'"{name}"' for name in VIEW_COLUMNS[view] if name != column)
    platform.server.execute(
        f"ALTER VIEW monitoring.{view} RENAME TO whole; CREATE VIEW monitoring.{view} AS SELECT {kept}"
        f" FROM monitoring.whole; GRANT SELECT ON monitoring.{view} TO monitoring_reader",
        platform.name,
    )
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert (status, faults(lines)) == (0, ["The contract holds."])
