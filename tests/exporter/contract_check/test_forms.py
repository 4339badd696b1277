"""Keys that are not there: of which form, and where they may be."""

from __future__ import annotations

import time

import pytest
import redis

from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.contract_check.reporting import faults, mends, report


def test_another_database_of_the_server(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    assert keys.dbsize() > 0
    status, lines = report(platform.reader_dsn, redis_server.url().removesuffix("/0") + "/7")
    assert status == 1
    (fault,) = [line for line in lines if line.startswith("WRONG kpi:latency_p95 ")]
    assert fault == "WRONG kpi:latency_p95 no key of the form kpi:* in this database; keys are in db0"
    assert mends(lines)[fault] == (
        "see that REDIS_URL names the database (…/0) and server that the platform writes to;"
        " where the platform has none, declare kpi:latency_p95 absent"
    )
    assert any(
        line.endswith("no key of the form traffic:requests:* in this database; keys are in db0") for line in lines
    )
    assert any(line.endswith("no key of the form config:* in this database; keys are in db0") for line in lines)


def test_other_names(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    for key in keys.scan_iter("kpi:*"):
        keys.rename(key, str(key).replace("kpi:", "metrics:"))
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    wrong = [line for line in faults(lines) if line.startswith("WRONG ")]
    assert [line.split()[1] for line in wrong] == [
        "kpi:txn_per_hour",
        "kpi:fraud_rate",
        "kpi:latency_p95",
        "kpi:revenue_per_hour",
    ]
    assert all("no key of the form kpi:* in this database; keys are in db0" in line for line in wrong)


@pytest.mark.parametrize(
    ("shift", "says"),
    [
        (lambda minute: minute + 240, "240 minutes ahead"),
        (lambda minute: minute - 120, "120 minutes behind"),
        (lambda minute: minute * 60_000, "not there; the nearest is "),
        (lambda minute: f"{minute}Z", "of no minute since 1970"),
    ],
)
def test_minutes_that_are_none(
    platform: ContractDatabase, redis_server: Redis, keys: redis.Redis, shift: object, says: str
) -> None:
    assert callable(shift)
    minute = int(time.time() // 60)
    for key in keys.scan_iter("traffic:requests:*"):
        keys.delete(key)
    keys.set(f"traffic:requests:{shift(minute - 1)}", "4523")
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 1
    (fault, _) = faults(lines)
    assert fault.startswith("WRONG traffic:requests:")
    # The minute of the check may be the next one.
    assert says in fault or says.replace("240", "239").replace("120", "121") in fault
    assert mends(lines)[fault].startswith("the minute is floor(unix seconds / 60), in no zone")


def test_a_minute_without_requests(platform: ContractDatabase, redis_server: Redis, keys: redis.Redis) -> None:
    minute = int(time.time() // 60)
    for key in [*keys.scan_iter("traffic:requests:*"), *keys.scan_iter("traffic:clients:*")]:
        keys.delete(key)
    keys.set(f"traffic:requests:{minute - 4}", "0")
    status, lines = report(platform.reader_dsn, redis_server.url())
    assert status == 0
    assert [line.split(" ", 2)[2] for line in faults(lines)[:-1]] == [
        "not there now",
        "no key of the form traffic:clients:* in this database",
    ]
