"""Redis behind Sentinels, read by both programs: the master is found, and followed when it is another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis

from common.redis import check_url, connect
from common.secret_text import SecretError
from responder.settings import Settings, SettingsError
from testbed.servers.ports import free_port
from testbed.servers.redis import Redis, Sentinel
from tests.common.network import black_hole
from tests.common.redis_reading import READERS, Reader, refusal, secret, wait_until

PASSWORD = "hush-redis"


@dataclass
class Watched:
    """A master with a replica, and the Sentinel that watches them."""

    master: Redis
    replica: Redis
    sentinel: Sentinel

    @property
    def url(self) -> str:
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:{self.sentinel.port}/main"

    def fail_over(self) -> None:
        """Let the replica be the master, and set what tells them apart."""
        with self.sentinel.client() as sentinel, self.replica.client() as replica:
            sentinel.execute_command("SENTINEL", "FAILOVER", "main")
            wait_until(lambda: sentinel.sentinel_masters()["main"]["port"] == self.replica.port)
            replica.set("key", "new")


@contextmanager
def watched(*options: str, password: str | None = None) -> Iterator[Watched]:
    with (
        Redis(password=PASSWORD, options=options) as master,
        Redis(password=PASSWORD, options=["--replicaof", "127.0.0.1", str(master.port)]) as replica,
        master.client() as client,
    ):
        client.set("key", "old")
        wait_until(lambda: bool(client.execute_command("WAIT", 1, 100)))
        with Sentinel(master, master_password=PASSWORD, password=password) as sentinel:
            yield Watched(master, replica, sentinel)


@pytest.fixture(params=READERS)
def program(request: pytest.FixtureRequest) -> Callable[[str], Reader]:
    """Makes what reads as one of the two programs does."""
    return READERS[request.param]


@pytest.fixture(scope="module")
def quiet() -> Iterator[Watched]:
    """Where nothing is to change; with a password of the Sentinel's own."""
    with watched(password="hush-sentinel") as servers:
        yield servers


def test_the_new_master_is_read_next(program: Callable[[str], Reader]) -> None:
    with watched() as servers:
        read = program(servers.url)
        assert read("key") == "old"
        servers.fail_over()
        assert read("key") == "new"
        settings = Settings(secret(servers.url), "test")
        assert settings.write("key", "newer", expected=("new",), fence=1) == "written"
        assert read("key") == "newer"


def test_a_master_that_nobody_could_tell_that_it_is_none_any_more(program: Callable[[str], Reader]) -> None:
    # As when it is cut off from the Sentinels: it goes on to answer, and to say that it is the master.
    with watched("--rename-command", "SLAVEOF", "", "--rename-command", "REPLICAOF", "") as servers:
        read = program(servers.url)
        assert read("key") == "old"
        servers.fail_over()
        with servers.master.client() as client:
            assert client.info("replication")["role"] == "master"
        assert [read("key"), read("key")] == ["new", "new"]


def test_nothing_is_written_to_a_master_that_was_made_a_replica_by_hand() -> None:
    with watched() as servers, servers.master.client() as master:
        settings = Settings(secret(servers.url), "test")
        assert settings.read("key") == "old"
        servers.sentinel.suspend()
        master.replicaof("127.0.0.1", servers.replica.port)
        with pytest.raises(SettingsError, match="Sentinel: Timeout"):
            settings.write("key", "new", expected=("old",), fence=1)
        servers.sentinel.resume()


def test_a_master_that_hangs(program: Callable[[str], Reader]) -> None:
    with watched() as servers, servers.sentinel.client() as sentinel:
        read = program(servers.url)
        assert read("key") == "old"
        servers.master.suspend()
        refusal(read)
        wait_until(lambda: sentinel.sentinel_masters()["main"]["port"] == servers.replica.port)
        assert read("key") == "old"
        with servers.replica.client() as replica:
            replica.set("key", "new")
        assert read("key") == "new"
        servers.master.resume()


def test_another_sentinel_is_asked_when_one_does_not_answer(program: Callable[[str], Reader], quiet: Watched) -> None:
    with black_hole("127.0.0.1") as hole:
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{hole},localhost:{quiet.sentinel.port}"
        began = time.monotonic()
        url = f"redis+sentinel://default:{PASSWORD}@{hosts}/main/0?sentinel_password=hush-sentinel"
        assert program(url)("key") == "old"
        assert time.monotonic() - began < 1.5


def test_the_database_and_other_options(quiet: Watched) -> None:
    with quiet.master.client(3) as client:
        client.set("third", "3")
    base = f"redis+sentinel://:{PASSWORD}@127.0.0.1:{quiet.sentinel.port}/main"
    login = "sentinel_username=default&sentinel_password=hush-sentinel"
    for url in (f"{base}/3?{login}", f"{base}?db=3&{login}"):
        assert READERS["exporter"](url)("third") == "3"
    connection = connect(f"{base}?{login}&socket_timeout=90", "ours", 2)
    assert isinstance(connection, redis.Connection)
    assert (connection.client_name, connection.socket_timeout) == ("ours", 2)
    connection.disconnect()  # type: ignore[no-untyped-call]


def test_what_is_wrong_is_named(program: Callable[[str], Reader], quiet: Watched) -> None:
    port, query = quiet.sentinel.port, "?sentinel_password=hush-sentinel"
    nobody = f"127.0.0.1:{free_port()}"
    for url, reason in (
        (f"127.0.0.1:{port}/other{query}", "Sentinel knows no master of this name, or takes it to be down"),
        (f"{nobody}/main{query}", "Sentinel: Error 111 connecting to the server. Connection refused."),
        (f"127.0.0.1:{port}/main", "Sentinel: Authentication required."),
        (f"127.0.0.1:{port}/main?sentinel_password=wrong", "Sentinel: invalid username-password pair"),
        (f"127.0.0.1:{quiet.master.port}/main?sentinel_password={PASSWORD}", "Sentinel: this is no Sentinel"),
    ):
        found = refusal(program(f"redis+sentinel://:{PASSWORD}@{url}"))
        assert reason in found
        assert not [piece for piece in (str(port), "127.0.0.1", "hush") if piece in found]
    assert "invalid username-password" in refusal(program(f"redis+sentinel://:wrong@127.0.0.1:{port}/main{query}"))


def test_a_sentinel_given_as_a_redis(program: Callable[[str], Reader], quiet: Watched) -> None:
    for database in ("", "/3"):
        url = f"redis://:hush-sentinel@127.0.0.1:{quiet.sentinel.port}{database}"
        assert "this is a Sentinel, which has no keys: with redis+sentinel://" in refusal(program(url))


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://cache:26379",
        "redis+sentinel://cache:26379/",
        "redis+sentinel://cache:26379/main/x",
        "redis+sentinel://cache:port/main",
        "redis+sentinel://cache,,other/main",
        "redis+sentinel://:Tr0ub4dor/3@cache/main",
        "redis+sentinel://[Tr0ub4dor/main",
        "rediss+sentinel://cache/main?ssl_cert_reqs=Tr0ub4dor",
    ],
)
def test_an_invalid_url(program: Callable[[str], Reader], url: str) -> None:
    assert refusal(program(url)).startswith("Redis: the URL is not valid, or an option in it;")


def test_an_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(SecretError, match=r"^REDIS_URL: the URL has an unknown option: nonsense$"):
        check_url(secret("redis+sentinel://cache/main?nonsense=Tr0ub4dor&sentinel_password=x"))
    with pytest.raises(SecretError, match=r"unknown option: sentinel_password$"):
        check_url(secret("redis://cache/0?sentinel_password=Tr0ub4dor"))
