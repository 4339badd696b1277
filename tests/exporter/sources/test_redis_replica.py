"""A replica of Redis is as good as its master, until it is late: on real servers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import pytest

from common.yaml_files import Duration
from exporter.app import Exporter
from exporter.config import Config
from exporter.sources.replication import PING_SECONDS, RedisReplica
from testbed.servers.redis import Redis
from tests.exporter.web.serving import exporter_of, wait_for

LIMIT = 1.5
LAG = 'ticketing_source_lag_seconds{source="redis"}'
SUCCESS = 'ticketing_exporter_collector_success{collector="fraud"}'
MODEL = 'ticketing_fraud_model_active{model="xgboost"}'


@pytest.fixture
def pair(own_redis: Callable[[], Redis]) -> tuple[Redis, Redis]:
    """A master and its replica, which has all there is, and misses its master after 2 s."""
    master, replica = own_redis(), own_redis()
    with master.client() as client:
        client.config_set("repl-ping-replica-period", 1)
        client.config_set("repl-diskless-sync-delay", 0)
        client.set("config:fraud_model", "xgboost")
    with replica.client() as client:
        client.config_set("repl-timeout", 2)
        client.replicaof("127.0.0.1", master.port)
        wait_for(lambda: client.get("config:fraud_model") == "xgboost")
    return master, replica


@pytest.fixture
def exporter(pair: tuple[Redis, Redis]) -> Iterator[Exporter]:
    _, replica = pair
    exporter = exporter_of("host=127.0.0.1 port=1", replica.url(), Config(probes={}, max_lag=Duration(LIMIT)))
    yield exporter
    exporter.close()


def scrape(exporter: Exporter) -> dict[str, float]:
    """Values by series, as they are written."""
    lines = exporter.scraper.scrape(["fraud"], 20).text.decode().splitlines()
    split = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in split}


def ready(exporter: Exporter) -> bool:
    return not any(reason.startswith("Redis") for reason in exporter.unready())


@pytest.mark.parametrize("end", [Redis.kill9, Redis.suspend], ids=["gone", "frozen"])
def test_a_replica_without_its_master(
    exporter: Exporter, pair: tuple[Redis, Redis], end: Callable[[Redis], None]
) -> None:
    master, _ = pair
    samples = scrape(exporter)
    assert (samples[LAG], samples[MODEL]) == (0, 1)
    wait_for(lambda: ready(exporter))
    end(master)
    wait_for(lambda: MODEL not in scrape(exporter))
    assert LIMIT < scrape(exporter)[LAG] < 20
    assert any(problem.endswith("late; max_lag is 1.5 s") for problem in exporter.scraper.statuses()["fraud"].problems)
    wait_for(lambda: not ready(exporter))
    if master.running:
        master.resume()
    else:
        master.start()
        with master.client() as client:
            client.set("config:fraud_model", "xgboost")
    wait_for(lambda: MODEL in scrape(exporter))
    assert scrape(exporter)[LAG] == 0
    wait_for(lambda: ready(exporter))


def test_a_user_that_may_not_ask_reads_all_the_same(own_redis: Callable[[], Redis]) -> None:
    server = own_redis()
    with server.client() as client:
        client.set("config:fraud_model", "xgboost")
        client.execute_command("ACL", "SETUSER", "exporter", "on", ">pw", "~config:*", "+@read", "+@connection")
        exporter = exporter_of("host=127.0.0.1 port=1", server.url().replace("//", "//exporter:pw@"))
        try:
            for _ in range(3):
                samples = scrape(exporter)
                assert samples[MODEL] == 1
                assert not [series for series in samples if "ticketing_source_" in series and "redis" in series]
                time.sleep(0.6)
            # Asked once on a connection, so that the server's log of refusals stays useful.
            refusals = client.execute_command("ACL", "LOG")
            assert {entry["object"]: entry["count"] for entry in refusals} == {"info": 1, "time": 1}
        finally:
            exporter.close()


# --- what INFO says


def info(status: str, *, silent: int = -1, down: int | None = None) -> str:
    lines = ["# Replication", "role:slave", "master_host:10.0.0.1", f"master_link_status:{status}"]
    lines += [f"master_last_io_seconds_ago:{silent}", "master_sync_in_progress:0"]
    lines += [f"master_link_down_since_seconds:{down}"] if down is not None else []
    return "\r\n".join([*lines, "connected_slaves:0", ""])


def test_a_master_that_falls_silent_is_noticed_before_the_link_is_down() -> None:
    replica = RedisReplica()
    assert replica.lag(info("up", silent=PING_SECONDS)) == 0
    assert replica.lag(info("up", silent=45)) == 45
    # The link counts from its own end, but nothing has come since.
    assert replica.lag(info("down", down=0)) == pytest.approx(45, abs=1)
    assert replica.lag(info("up", silent=0)) == 0
    assert replica.lag(info("down", down=3)) == pytest.approx(3, abs=1)


def test_a_replica_that_never_had_its_master_is_late_without_measure() -> None:
    assert RedisReplica().lag(info("down", down=-1)) == math.inf
    assert RedisReplica().lag(info("down")) == math.inf
    assert RedisReplica().lag(info("down", down=7)) == 7


def test_a_master_is_never_late() -> None:
    assert (
        RedisReplica().lag("# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,lag=99\r\n") == 0
    )
