"""Coroutines side by side on one thread, with real sockets."""

from __future__ import annotations

import gc
import select
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial

import psutil
import pytest

from common.deadline import Deadline, DeadlineExceededError
from exporter.waiting import Errands, Wait, complete, run
from tests.exporter.process import wait_until

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    pairs = [socket.socketpair() for _ in range(2)]
    yield pairs
    for pair in pairs:
        for end in pair:
            end.close()


async def word(source: socket.socket, deadline: Deadline) -> bytes:
    await Wait(source.fileno(), select.POLLIN, deadline, "the word")
    return source.recv(100)


def test_each_goes_on_when_its_own_socket_is_ready(pairs: list[Pair]) -> None:
    (first, first_end), (second, second_end) = pairs
    heard: list[bytes] = []

    async def listen(source: socket.socket, answer: socket.socket) -> None:
        heard.append(await word(source, Deadline(5)))
        answer.send(b"then the first")

    async def last(source: socket.socket) -> None:
        heard.append(await word(source, Deadline(5)))

    second_end.send(b"the second first")
    run([last(first), listen(second, first_end)])
    assert heard == [b"the second first", b"then the first"]


def test_one_that_is_late_costs_the_others_nothing(pairs: list[Pair]) -> None:
    (silent, _), (ready, ready_end) = pairs
    outcomes: list[object] = []

    async def keep(source: socket.socket, deadline: Deadline) -> None:
        try:
            outcomes.append(await word(source, deadline))
        except DeadlineExceededError as error:
            outcomes.append(str(error))

    ready_end.send(b"here")
    started = time.monotonic()
    run([keep(silent, Deadline(0.2)), keep(ready, Deadline(5))])
    assert outcomes == [b"here", "the word: no answer within 0.2 s"]
    assert time.monotonic() - started < 2


def test_several_may_be_late_one_after_the_other(pairs: list[Pair]) -> None:
    (first, _), (second, _) = pairs
    late: list[float] = []

    async def expect_nothing(source: socket.socket, seconds: float) -> None:
        with pytest.raises(DeadlineExceededError):
            await word(source, Deadline(seconds))
        late.append(seconds)

    run([expect_nothing(first, 0.2), expect_nothing(second, 0.1)])
    assert late == [0.1, 0.2]


def test_the_result_or_the_error_of_one(pairs: list[Pair]) -> None:
    (source, end), (silent, _) = pairs
    end.send(b"word")
    assert complete(word(source, Deadline(5))) == b"word"
    with pytest.raises(DeadlineExceededError, match="the word"):
        complete(word(silent, Deadline(0.05)))


def test_an_errand_brings_its_result_or_its_error() -> None:
    errands = Errands("test")
    assert complete(errands.run(lambda: threading.current_thread().name, Deadline(5), "a name")) == "test"
    with pytest.raises(ZeroDivisionError):
        complete(errands.run(lambda: 1 // 0, Deadline(5), "a number"))
    errands.close()
    assert complete(errands.run(lambda: "after its end", Deadline(5), "a word")) == "after its end"
    errands.close()


def test_an_errand_that_hangs_costs_no_more_than_the_deadline() -> None:
    errands, release = Errands("test"), threading.Event()
    with pytest.raises(DeadlineExceededError, match=r"a name: no answer within 0\.1 s"):
        complete(errands.run(release.wait, Deadline(0.1), "a name"))
    with pytest.raises(DeadlineExceededError):
        complete(errands.run(lambda: "behind it", Deadline(0.1), "another"))
    release.set()
    assert complete(errands.run(lambda: "free again", Deadline(5), "a third")) == "free again"
    errands.close()


def test_errands_that_nobody_waits_for_any_more_are_not_run_and_keep_nothing_open() -> None:
    errands, release, begun, late = Errands("test"), threading.Event(), threading.Event(), list[int]()

    def hang() -> None:
        begun.set()
        release.wait(30)

    with pytest.raises(DeadlineExceededError):
        complete(errands.run(hang, Deadline(0.5), "the first"))
    assert begun.wait(5)
    files = psutil.Process().num_fds()
    for number in range(20):
        with pytest.raises(DeadlineExceededError):
            complete(errands.run(partial(late.append, number), Deadline(0.01), "another"))
    assert psutil.Process().num_fds() == files
    release.set()
    assert complete(errands.run(lambda: "free again", Deadline(5), "the last")) == "free again"
    assert late == []
    errands.close()


def test_an_errand_whose_result_comes_too_late_does_not_keep_it() -> None:
    class Connection:
        pass

    errands, release, made = Errands("test"), threading.Event(), list[weakref.ref[Connection]]()

    def connect() -> Connection:
        connection = Connection()
        made.append(weakref.ref(connection))
        release.wait(30)
        return connection

    with pytest.raises(DeadlineExceededError):
        complete(errands.run(connect, Deadline(0.5), "a connection"))
    release.set()

    def dropped() -> bool:
        gc.collect()
        return made[0]() is None

    wait_until(dropped, what="the connection is dropped")
    errands.close()


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError(f"can't start new thread {thread.name}")

    errands = Errands("test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        files = psutil.Process().num_fds()
        with pytest.raises(RuntimeError, match="can't start"):
            complete(errands.run(lambda: 1, Deadline(5), "a number"))
        assert psutil.Process().num_fds() == files
    assert complete(errands.run(lambda: 1, Deadline(5), "a number")) == 1
    errands.close()
