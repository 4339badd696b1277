"""Probes of every kind against small real servers, on their own schedule."""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.collectors import health
from exporter.collectors.base import Moment
from exporter.config import Duration, HttpProbe, JsonRpcProbe, PostgresProbe, ProbeBase, RedisProbe, TcpProbe
from exporter.deadline import Deadline
from exporter.probes.kinds import PROBES, Sources, describe
from exporter.probes.schedule import Result, Schedule
from exporter.waiting import complete
from simulator.local.ports import free_port
from simulator.local.postgres import Postgres
from simulator.local.redis import Redis
from tests.exporter.web.serving import secret, wait_for

NONE = Sources(secret("POSTGRES_DSN", "host=127.0.0.1 port=1"), secret("REDIS_URL", "redis://127.0.0.1:1/0"))


class Handler(BaseHTTPRequestHandler):
    """Answers `/status/N` with that status, `/body` with the server's, and `/hang` when released."""

    server: Service

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers), b""))
        if self.path == "/hang":
            self.server.released.wait(30)
        status = int(self.path.partition("?")[0].rpartition("/")[2]) if self.path.startswith("/status/") else 200
        self._answer(status)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self._answer(self.server.status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Location", "/status/200")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        pass


class Service(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.status = b"ok", 200
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def outcome(probe: ProbeBase, sources: Sources = NONE) -> str:
    """`up`, or what is wrong."""
    try:
        PROBES[type(probe)](probe, sources)
    except Exception as error:
        return describe(error)
    return "up"


# --- http


@pytest.mark.parametrize(
    ("status", "valid", "expected"),
    [
        (200, (), "up"),
        (204, (), "up"),
        (299, (), "up"),
        (301, (), "status 301"),
        (404, (), "status 404"),
        (500, (), "status 500"),
        (401, (401, 403), "up"),
        (302, (302,), "up"),
        (200, (204,), "status 200"),
    ],
)
def test_http_status(service: Service, status: int, valid: tuple[int, ...], expected: str) -> None:
    assert outcome(HttpProbe(url=f"{service.url}/status/{status}", valid_status=valid)) == expected
    assert len(service.seen) == 1  # redirects are not followed


def test_http_sends_its_headers(service: Service) -> None:
    assert outcome(HttpProbe(url=service.url, headers={"X-Api-Key": "k", "Host": "api.example"})) == "up"
    _, _, headers, _ = service.seen[0]
    assert (headers["X-Api-Key"], headers["Host"], headers["User-Agent"]) == ("k", "api.example", "ticketing-exporter")


def test_http_takes_its_url_from_a_file_and_never_shows_it(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "url"
    probe = HttpProbe(url_file=str(file))
    assert outcome(probe) == f"url_file {file}: No such file or directory"
    file.write_text(f"{service.url}/status/200?key=abc123\n")
    assert outcome(probe) == "up"
    assert service.seen[0][1] == "/status/200?key=abc123"
    for bad in (f"http://127.0.0.1:{free_port()}/abc123", "http://[abc123", "abc123", ""):
        file.write_text(bad)
        assert "abc123" not in outcome(probe)
        assert outcome(probe) != "up"


def test_http_refuses_an_endless_body(service: Service) -> None:
    service.body = b"x" * (1 << 20)
    assert outcome(HttpProbe(url=service.url)) == "up"
    service.body += b"x"
    assert outcome(HttpProbe(url=service.url)) == "the answer is longer than 1048576 bytes"


def test_http_in_vain(service: Service) -> None:
    assert "refused" in outcome(HttpProbe(url=f"http://127.0.0.1:{free_port()}/"))
    assert outcome(HttpProbe(url=f"{service.url}/hang", timeout=Duration(0.2))) == "no answer within 0.2 s"
    assert outcome(HttpProbe(url="http://127.0.0.1:99999/key")) == "the URL is not valid"
    assert "not known" in outcome(HttpProbe(url="http://no-such-host.invalid/key"))


def test_http_signs_in_with_the_name_in_the_url(service: Service) -> None:
    assert outcome(HttpProbe(url=service.url.replace("//", "//probe:p%40ss@") + "/a?b=c")) == "up"
    _, path, headers, _ = service.seen[0]
    assert (path, headers["Authorization"]) == ("/a?b=c", "Basic cHJvYmU6cEBzcw==")
    assert headers["Host"] == f"127.0.0.1:{service.server_port}"


def test_https_needs_a_trusted_certificate(service: Service, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    url = service.url.replace("http:", "https:")
    assert outcome(HttpProbe(url=url, ca_file=str(tmp_path / "ca.pem"))) == "up"
    assert outcome(HttpProbe(url=url)) != "up"


# --- json-rpc


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"jsonrpc": "2.0", "id": 1, "result": "0x12d687"}', "up"),
        ('{"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit"}}', "the answer is no block number"),
        ('{"result": null}', "the answer is no block number"),
        ('{"result": "latest"}', "the answer is no block number"),
        ('{"result": 17}', "the answer is no block number"),
        ('["0x1"]', "the answer is no block number"),
        ("<html>", "the answer is no block number"),
        ("", "the answer is no block number"),
    ],
)
def test_json_rpc(service: Service, body: str, expected: str) -> None:
    service.body = body.encode()
    assert outcome(JsonRpcProbe(url=f"{service.url}/v3/key")) == expected
    method, path, headers, request = service.seen[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/v3/key", "application/json")
    assert json.loads(request) == {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


def test_json_rpc_status(service: Service) -> None:
    service.body, service.status = b'{"result": "0x1"}', 429
    assert outcome(JsonRpcProbe(url=service.url)) == "status 429"


# --- tcp, postgres, redis


def test_tcp(service: Service) -> None:
    assert outcome(TcpProbe(address=f"127.0.0.1:{service.server_port}")) == "up"
    assert "refused" in outcome(TcpProbe(address=f"127.0.0.1:{free_port()}"))
    assert outcome(TcpProbe(address="no-such-host.invalid:80")) != "up"


def test_databases(postgres: Postgres, redis_server: Redis) -> None:
    sources = Sources(secret("POSTGRES_DSN", postgres.dsn()), secret("REDIS_URL", redis_server.url()))
    assert outcome(PostgresProbe(), sources) == "up"
    assert outcome(RedisProbe(), sources) == "up"


def test_databases_in_vain() -> None:
    sources = Sources(
        secret("POSTGRES_DSN", "host=127.0.0.1 port=1 password=probe-hush"),
        secret("REDIS_URL", "redis://:probe-hush@127.0.0.1:1/0"),
    )
    assert "refused" in outcome(PostgresProbe(), sources)
    assert "refused" in outcome(RedisProbe(), sources)
    assert "probe-hush" not in outcome(PostgresProbe(), sources) + outcome(RedisProbe(), sources)
    broken = Sources(secret("POSTGRES_DSN", "probe-hush"), secret("REDIS_URL", "redis://:probe-hush/x@127.0.0.1"))
    assert "not a valid libpq DSN" in outcome(PostgresProbe(), broken)
    assert "the URL is not valid" in outcome(RedisProbe(), broken)


# --- the schedule


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
    service.body = b'{"result": "0x1"}'
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
    service.body, service.status = b'{"result": "0x1"}', 500
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
