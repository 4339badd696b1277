"""The real servers start, fail and end as the fault tests need them to."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import psycopg2
import pytest
import redis
import requests

from testbed.servers.contract import ContractDatabase
from testbed.servers.node_exporter import NodeExporter
from testbed.servers.ports import free_port, is_free
from testbed.servers.postgres import Postgres
from testbed.servers.process import ProgramError, family, state
from testbed.servers.prometheus import Prometheus
from testbed.servers.redis import Redis
from testbed.servers.server import Server


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie, which its parent has not read, has ended, too."""
    return state(pid) in "ZX"


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 30) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def scalar(dsn: str, statement: str) -> object:
    connection = psycopg2.connect(dsn, connect_timeout=5)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone()
            return None if row is None else row[0]
    finally:
        connection.close()


@pytest.fixture
def prometheus_config(tmp_path: Path) -> Path:
    config = tmp_path / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1s}\n")
    return config


def test_free_ports_are_distinct_and_free() -> None:
    ports = {free_port() for _ in range(100)}
    assert len(ports) == 100
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("kind", [Postgres, Redis, NodeExporter])
def test_close_leaves_nothing(kind: type[Server]) -> None:
    with kind() as server:
        pids = family(server.pid)
        assert server.running
        assert not is_free(server.port)
    assert not server.running
    assert all(gone(pid) for pid in pids)
    assert is_free(server.port)
    assert not server.directory.exists()


def test_a_given_directory_stays(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as server:
        assert server.client().ping()
    assert (tmp_path / "redis").is_dir()


def test_postgres_restarts_on_the_same_port_with_its_data(own_postgres: Callable[[], Postgres]) -> None:
    server = own_postgres()
    port = server.port
    server.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    modes: list[Literal["smart", "fast", "immediate"]] = ["smart", "fast", "immediate"]
    for mode in modes:
        server.stop(mode)
        assert is_free(port)
        server.start()
        assert server.port == port
        assert scalar(server.dsn(), "SELECT answer FROM kept") == 42


def test_postgres_comes_back_after_kill9(own_postgres: Callable[[], Postgres]) -> None:
    server = own_postgres()
    pids = family(server.pid)
    assert len(pids) > 1
    server.kill9()
    assert all(gone(pid) for pid in pids)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.dsn())
    server.start()
    assert scalar(server.dsn(), "SELECT 1") == 1


def test_suspended_postgres_neither_answers_nor_hangs_up(own_postgres: Callable[[], Postgres]) -> None:
    server = own_postgres()
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(scalar(server.dsn(), "SELECT 1")))
    connection = psycopg2.connect(server.dsn())
    server.suspend()
    assert server.running
    assert state(connection.info.backend_pid) == "T"
    asking.start()
    asking.join(0.3)
    assert answers == []
    server.resume()
    asking.join(30)
    assert answers == [1]
    connection.close()


def test_a_suspended_server_can_be_closed() -> None:
    with Postgres() as server:
        server.suspend()
    assert not server.running


def test_postgres_password(own_postgres: Callable[[], Postgres]) -> None:
    server = own_postgres()
    server.require_password("reader", "p@ss/word ünï")
    assert scalar(server.dsn("reader", password="p@ss/word ünï"), "SELECT current_user") == "reader"
    for wrong in (None, "wrong"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(server.dsn("reader", password=wrong))
    assert scalar(server.dsn(), "SELECT current_user") == "postgres"


def test_a_server_that_cannot_start_says_why(redis_server: Redis) -> None:
    with pytest.raises(ProgramError, match="in use"), Redis(port=redis_server.port):
        pass


def test_redis_kill_and_suspend(own_redis: Callable[[], Redis]) -> None:
    server = own_redis()
    patient = redis.Redis.from_url(server.url(), socket_timeout=0.3, retry=None)
    server.suspend()
    with pytest.raises(redis.TimeoutError):
        patient.ping()
    server.resume()
    server.client().set("key", "value")
    server.kill9()
    with pytest.raises(redis.ConnectionError):
        server.client().ping()
    server.start()
    assert server.client().get("key") is None


def test_redis_keeps_data_with_a_snapshot_rule_and_asks_for_the_password() -> None:
    with Redis(password="se:cret/", save="3600 1") as server:
        server.client().set("key", "value")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(f"redis://127.0.0.1:{server.port}", retry=None).ping()
        server.restart()
        assert server.client().get("key") == "value"


def test_prometheus_answers_queries(prometheus_config: Path) -> None:
    with Prometheus(prometheus_config) as server:
        assert server.query("vector(1) + 1") == [({}, 2.0)]
        assert server.query("vector(time())", time=1000.0) == [({}, 1000.0)]
        with pytest.raises(requests.HTTPError, match="refuses"):
            server.query("not promql")


def test_database_is_fresh_and_has_partitions(database: ContractDatabase) -> None:
    database.add_partitions(days_back=40)
    for days in (-40, -3, 0, 2):
        statement = (
            "INSERT INTO platform.transactions (occurred_at, transaction_id, kind)"
            f" VALUES (now() + interval '{days} days', 'x', 'purchase') RETURNING 1"
        )
        assert scalar(database.dsn, statement) == 1
    assert scalar(database.reader_dsn, "SELECT count(*) FROM monitoring.transactions") == 0
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        scalar(database.reader_dsn, "SELECT count(*) FROM platform.transactions")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        scalar(database.responder_dsn, "SELECT count(*) FROM monitoring.transactions")


def test_redis_client_is_empty_and_gives_text(redis_client: redis.Redis) -> None:
    assert redis_client.keys() == []
    redis_client.set("key", "1")
    assert redis_client.get("key") == "1"


PARENT = """
import sys, time
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
with Postgres() as postgres, Redis() as redis:
    if "suspended" in sys.argv:
        redis.suspend()
    print(postgres.pid, redis.pid, postgres.directory, redis.directory, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["running", "suspended"])
def test_servers_die_with_their_parent(how: str) -> None:
    """A parent killed with SIGKILL can clean up nothing; the kernel does."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, how], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    postgres_pid, redis_pid, *directories = parent.stdout.readline().split()
    pids = family(int(postgres_pid)) | family(int(redis_pid))
    parent.kill()
    parent.wait()
    wait_for(lambda: all(gone(pid) for pid in pids))
    for directory in directories:
        shutil.rmtree(directory)
