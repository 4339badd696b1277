"""Every address of a name has its chance, and the resolver no more time than there is."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from common.addresses import MOST_LOOKUPS, STAGGER_SECONDS, connect, resolve
from common.deadline import Deadline, DeadlineExceededError
from testbed.servers.ports import free_port
from tests.common.network import black_hole, name_hosts, server


def hold(connection: socket.socket) -> None:
    connection.recv(1)


def test_an_address_that_does_not_answer_costs_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"both": ["::1", "127.0.0.1"]})
    with server(hold) as port, black_hole("::1", port):
        began = time.monotonic()
        with connect("both", port, Deadline(5)) as connection:
            assert connection.getpeername()[0] == "127.0.0.1"
        assert time.monotonic() - began < 4 * STAGGER_SECONDS
        # The stagger is part of the time, however little there is.
        connect("both", port, Deadline(0.2)).close()


def test_an_address_that_refuses_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"both": ["::1", "127.0.0.2", "127.0.0.1"]})
    with server(hold) as port:
        began = time.monotonic()
        connect("both", port, Deadline(5)).close()
        assert time.monotonic() - began < 2 * STAGGER_SECONDS  # were all waited for, it would be three times that


def test_an_address_that_answers_late_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"slow": ["127.0.0.2", "127.0.0.3"]})
    port = free_port()
    with black_hole("127.0.0.3", port):
        with black_hole("127.0.0.2", port):
            found: list[socket.socket] = []
            thread = threading.Thread(target=lambda: found.append(connect("slow", port, Deadline(10))))
            thread.start()
            time.sleep(2 * STAGGER_SECONDS)
        # TCP tries again after a second or so; by then somebody listens there.
        with server(hold, "127.0.0.2", port):
            thread.join()
            assert found[0].getpeername()[0] == "127.0.0.2"
            found[0].close()


def test_no_address_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"gone": ["::1", "127.0.0.2"]})
    with black_hole("::1") as port, black_hole("127.0.0.2", port):
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError, match=r"^the connection: no answer within 0\.5 s$"):
            connect("gone", port, Deadline(0.5))
        assert 0.4 < time.monotonic() - began < 2


def test_refused_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(monkeypatch, {"closed": ["::1", "127.0.0.1"]})
    with pytest.raises(OSError, match=r"^\[Errno \d+\] Connection refused$"):
        connect("closed", free_port(), Deadline(5))


def test_kinds_of_address_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    name_hosts(
        monkeypatch, {"many": ["2001:db8::1", "2001:db8::2", "2001:db8::2", "2001:db8::3", "10.0.0.1", "10.0.0.2"]}
    )
    assert resolve("many", Deadline(1)) == ["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2", "2001:db8::3"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses_need_no_resolver(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not even while it hangs with as many names as it may.
    hanging = threading.Event()
    names = {f"name-{number}": hanging for number in range(MOST_LOOKUPS)}
    name_hosts(monkeypatch, names)
    try:
        for name in names:
            with pytest.raises(DeadlineExceededError):
                resolve(name, Deadline(0))
        with pytest.raises(OSError, match="the resolver is busy with 32 other names"):
            resolve("one-more", Deadline(5))
        assert resolve(host, Deadline(0)) == [host]
    finally:
        hanging.set()
        for thread in threading.enumerate():
            if thread.name == "resolve":
                thread.join()


def test_a_resolver_that_hangs_is_asked_once_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    asked = name_hosts(monkeypatch, {"hangs": hanging})
    threads = threading.active_count()
    for _ in range(5):
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError, match=r"^the resolver: no answer within 0\.1 s$"):
            connect("hangs", 80, Deadline(0.1))
        assert time.monotonic() - began < 2
    assert asked == ["hangs"]
    assert threading.active_count() == threads + 1
    hanging.set()
    with pytest.raises(OSError, match="Temporary failure in name resolution"):
        connect("hangs", 80, Deadline(5))
    name_hosts(monkeypatch, {"hangs": ["127.0.0.1"]})
    assert resolve("hangs", Deadline(5)) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70, ""])
def test_a_name_that_leads_nowhere_is_not_quoted(host: str) -> None:
    with pytest.raises(OSError, match=r"not (known|valid)") as refusal:
        resolve(host, Deadline(10))
    assert not host or host not in str(refusal.value)
