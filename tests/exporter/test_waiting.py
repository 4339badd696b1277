"""Coroutines side by side on one thread, with real sockets."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from common.deadline import Deadline, DeadlineExceededError
from exporter.waiting import Wait, complete, run

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
