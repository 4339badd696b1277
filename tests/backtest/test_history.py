"""The past of a real Prometheus: the command says what its alerts really did."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from backtest.__main__ import main
from backtest.engine import Firing
from testbed.servers.prometheus import Prometheus
from tests.backtest.live import apart, compared, fired, told, wait_until

RULES = """
groups:
  - name: alerts
    interval: 1s
    rules:
      - {alert: High, expr: 'highest > 1', for: 2s, labels: {severity: high, own: '{{ $labels.x }}'}}
      - {alert: Held, expr: 'value{x="a"} > 1', keep_firing_for: 3s, labels: {severity: low}}
      - {alert: Down, expr: 'up == 0', labels: {severity: critical}}
      - {alert: Gone, expr: 'absent(value{x="b \\" ä"})', labels: {severity: low}}
      - {alert: Slow, expr: 'sum(rate(turns_total[8s])) < 0.5', labels: {severity: low}}
      - {alert: Clock, expr: 'time() - timestamp(value{x="a"}) > 2 or time() - written > 9', labels: {severity: low}}
  - name: records
    interval: 1s
    rules:
      - {record: highest, expr: 'max by (x) (last_over_time(value[2s]))'}
"""
#: Seconds of the story.
LENGTH = 28


@dataclass
class Story:
    """What a target says, second by second."""

    began: float = 0.0

    def text(self) -> str | None:
        second = time.time() - self.began
        if 15 <= second < 19:
            return None
        high = 3 if 4 <= second < 10 else 0
        lines = [f'value{{x="a"}} {high}', f"turns_total {min(second, 5) * 20:.0f}"]
        lines += [f"written {self.began + min(max(second, 0), 5)}"]
        lines += ['value{x="b \\" ä"} 2'] if not 7 <= second < 12 else []
        return "\n".join(lines) + "\n"


@contextmanager
def target(story: Story) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = story.text()
            self.send_response(503 if text is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@dataclass(frozen=True)
class Past:
    """A Prometheus that has lived through the story, and its rules."""

    url: str
    rules: Path
    start: int
    end: int


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    directory = tmp_path_factory.mktemp("past")
    (directory / "rules").mkdir()
    (directory / "rules" / "rules.yml").write_text(RULES)
    story = Story(began=time.time() + 10_000)
    with target(story) as port:
        jobs = [{"job_name": "it", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        settings = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        content = {"global": settings, "rule_files": [f"{directory}/rules/*.yml"], "scrape_configs": jobs}
        config = directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(content))
        with Prometheus(config, directory / "prometheus") as prometheus:
            deadline = time.monotonic() + 30
            while not prometheus.query("count_over_time(highest[1m]) >= 4"):
                assert time.monotonic() < deadline
                time.sleep(0.2)
            story.began = time.time()
            wait_until(story.began + LENGTH)
            start = int(story.began)
            yield Past(prometheus.url, directory / "rules", start, start + LENGTH - 1)


def asked(past: Past, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    times = [f"--from={past.start}", f"--to={past.end}", "--step=1s", "--warm-up=4s", "--output=json"]
    assert main([f"--prometheus={past.url}", f"--rules={past.rules}", *times, *more]) == 0
    return json.loads(capsys.readouterr().out)


def firings(rule_set: Any) -> list[Firing]:
    return [Firing(**one) for one in rule_set["alerts"]]


def test_says_what_really_fired(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    (only,) = asked(past, capsys)["rule_sets"]
    really = fired(past.url, past.start, past.end, 1)
    assert {dict(key)["alertname"] for key in really} == {"High", "Held", "Down", "Gone", "Slow", "Clock"}
    # A second is one evaluation; Prometheus evaluates what is recorded up to one later than what reads it.
    assert apart(told(firings(only)), really) <= 2, compared(told(firings(only)), really)
