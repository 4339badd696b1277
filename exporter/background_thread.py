"""Calls that may hang in spite of all deadlines, such as that of the resolver, away from what must not."""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from common.deadline import Deadline
from exporter.waiting import Wait

Result = TypeVar("Result")


class BackgroundThread:
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
        outcome: list[Result | BaseException] = []
        ours, theirs = socket.socketpair()

        def call() -> None:
            with theirs:
                try:
                    outcome.append(function())
                except BaseException as error:  # or the thread would end, and nobody know
                    outcome.append(error)

        with ours:
            try:
                self._put(call)
                # The other end is closed when it is done.
                await Wait(ours.fileno(), select.POLLIN, deadline, what)
            finally:
                if not self._has_begun(call):
                    theirs.close()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    def close(self) -> None:
        """End the thread after what it was given; the next call starts another."""
        with self._changed:
            if self._started:
                self._started = False
                self._queue.append(None)
                self._changed.notify()

    def _put(self, call: Callable[[], None]) -> None:
        with self._changed:
            self._queue.append(call)
            if not self._started:
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
                self._started = True
            self._changed.notify()

    def _has_begun(self, call: Callable[[], None]) -> bool:
        """Whether it was taken from the queue; if not, it is now, and never begins."""
        with self._changed:
            if call not in self._queue:
                return True
            self._queue.remove(call)
            return False

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            call()
            # Or its result, perhaps a connection that came too late, would be kept until the next call.
            del call

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            return self._queue.popleft()
