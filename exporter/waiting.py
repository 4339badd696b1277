"""Coroutines that wait for sockets, several at a time, on the thread that needs what they bring.

A scrape asks all its sources at once and goes on as each of them answers. A thread for each would compete for
the interpreter, and an asyncio loop would have to live in a thread of its own; both cost more than the whole rest
of a scrape. What has no socket to wait for, and no time limit either (the resolver), runs as an `Errand`.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
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
    """Run these side by side until each has ended. One that raises ends the others: they are not to.

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


class Errands:
    """A thread, started when first needed, for calls that may hang in spite of all deadlines.

    One that hangs keeps those behind it from beginning, and costs whoever waits no more than the own deadline. Those
    that nobody waits for any more never begin.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: deque[Callable[[], None] | None] = deque()
        self._changed = threading.Condition()
        self._started = False

    async def run(self, function: Callable[[], Result], deadline: Deadline, what: str) -> Result:
        """The function's result.

        Raises:
            DeadlineExceededError: it was not there in time; the function may go on all the same, if it had begun.
            RuntimeError: there is no thread to be had.
            Exception: whatever the function raises.
        """
        outcome: list[Result | Exception] = []
        ours, theirs = socket.socketpair()

        def errand() -> None:
            with theirs:
                try:
                    outcome.append(function())
                except Exception as error:
                    outcome.append(error)

        with ours:
            try:
                self._put(errand)
                # The other end is closed when it is done.
                await Wait(ours.fileno(), select.POLLIN, deadline, what)
            finally:
                if not self._has_begun(errand):
                    theirs.close()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def close(self) -> None:
        """End the thread after what it was given; the next errand starts another."""
        with self._changed:
            if self._started:
                self._started = False
                self._queue.append(None)
                self._changed.notify()

    def _put(self, errand: Callable[[], None]) -> None:
        with self._changed:
            self._queue.append(errand)
            if not self._started:
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
                self._started = True
            self._changed.notify()

    def _has_begun(self, errand: Callable[[], None]) -> bool:
        """Whether it was taken from the queue; if not, it is now, and never begins."""
        with self._changed:
            if errand not in self._queue:
                return True
            self._queue.remove(errand)
            return False

    def _serve(self) -> None:
        while (errand := self._next()) is not None:
            errand()
            # Or its result, perhaps a connection that came too late, would be kept until the next errand.
            del errand

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            return self._queue.popleft()
