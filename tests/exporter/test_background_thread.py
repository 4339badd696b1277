"""Calls on a thread of their own."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from functools import partial

import psutil
import pytest

from common.deadline import Deadline, DeadlineExceededError
from exporter.background_thread import BackgroundThread
from exporter.waiting import complete
from tests.exporter.process import wait_until


def test_a_call_brings_its_result_or_its_error() -> None:
    thread = BackgroundThread("test")
    assert complete(thread.run(lambda: threading.current_thread().name, Deadline(5), "a name")) == "test"
    with pytest.raises(ZeroDivisionError):
        complete(thread.run(lambda: 1 // 0, Deadline(5), "a number"))
    with pytest.raises(SystemExit):
        complete(thread.run(sys.exit, Deadline(5), "an end"))
    assert complete(thread.run(lambda: "and goes on", Deadline(5), "a word")) == "and goes on"
    thread.close()
    assert complete(thread.run(lambda: "after its end", Deadline(5), "a word")) == "after its end"
    thread.close()


def test_a_call_that_hangs_costs_no_more_than_the_deadline() -> None:
    thread, release = BackgroundThread("test"), threading.Event()
    with pytest.raises(DeadlineExceededError, match=r"a name: no answer within 0\.1 s"):
        complete(thread.run(release.wait, Deadline(0.1), "a name"))
    with pytest.raises(DeadlineExceededError):
        complete(thread.run(lambda: "behind it", Deadline(0.1), "another"))
    release.set()
    assert complete(thread.run(lambda: "free again", Deadline(5), "a third")) == "free again"
    thread.close()


def test_calls_that_nobody_waits_for_any_more_are_not_run_and_keep_nothing_open() -> None:
    thread, release, begun, late = BackgroundThread("test"), threading.Event(), threading.Event(), list[int]()

    def hang() -> None:
        begun.set()
        release.wait(30)

    with pytest.raises(DeadlineExceededError):
        complete(thread.run(hang, Deadline(0.5), "the first"))
    assert begun.wait(5)
    files = psutil.Process().num_fds()
    for number in range(20):
        with pytest.raises(DeadlineExceededError):
            complete(thread.run(partial(late.append, number), Deadline(0.01), "another"))
    assert psutil.Process().num_fds() == files
    release.set()
    assert complete(thread.run(lambda: "free again", Deadline(5), "the last")) == "free again"
    assert late == []
    thread.close()


def test_a_call_whose_result_comes_too_late_does_not_keep_it() -> None:
    class Connection:
        pass

    thread, release, made = BackgroundThread("test"), threading.Event(), list[weakref.ref[Connection]]()

    def connect() -> Connection:
        connection = Connection()
        made.append(weakref.ref(connection))
        release.wait(30)
        return connection

    with pytest.raises(DeadlineExceededError):
        complete(thread.run(connect, Deadline(0.5), "a connection"))
    release.set()

    def dropped() -> bool:
        gc.collect()
        return made[0]() is None

    wait_until(dropped, what="the connection is dropped")
    thread.close()


def test_a_thread_that_cannot_be_started_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError(f"can't start new thread {thread.name}")

    thread = BackgroundThread("test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        files = psutil.Process().num_fds()
        with pytest.raises(RuntimeError, match="can't start"):
            complete(thread.run(lambda: 1, Deadline(5), "a number"))
        assert psutil.Process().num_fds() == files
    assert complete(thread.run(lambda: 1, Deadline(5), "a number")) == 1
    thread.close()
