"""The command: what it refuses and how it says so, and what it shows. Its Prometheus is a stand-in."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from backtest import history, report
from backtest.__main__ import main
from backtest.engine import Firing, Span
from backtest.times import duration, instant

RULES = "groups: [{name: g, rules: [{alert: High, expr: 'value > 1', labels: {severity: high}}]}]"
LOUDER = "groups: [{name: g, rules: [{alert: High, expr: 'value > 3', labels: {severity: critical}}]}]"
START = 1772474400
TIMES = (f"--from={START}", f"--to={START + 600}", "--warm-up=1m")


class StandIn:
    """Answers as Prometheus does: `value` of one series is 2, and 4 in minutes 3 to 5."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.authorization: set[str | None] = set()

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        if path.startswith("/api/v1/label/__name__/values"):
            return ["value", "of_no_rule"]
        begin, end, step = (int(query[name][0]) for name in ("start", "end", "step"))
        if not query["query"][0].startswith("last_over_time(value["):
            return {"resultType": "matrix", "result": []}
        minutes = [(at, (at - START) // 60) for at in range(begin, end + 1, step)]
        points = [[at, "4" if 3 <= minute < 5 else "2"] for at, minute in minutes]
        return {
            "resultType": "matrix",
            "result": [{"metric": {"__name__": "value", "platform": "main"}, "values": points}],
        }


@contextmanager
def serving(stand_in: StandIn) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.authorization.add(self.headers["Authorization"])
            text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            body = stand_in.body
            if stand_in.status == 200 and not body:
                body = json.dumps({"status": "success", "data": stand_in.answer(self.path, parse_qs(text))}).encode()
            self.send_response(stand_in.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def url(stand_in: StandIn) -> Iterator[str]:
    with serving(stand_in) as address:
        yield address


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def louder(tmp_path: Path) -> Path:
    path = tmp_path / "louder.yml"
    path.write_text(LOUDER)
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main([*map(str, arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    return line


def test_shows_what_would_have_fired(url: str, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--prometheus={url}", f"--rules={rules}", *TIMES]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""  # no bar where there is no terminal
    assert "1 high" in shown.out
    assert "before 2026-03-02 18:00:00 …  high      High {platform=main}" in shown.out


def test_shows_what_another_rule_set_does_otherwise(
    url: str, rules: Path, louder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--prometheus={url}", f"--rules={rules}", f"--rules={louder}", *TIMES]) == 0
    otherwise = capsys.readouterr().out.partition("does differently\n")[2]
    assert otherwise == (
        "  ~ before 2026-03-02 18:00:00 …  high      High {platform=main}, now 2026-03-02 18:03:00 for 2 min\n"
    )


def test_gives_json_with_the_differences(
    url: str, rules: Path, louder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--prometheus={url}", f"--rules={louder}", f"--rules={louder}", "--output=json", *TIMES]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["from"], told["to"], told["step"], told["differences"]) == (START, START + 600, 15, [])
    (alert,) = told["rule_sets"][0]["alerts"]
    assert (alert["labels"]["alertname"], alert["start"], alert["end"]) == ("High", START + 180, START + 300)
    del rules


def test_says_that_prometheus_has_none_of_the_metrics(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "others.yml"
    path.write_text(RULES.replace("value", "another"))
    assert main([f"--prometheus={url}", f"--rules={path}", *TIMES]) == 0
    assert "none of the metrics" in capsys.readouterr().out


def test_says_how_far_rules_look_back_in_vain(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "far.yml"
    path.write_text(RULES.replace("value > 1", "max_over_time(value[1h]) > 1"))
    assert main([f"--prometheus={url}", f"--rules={path}", *TIMES]) == 0
    assert "rules look back 3600 s; what is further back than 60 s is not read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--prometheus=nothing",), "must be a URL"),
        (("--prometheus=http://user:secret@127.0.0.1:1",), "--basic-auth-file"),
        (("--prometheus=http://127.0.0.1:1", "--from=yesterday"), "'yesterday' is not a time"),
        (("--prometheus=http://127.0.0.1:1", "--from=1h", "--to=2h"), "--from: must be before --to"),
        (("--prometheus=http://127.0.0.1:1", "--step=100ms"), "'100ms' is not a duration"),
        (("--prometheus=http://127.0.0.1:1", "--token-file=/nowhere"), "--token-file: /nowhere"),
    ],
)
def test_refuses_what_it_cannot_do(
    rules: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    line = refused(capsys, f"--rules={rules}", *arguments)
    assert why in line
    assert "secret" not in line


def test_says_that_nobody_answers(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Connection refused" in refused(capsys, "--prometheus=http://127.0.0.1:1", f"--rules={rules}")


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, b"Unauthorized", "answered 401"),
        (400, b'{"status": "error", "error": "it is too\\nmuch"}', "answered 400: it is too much"),
        (200, b"<html>", "not as Prometheus does"),
        (503, b"", "answered 503"),
    ],
)
def test_says_what_prometheus_answers(
    stand_in: StandIn, url: str, rules: Path, capsys: pytest.CaptureFixture[str], status: int, body: bytes, why: str
) -> None:
    stand_in.status, stand_in.body = status, body
    assert why in refused(capsys, f"--prometheus={url}", f"--rules={rules}")


def test_a_metric_with_too_many_series_is_named(
    monkeypatch: pytest.MonkeyPatch, url: str, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "MOST_SERIES", 0)
    assert "value has more than 0 series" in refused(capsys, f"--prometheus={url}", f"--rules={rules}", *TIMES)


def test_an_answer_that_is_too_large_is_asked_for_in_halves(
    monkeypatch: pytest.MonkeyPatch, url: str, louder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "LARGEST_BODY", 600)
    assert main([f"--prometheus={url}", f"--rules={louder}", *TIMES]) == 0
    assert "2026-03-02 18:03:00 for 2 min" in capsys.readouterr().out


def test_shows_its_credentials_to_prometheus_alone(
    stand_in: StandIn, url: str, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, pair = tmp_path / "token", tmp_path / "pair"
    token.write_text("a-token-of-many-letters\n")
    pair.write_text("reader:a-password-of-many-letters\n")
    for flag in (f"--token-file={token}", f"--basic-auth-file={pair}"):
        assert main([f"--prometheus={url}", f"--rules={rules}", flag, *TIMES]) == 0
    basic = base64.b64encode(pair.read_bytes().strip()).decode()
    assert stand_in.authorization == {"Bearer a-token-of-many-letters", f"Basic {basic}"}
    capsys.readouterr()
    stand_in.status, stand_in.body = 400, b'{"error": "not a-token-of-many-letters"}'
    line = refused(capsys, f"--prometheus={url}", f"--rules={rules}", f"--token-file={token}")
    assert "many-letters" not in line


def test_reads_times() -> None:
    assert instant("now", 1000.5) == 1000.5
    assert instant("1h30m", 10_000) == 4_600
    assert instant("1772474400", 0) == START
    assert instant("2026-03-02T18:00", 0) == instant("2026-03-02T19:00+01:00", 0) == START
    assert duration("1m30s") == 90


def test_alerts_that_overlap_are_the_same_one() -> None:
    def of(start: int, end: int | None, severity: str = "high", **labels: str) -> Firing:
        return Firing({"alertname": "A", "severity": severity, **labels}, start, end)

    first = [of(0, 100), of(200, 300), of(400, None, x="1")]
    second = [of(0, 100, "low"), of(250, None), of(400, 500, x="2")]
    found = report.differences(first, second)
    assert [(one.kind, one.start) for one in found] == [("moved", 200), ("removed", 400), ("added", 400)]
    shown = report.as_text([report.Outcome("a", first, []), report.Outcome("b", second, [])], Span(0, 600, 15, 0), [])
    assert shown.count("\n  - ") == shown.count("\n  + ") == shown.count("\n  ~ ") == 1
