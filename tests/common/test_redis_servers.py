"""Servers that cannot be read rightly are refused by name, by both programs and whenever they turn up."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from exporter.app import Exporter
from exporter.config import Config
from testbed.servers.ports import free_port
from testbed.servers.redis import Redis
from tests.common.network import redis_greeting, server
from tests.common.redis_reading import READERS, Reader, refusal, secret, wait_until
from tests.exporter.platform_truth import parse
from tests.exporter.web.serving import secret as connection

A_CLUSTER = "Redis: this is a node of a Redis Cluster, which is not supported: it has a part of the keys"


def cluster() -> list[str]:
    """Options of a node; by default it takes a second port that may be anybody's."""
    return ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]


@pytest.fixture(params=READERS)
def program(request: pytest.FixtureRequest) -> Callable[[str], Reader]:
    """Makes what reads as one of the two programs does."""
    return READERS[request.param]


@pytest.mark.parametrize("all_slots", [False, True])
def test_a_node_of_a_cluster(program: Callable[[str], Reader], all_slots: bool) -> None:
    with Redis(options=cluster()) as node, node.client() as client:
        if all_slots:
            # Every key is on this one, for now.
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        client.acl_setuser("narrow", enabled=True, passwords=["+narrow-pw"], keys=["*"], commands=["+get"])
        assert refusal(program(node.url())) == A_CLUSTER
        assert refusal(program(node.url(3))) == A_CLUSTER
        # That a user may do next to nothing hides nothing.
        assert refusal(program(node.url().replace("//", "//narrow:narrow-pw@"))) == A_CLUSTER


def test_one_that_becomes_a_node_of_a_cluster(program: Callable[[str], Reader], own_redis: Callable[[], Redis]) -> None:
    server = own_redis()
    read = program(server.url())
    assert read("key") is None
    server.options = cluster()
    server.restart()
    assert [refusal(read), refusal(read)] == [A_CLUSTER, A_CLUSTER]
    server.options = ()
    server.restart()
    assert read("key") is None


@pytest.mark.parametrize("answer", [b"-MOVED 1 10.0.0.1:6379", b"-ASK 1 10.0.0.1:6379", b"-CLUSTERDOWN it is down"])
def test_a_cluster_that_says_it_is_none(program: Callable[[str], Reader], answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        while heard := connection.recv(65536):
            connection.sendall(answer + b"\r\n" if b"GET" in heard else redis_greeting(heard))

    with server(serve) as port:
        assert refusal(program(f"redis://127.0.0.1:{port}")) == A_CLUSTER


def test_a_cluster_that_comes_after_the_exporter() -> None:
    node = Redis(options=cluster())
    exporter = Exporter(
        Config(probes={}), postgres_dsn=connection("DSN", "host=/nowhere"), redis_url=secret(node.url())
    )
    try:
        assert "Connection refused" in exporter.unready()[0]
        with node, node.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(lambda: "cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
            client.set("kpi:txn_per_hour", "7")
            text = exporter.scraper.scrape(["kpis", "traffic"], 30).text
            problems = [problem for status in exporter.scraper.statuses().values() for problem in status.problems]
            assert exporter.unready()[0] == A_CLUSTER
    finally:
        exporter.close()
        node.close()
    assert parse(text) == {}
    assert A_CLUSTER in problems


def test_one_that_is_too_old(program: Callable[[str], Reader]) -> None:
    with Redis(options=["--rename-command", "ZMSCORE", ""]) as server:
        found = refusal(program(server.url()))
        assert found.startswith("Redis: this is redis ")
        assert found.endswith(", without the command ZMSCORE: Redis 6.2 or newer is needed")


def test_one_that_does_not_say_what_it_is(program: Callable[[str], Reader]) -> None:
    with Redis(options=["--rename-command", "HELLO", ""]) as server:
        assert "does not say what it is when asked by HELLO; Redis 6.2 or newer" in refusal(program(server.url()))


def test_a_user_without_the_right_to_ask_for_commands(redis_server: Redis) -> None:
    with redis_server.client() as client:
        client.acl_setuser("narrow", enabled=True, passwords=["+narrow-pw"], keys=["*"], commands=["+@read", "+client"])
        client.set("key", "value")
        try:
            read = READERS["exporter"](redis_server.url().replace("//", "//narrow:narrow-pw@"))
            assert read("key") == "value"
        finally:
            client.acl_deluser("narrow")


def test_a_compatible_server_with_numbers_of_its_own(program: Callable[[str], Reader]) -> None:
    hello = b"*6\r\n$6\r\nserver\r\n$5\r\nother\r\n$7\r\nversion\r\n$6\r\ndf-dev\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n"

    def serve(connection: socket.socket) -> None:
        while heard := connection.recv(65536):
            if b"HELLO" in heard:
                connection.sendall(hello + b"-ERR unknown subcommand\r\n")
            elif b"GET" in heard:
                # Whatever else it is asked, it does not know.
                connection.sendall(b"$5\r\nvalue\r\n" + b"-ERR unknown command\r\n" * (heard.count(b"*") - 1))
            else:
                connection.sendall(redis_greeting(heard))

    with server(serve) as port:
        assert program(f"redis://127.0.0.1:{port}")("key") == "value"
