"""Connections to PostgreSQL, as exporter and responder open them: hosts, addresses, and what errors say."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
import trustme

import responder.postgres
from common.deadline import Deadline, DeadlineExceededError
from common.postgres import PostgresError
from common.secret_text import SecretText
from exporter.sources.postgres import PostgresSource
from exporter.waiting import complete
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from tests.common.network import black_hole, hanging_name, name_hosts

Ask = Callable[..., Any]


def ask_exporter(dsn: str, seconds: float = 5, sql: str = "SELECT 1") -> Any:
    source = PostgresSource(SecretText("POSTGRES_DSN", {"POSTGRES_DSN": dsn}), "test")
    try:
        return complete(source.query(sql, (), Deadline(seconds)))[0][0]
    finally:
        source.close()


def ask_responder(dsn: str, seconds: float = 5, sql: str = "SELECT 1") -> Any:
    def work(cursor: responder.postgres.Cursor) -> Any:
        cursor.execute(sql)
        return cursor.fetchall()[0][0]

    with ExitStack() as stack:
        responder.postgres.limit_waiting()
        stack.callback(psycopg2.extensions.set_wait_callback, None)
        return responder.postgres.Postgres(SecretText("POSTGRES_DSN", {"POSTGRES_DSN": dsn}), "test").run(work, seconds)


@pytest.fixture(params=[ask_exporter, ask_responder], ids=["exporter", "responder"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Asks as one of the two programs does."""
    chosen: Ask = request.param
    return chosen


def refusal(ask: Ask, dsn: str, seconds: float = 5) -> str:
    with pytest.raises((PostgresError, DeadlineExceededError)) as caught:
        ask(dsn, seconds)
    return str(caught.value).removeprefix("PostgreSQL: ")


# --- versions


