"""Probes on their own schedule: results, changes, tries that hang."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from common.deadline import Deadline
from common.yaml_files import Duration
from exporter.collectors import health
from exporter.collectors.base import Moment
from exporter.config import HttpProbe, JsonRpcProbe, ProbeBase, TcpProbe
from exporter.probes.kinds import Sources
from exporter.probes.schedule import Result, Schedule
from exporter.waiting import complete
from tests.exporter.probes.service import NONE, Service
from tests.exporter.web.serving import wait_for


@contextmanager
def schedule(**probes: ProbeBase) -> Iterator[Schedule]:
    running = Schedule(probes, NONE)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def awaited(running: Schedule, name: str, condition: Callable[[Result], bool] = lambda _: True) -> Result:
    """The first result of a probe that is as it should be."""
    found: list[Result] = []

    def there() -> bool:
        result = running.results(time.time()).get(name)
        if result is not None and condition(result):
            found.append(result)
        return bool(found)

    wait_for(there)
    return found[0]


OFTEN = Duration(0.05)


def test_results_follow_the_service(service: Service) -> None:
    service.body = b'{"id": 1, "result": "0x1"}'
    with schedule(rpc=JsonRpcProbe(url=service.url, interval=Duration(0.5), timeout=Duration(0.5))) as running:
        assert awaited(running, "rpc").success
        service.status = 503
        assert not awaited(running, "rpc", lambda result: not result.success).slow
        service.status = 200
        awaited(running, "rpc", lambda result: result.success)


def test_slow_is_above_twice_the_baseline_and_only_of_successes(service: Service) -> None:
    fast = HttpProbe(url=f"{service.url}/status/200", baseline=Duration(3600))
    slow = HttpProbe(url=f"{service.url}/status/200", baseline=Duration(1e-9))
    failed = HttpProbe(url=f"{service.url}/status/500", baseline=Duration(1e-9))
    plain = HttpProbe(url=f"{service.url}/status/200")
    with schedule(fast=fast, slow=slow, failed=failed, plain=plain) as running:
        found = {name: awaited(running, name) for name in running.probes}
    assert {name: (result.success, result.slow) for name, result in found.items()} == {
        "fast": (True, False),
        "slow": (True, True),
        "failed": (False, False),
        "plain": (True, False),
    }


def test_probes_that_a_new_configuration_does_not_change_keep_their_results(service: Service) -> None:
    kept = HttpProbe(url=f"{service.url}/status/200", interval=Duration(3600))
    changed = HttpProbe(url=f"{service.url}/status/200", interval=Duration(3600))
    with schedule(kept=kept, changed=changed, removed=kept) as before:
        found = {name: awaited(before, name) for name in before.probes}
        after = before.changed_to(
            {
                "kept": HttpProbe(url=kept.url, interval=kept.interval),
                "changed": HttpProbe(url=service.url),
                "new": kept,
            }
        )
        try:
            assert after.results(time.time())["kept"] == found["kept"]
            assert awaited(after, "changed") != found["changed"]
            awaited(after, "new")
            assert set(after.results(time.time())) == {"kept", "changed", "new"}
            assert after.results(time.time())["kept"] == found["kept"]
        finally:
            after.stop()


def test_results_of_more_than_three_intervals_ago_are_absent(service: Service) -> None:
    with schedule(web=HttpProbe(url=f"{service.url}/status/200", interval=Duration(3600))) as running:
        result = awaited(running, "web")
        assert running.results(result.timestamp + 3 * 3600) == {"web": result}
        assert running.results(result.timestamp + 3 * 3600 + 0.001) == {}


def test_a_try_that_hangs_is_a_failure_and_delays_no_other(service: Service) -> None:
    hanging = HttpProbe(url=f"{service.url}/hang", interval=Duration(0.2), timeout=Duration(0.2))
    with schedule(hanging=hanging, quick=HttpProbe(url=f"{service.url}/status/200")) as running:
        assert not awaited(running, "hanging").success
        assert awaited(running, "quick").success
        service.released.set()
        awaited(running, "hanging", lambda result: result.success)


def test_a_try_that_nothing_can_cut_is_reported_and_not_piled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), []

    def hang(config: TcpProbe, sources: Sources) -> None:  # noqa: ARG001
        calls.append(config)
        release.wait(30)

    monkeypatch.setattr("exporter.probes.schedule.PROBES", {TcpProbe: hang})
    probe = TcpProbe(address="127.0.0.1:1", interval=OFTEN, timeout=OFTEN)
    with schedule(resolver=probe) as running:
        first = awaited(running, "resolver")
        assert not first.success
        later = awaited(running, "resolver", lambda result: result.timestamp > first.timestamp)
        assert not later.success
        # It has hung since the first began.
        assert first.seconds is not None
        assert later.seconds is not None
        assert later.seconds > first.seconds >= OFTEN
        assert len(calls) == 1
        release.set()
        awaited(running, "resolver", lambda result: result.success)


def test_a_try_that_finds_no_thread_is_a_failure_and_not_the_last(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse_tries(thread: threading.Thread) -> None:
        if threading.current_thread().name == "probe-web":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse_tries)
        with schedule(web=HttpProbe(url=f"{service.url}/status/200", interval=Duration(0.5))) as running:
            failed = awaited(running, "web")
            assert (failed.success, failed.seconds, failed.slow) == (False, None, False)
            patched.undo()
            awaited(running, "web", lambda result: result.success)


def test_stop_ends_the_tries(service: Service) -> None:
    with schedule(web=HttpProbe(url=f"{service.url}/status/200", interval=OFTEN, timeout=OFTEN)) as running:
        awaited(running, "web")
        running.stop()
        wait_for(lambda: not any(thread.name == "probe-web" for thread in threading.enumerate()))
        seen = len(service.seen)
        assert threading.Event().wait(0.3) is False
        assert len(service.seen) == seen


def test_changes_are_logged_once(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.body, service.status = b'{"id": 1, "result": "0x1"}', 500
    caplog.set_level(logging.INFO, "exporter.probes")
    with schedule(rpc=JsonRpcProbe(url=service.url, interval=Duration(0.1), timeout=Duration(0.1))) as running:
        wait_for(lambda: len(service.seen) >= 4)
        service.status = 200
        awaited(running, "rpc", lambda result: result.success)
    messages = [record.message for record in caplog.records if "rpc" in record.message]
    assert messages[0].startswith("probe rpc fails: ")
    assert messages[-1] == "probe rpc succeeds again"


def test_the_section_shows_the_last_results() -> None:
    class Fixed(Schedule):
        def results(self, now: float) -> dict[str, Result]:  # noqa: ARG002
            return {
                "rpc": Result(True, 0.85, 1764354145.2004, True),
                "api": Result(False, 2.0, 1764354146.0, False),
                "web": Result(False, None, 1764354147.0, False),
            }

    probes: dict[str, ProbeBase] = {
        "rpc": JsonRpcProbe(url="http://x", baseline=Duration(0.2)),
        "api": HttpProbe(url="http://x"),
        "web": HttpProbe(url="http://x"),
        "new": TcpProbe(address="x:1", baseline=Duration(1)),
    }
    section = health.collector(lambda: Fixed(probes, NONE))
    lines = [
        line.removeprefix("ticketing_probe_").rstrip()
        for family in complete(section.parts[0](Moment(0, Deadline(1))))
        for line in family.lines
    ]
    assert lines == [
        'success{probe="rpc"} 1',
        'success{probe="api"} 0',
        'success{probe="web"} 0',
        'slow{probe="rpc"} 1',
        'slow{probe="api"} 0',
        'slow{probe="web"} 0',
        'duration_seconds{probe="rpc"} 0.85',
        'duration_seconds{probe="api"} 2.0',
        'baseline_seconds{probe="rpc"} 0.2',
        'baseline_seconds{probe="new"} 1.0',
        'timestamp_seconds{probe="rpc"} 1764354145.2',
        'timestamp_seconds{probe="api"} 1764354146.0',
        'timestamp_seconds{probe="web"} 1764354147.0',
    ]
