"""Coroutines that wait for sockets, several at a time, on the thread that needs what they bring.

A scrape asks all its sources at once and goes on as each of them answers. A thread for each would compete for
the interpreter, and an asyncio loop would have to live in a thread of its own; both cost more than the whole rest
of a scrape. What has no socket to wait for, and no time limit either, runs on a `BackgroundThread`.
"""

from __future__ import annotations

import errno
import select
from collections.abc import Coroutine, Generator, Iterable
from typing import TypeVar

from common.deadline import Deadline

Result = TypeVar("Result")


class Wait:
    """Until a descriptor is ready, or the deadline has passed: `await Wait(…)`.

    Args:
        descriptor: of a socket.
        event: `select.POLLIN` or `select.POLLOUT`.
        deadline: when to give up.
        what: named in the error.

    Raises:
        DeadlineExceededError: where it is awaited; nothing was ready in time.
    """

    __slots__ = ("deadline", "descriptor", "event", "what")

    def __init__(self, descriptor: int, event: int, deadline: Deadline, what: str) -> None:
        self.descriptor = descriptor
        self.event = event
        self.deadline = deadline
        self.what = what

    def __await__(self) -> Generator[Wait, None, None]:
        yield self


def run(coroutines: Iterable[Coroutine[Wait, None, None]]) -> None:
    """Run these side by side until each has ended. They must not raise: an exception would end the others.

    What cannot be waited for, such as a descriptor that is closed, is raised where it is awaited.
    """
    poller = select.poll()
    waiting: dict[int, tuple[Coroutine[Wait, None, None], Wait]] = {}

    def advance(coroutine: Coroutine[Wait, None, None], error: Exception | None = None) -> None:
        while True:
            try:
                wait = coroutine.throw(error) if error else coroutine.send(None)
            except StopIteration:
                return
            try:
                if wait.descriptor in waiting:
                    raise OSError(errno.EBUSY, "somebody else waits for it already")
                poller.register(wait.descriptor, wait.event)
            except Exception as problem:
                error = problem
                continue
            waiting[wait.descriptor] = (coroutine, wait)
            return

    for coroutine in coroutines:
        advance(coroutine)
    while waiting:
        left = min(wait.deadline.remaining() for _, wait in waiting.values())
        ready = [descriptor for descriptor, _ in poller.poll(max(0.0, left) * 1000)]
        late = [] if ready else [number for number, (_, wait) in waiting.items() if wait.deadline.remaining() <= 0]
        for descriptor in (*ready, *late):
            coroutine, wait = waiting.pop(descriptor)
            poller.unregister(descriptor)
            advance(coroutine, wait.deadline.exceeded(wait.what) if late else None)


def complete(coroutine: Coroutine[Wait, None, Result]) -> Result:
    """The result of one coroutine; what it raises passes through."""
    results: list[Result] = []

    async def keep() -> None:
        results.append(await coroutine)

    run([keep()])
    return results[0]