def test_a_server_that_is_too_old(ask: Ask, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(postgres.dsn()) == 1
    monkeypatch.setattr("common.postgres.OLDEST", 99)
    message = refusal(ask, postgres.dsn())
    assert message.startswith("this is PostgreSQL 1")
    assert message.endswith("; 99 or newer is needed")


# --- addresses


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    ask: Ask, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_hosts(monkeypatch, {"both": ["::1", "127.0.0.1"]})
    dsn = f"postgresql://postgres@both:{postgres.port}/postgres"
    with black_hole("::1", postgres.port):
        assert ask(dsn, 3, "SELECT host(inet_server_addr())") == "127.0.0.1"


def test_every_host_and_each_of_its_addresses(ask: Ask, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = hanging_name(monkeypatch)
    name_hosts(monkeypatch, {"none": ["127.0.0.2", "::1"], "one": ["127.0.0.1"]})
    hosts = f"{hangs}:{free_port()},none:{free_port()},one:{postgres.port}"
    assert ask(f"postgresql://postgres@{hosts}/postgres", 4) == 1


def test_none_in_time(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"gone": ["::1", "127.0.0.2"]})
    with black_hole("::1") as port, black_hole("127.0.0.2", port):
        began = time.monotonic()
        assert "no answer" in refusal(ask, f"host=gone port={port} user=postgres", 0.5)
        assert time.monotonic() - began < 1.5


def test_a_resolver_that_hangs(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    host = hanging_name(monkeypatch)
    began = time.monotonic()
    assert "no answer" in refusal(ask, f"host={host} user=postgres", 0.5)
    assert time.monotonic() - began < 1.5


def test_an_address_that_is_given_is_not_looked_up(
    ask: Ask, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = name_hosts(monkeypatch, {"never": threading.Event()})
    assert ask(f"host=never hostaddr=127.0.0.1 port={postgres.port} user=postgres") == 1
    assert asked == []


# --- the name of the host stays what it is


def test_pgpass_goes_by_the_name(ask: Ask, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.require_password("by_name", "Tr0ub4dor")
    name_hosts(monkeypatch, {"db.example": ["127.0.0.1"]})
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:*:*:*:wrong\ndb.example:{postgres.port}:*:by_name:Tr0ub4dor\n")
    file.chmod(0o600)
    dsn = f"host=db.example port={postgres.port} user=by_name dbname=postgres passfile={file}"
    assert ask(dsn, sql="SELECT current_user::text") == "by_name"


@pytest.fixture(scope="module")
def secure() -> Iterator[tuple[Postgres, Path]]:
    """A server with a certificate for db.example, and the file of its authority."""
    authority = trustme.CA()
    with ExitStack() as stack:
        server = Postgres(settings={"ssl": "on"})
        server.prepare()
        certificate = authority.issue_cert("db.example")
        certificate.private_key_pem.write_to_path(str(server.data / "server.key"))
        certificate.cert_chain_pems[0].write_to_path(str(server.data / "server.crt"))
        for name in ("server.key", "server.crt"):
            (server.data / name).chmod(0o600)
            if server.user is not None:
                shutil.chown(server.data / name, server.user)
        authority.cert_pem.write_to_path(str(server.directory / "ca.pem"))
        stack.enter_context(server)
        yield server, server.directory / "ca.pem"


def test_tls_is_verified_by_the_name(ask: Ask, secure: tuple[Postgres, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, authority = secure
    name_hosts(monkeypatch, {"db.example": ["::1", "127.0.0.1"], "other.example": ["127.0.0.1"]})
    rest = f"port={server.port} user=postgres sslmode=verify-full sslrootcert={authority}"
    assert ask(f"host=db.example {rest}", sql="SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    message = refusal(ask, f"host=other.example {rest}")
    assert "does not match host name" in message
    assert "other.example" not in message


# --- which of several servers


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[int, int]]:
    """Ports of a primary, and of one that is in hot standby."""
    with ExitStack() as stack:
        primary, standby = Postgres(), Postgres(settings={"hot_standby": "on", "wal_level": "replica"})
        stack.enter_context(primary)
        stack.enter_context(Postgres(standby.directory, standby.port, {"wal_level": "replica"})).stop()
        (standby.data / "standby.signal").touch()
        yield primary.port, stack.enter_context(standby).port


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("primary", "primary"),
        ("read-write", "primary"),
        ("standby", "standby"),
        ("read-only", "standby"),
        ("prefer-standby", "standby"),
        ("any", "primary"),
    ],
)
def test_target_session_attrs(ask: Ask, pair: tuple[int, int], wanted: str, expected: str) -> None:
    primary, standby = pair
    orders = [(primary, standby)] if wanted == "any" else [(primary, standby), (standby, primary)]
    for first, second in orders:
        dsn = f"postgresql://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs={wanted}"
        assert ask(dsn, sql="SELECT pg_is_in_recovery()") == (expected == "standby")


def test_a_preference_is_none_where_there_is_no_standby(ask: Ask, postgres: Postgres) -> None:
    assert ask(f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres?target_session_attrs=prefer-standby") == 1
    message = refusal(ask, f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres?target_session_attrs=standby")
    assert message == "server is not in hot standby mode"


def test_load_is_balanced_over_hosts(ask: Ask, pair: tuple[int, int]) -> None:
    dsn = f"host=127.0.0.1,127.0.0.1 port={pair[0]},{pair[1]} user=postgres load_balance_hosts=random"
    found = {ask(dsn, sql="SELECT pg_is_in_recovery()") for _ in range(40)}
    assert found == {True, False}


# --- what errors say

INVALID = (
    "the connection string is not a valid libpq DSN or URL;"
    " in the password of a URL, characters such as / ? # @ % are written as %2F %3F %23 %40 %25"
)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://reader:Tr0ub4dor/3@host/tickets",
        "postgresql://reader:1234/Tr0ub4dor@host/tickets",
        "postgresql://127.0.0.1:1234/Tr0ub4dor@host/tickets",
        "postgresql://reader:1234?Tr0ub4dor@host/tickets",
        "postgresql://reader:1234#Tr0ub4dor@host/tickets",
        "postgresql://reader:Tr0ub4dor@3@host/tickets",
        "postgresql://reader:a@1234/Tr0ub4dor@host/tickets",
        "postgresql://reader:Tr0ub4dor%3@host/tickets",
        "host=db password=Tr0ub4dor 3 user=x",
        "host=db port=Tr0ub4dor",
        "Tr0ub4dor",
    ],
)
def test_a_broken_connection_string_is_not_quoted(ask: Ask, dsn: str) -> None:
    assert refusal(ask, dsn) == INVALID


def test_no_error_of_a_connection_has_a_piece_of_the_connection_string(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_hosts(monkeypatch, {"db.example": ["127.0.0.1", "::1"]})
    port = free_port()
    short, long = "/tmp/no-such-directory", tmp_path / ("x" * 107)
    messages = {
        dsn: refusal(ask, dsn)
        for dsn in (
            f"postgresql://us:hush@db.example:{port}/name",
            f"postgresql://us:hush@127.0.0.1:{port},[::1]:{port}/name",
            f"host={short} port={port}",
            f"host={long} port={port}",
            "host=no-such-host.invalid",
            f"host=127.0.0.1 port={port} sslmode=Tr0ub4dor",
            f"host=127.0.0.1 port={port} target_session_attrs=Tr0ub4dor",
            f"host=127.0.0.1 port={port} sslmode=verify-full sslrootcert=/Tr0ub4dor",
        )
    }
    for dsn, message in messages.items():
        for piece in ("roub4dor", "hush", str(port), "127.0.0.1", "::1", "example", "invalid.", short, str(tmp_path)):
            assert piece not in message, (dsn, message)
    assert "Connection refused" in messages[f"postgresql://us:hush@db.example:{port}/name"]
    too_long = messages[f"host={long} port={port}"]
    assert too_long == "Unix-domain socket path is too long (maximum 107 bytes)"
    assert "the host cannot be resolved: Name or service not known" in messages["host=no-such-host.invalid"]


def test_what_the_server_refuses_is_said(ask: Ask, postgres: Postgres) -> None:
    postgres.require_password("sesame", "Tr0ub4dor")
    dsn = f"postgresql://sesame:wrong-1@127.0.0.1:{postgres.port}/postgres"
    assert refusal(ask, dsn) == 'FATAL: password authentication failed for user "sesame"'
    assert 'database "none" does not exist' in refusal(ask, postgres.dsn(dbname="none"))
