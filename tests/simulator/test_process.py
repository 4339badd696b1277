"""The program itself: live rows, services, control, lost servers, its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from simulator.__main__ import main
from testbed.servers.contract import ContractDatabase, create_contract_database
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.simulator.helpers import query

SECRET = "hunter2-never-logged"
NEWEST = "SELECT extract(epoch FROM now() - max(timestamp))::float8 FROM monitoring.fraud_predictions"


@contextmanager
def running(dsn: str, redis_url: str, *flags: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A simulator and its URL; terminated at the end."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", f"--web.listen-address=127.0.0.1:{port}", *flags],
        env={**os.environ, "POSTGRES_DSN": dsn, "REDIS_URL": redis_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: requests.get(url, timeout=5).ok)
        yield url, process
    finally:
        process.kill()
        process.wait(10)


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until a condition holds; an exception of a server that is not up counts as false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError("it never became true")


def call(url: str, method: str, path: str, **arguments: Any) -> requests.Response:
    """One request with a timeout."""
    return requests.request(method, f"{url}{path}", timeout=10, **arguments)


def test_services_answer(database: ContractDatabase, redis_server: Redis) -> None:
    with running(database.dsn, redis_server.url(), "--history.hours=0") as (url, _):
        for path in ("/health", "/ml/health", "/siem/health"):
            assert call(url, "GET", path).json()["status"] == "ok"
        answer = call(url, "POST", "/api/v1/ml/predict/fraud", json={"wallet": "0x0"}).json()
        assert 0 <= answer["fraud_score"] <= 1
        head = call(url, "POST", "/rpc", json={"jsonrpc": "2.0", "id": 7, "method": "eth_blockNumber"}).json()
        assert head["id"] == 7
        assert int(head["result"], 16) > 1_000_000
        unknown = call(url, "POST", "/rpc", json={"jsonrpc": "2.0", "id": 8, "method": "eth_nothing"}).json()
        assert unknown["error"]["code"] == -32601
        assert call(url, "POST", "/siem/events", json=[{"a": 1}, {"a": 2}]).json() == {"accepted": 2}
        assert call(url, "GET", "/siem/events").json() == [{"a": 1}, {"a": 2}]
        assert call(url, "GET", "/nowhere").status_code == 404
        assert call(url, "GET", "/rpc").status_code == 405
        assert call(url, "POST", "/rpc", data="{").status_code == 400


def test_episodes_by_http(database: ContractDatabase, redis_server: Redis) -> None:
    with running(database.dsn, redis_server.url(), "--history.hours=0") as (url, _):
        assert set(call(url, "GET", "/control/episodes").json()) >= {"bot_swarm", "slow_rpc", "admin_attack"}
        started = call(url, "POST", "/control/episodes/service-down", json={"service": "ml", "minutes": 5})
        assert started.json()["parameters"] == {"service": "ml"}
        assert call(url, "GET", "/ml/health").status_code == 503
        assert call(url, "GET", "/health").status_code == 200
        assert call(url, "GET", "/").json()["episodes"] == ["service_down"]
        assert call(url, "DELETE", "/control/episodes/service_down").json() == {"stopped": 1}
        assert call(url, "GET", "/ml/health").status_code == 200
        assert call(url, "POST", "/control/episodes/nonsense").status_code == 400
        call(url, "POST", "/control/episodes/admin_attack")
        failures = (
            "SELECT count(*) >= 3 FROM monitoring.security_events"
            " WHERE event_type = 'mfa_failed' AND source_ip = '203.0.113.99'"
        )
        until(lambda: query(database.reader_dsn, failures) == [(True,)])


def test_rows_appear_as_they_happen_and_never_ahead(database: ContractDatabase, redis_server: Redis) -> None:
    flags = ("--history.hours=1", "--rate.per-hour=36000")
    with running(database.dsn, redis_server.url(), *flags) as (_, process):
        until(lambda: (query(database.reader_dsn, NEWEST)[0][0] or 99) < 2)
        for _ in range(10):
            ((age,),) = query(database.reader_dsn, NEWEST)
            assert age >= 0
            time.sleep(0.2)
        with redis_server.client() as client:
            until(lambda: client.get("kpi:txn_per_hour"))
            assert abs(time.time() - float(client.get("kpi:updated_at") or 0)) < 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_lost_servers_are_waited_for_and_caught_up_with(
    own_postgres: Callable[[], Postgres], own_redis: Callable[[], Redis]
) -> None:
    postgres, redis = own_postgres(), own_redis()
    database = create_contract_database(postgres, "lost")
    dsn = f"{database.dsn}&password={SECRET}" if "?" in database.dsn else f"{database.dsn}?password={SECRET}"
    with running(dsn, redis.url(), "--history.hours=0", "--rate.per-hour=36000") as (url, process):
        until(lambda: query(database.dsn, NEWEST)[0][0] is not None)
        postgres.kill9()
        redis.kill9()
        time.sleep(2)
        assert call(url, "GET", "/").ok
        postgres.start()
        redis.start()
        until(lambda: (query(database.dsn, NEWEST)[0][0] or 99) < 2)
        ((gap,),) = query(
            database.dsn,
            "SELECT max(extract(epoch FROM step))::float8 FROM (SELECT timestamp - lag(timestamp) OVER (ORDER BY"
            " timestamp) AS step FROM monitoring.fraud_predictions) AS steps",
        )
        assert gap < 2
        ((rows, distinct),) = query(
            database.dsn, "SELECT count(*), count(DISTINCT transaction_id) FROM monitoring.fraud_predictions"
        )
        assert rows == distinct
        with redis.client() as client:
            until(lambda: client.get("kpi:txn_per_hour"))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        log = process.stderr.read()
    assert "is away" in log
    assert "is back" in log
    assert SECRET not in log


def test_nothing_there_at_the_start(own_redis: Callable[[], Redis]) -> None:
    dsn = f"host=127.0.0.1 port={free_port()} user=u password={SECRET}"
    with running(dsn, own_redis().url()) as (url, process):
        assert call(url, "GET", "/health").ok
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert SECRET not in process.stderr.read()


def test_history_lived_through_at_speed(database: ContractDatabase, redis_server: Redis) -> None:
    # What happens while the process starts is not written: half a second of it is five minutes of the hour.
    flags = ("--history.hours=1", "--speed=600", "--rate.per-hour=3600")
    with running(database.dsn, redis_server.url(), *flags):
        until(lambda: (query(database.reader_dsn, NEWEST)[0][0] or 99) < 10)
        ((rows,),) = query(database.reader_dsn, "SELECT count(*) FROM monitoring.fraud_predictions")
        assert 3300 < rows < 3900
        assert query(database.reader_dsn, NEWEST)[0][0] >= 0


@pytest.mark.parametrize(
    "flags",
    [["--speed", "0.5"], ["--web.listen-address", "8030"], ["--rate.per-hour", "nan"], ["--preset", "other"]],
)
def test_senseless_flags_are_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(flags)
    assert "error" in capsys.readouterr().err
