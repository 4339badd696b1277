"""The record of an incident: Markdown, whole, and true while Prometheus or the other side is away.

A change that is meant: `UPDATE_GOLDEN=1 python -m pytest tests/responder/test_report.py`, and read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
import requests
import yaml

from demo.incidents import INCIDENTS
from demo.openmetrics import create_blocks
from demo.texts import shipped_alerts
from responder.incident_report import plain
from responder.playbook_file import SHIPPED
from testbed.servers.prometheus import Prometheus
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, FRAUD, firing, message, resolved
from tests.responder.process import REPOSITORY, TOKEN, ResponderProcess, wait_until
from tests.responder.test_follow_ups import Chat

GOLDEN = Path(__file__).with_name("golden")
ALERTS = {alert.name: alert for alert in shipped_alerts()}
"""As the unit tests of the rules have them."""
ANSWERED = {
    name: alert
    for name, incident in INCIDENTS.items()
    for alert, channels in incident.tells.items()
    if "responder" in channels
}
"""The demo's incidents, and the alert of each that has a playbook."""
#: What the playbooks ask, and what it was all the time.
PAST = """
up{job="ticketing-live",platform="main"} 1
up{job="ticketing-aggregates",platform="main"} 1
up{job="ticketing-critical",platform="main"} 1
ticketing:fraud_blocked:max{window="10m",platform="main"} 45
ticketing:fraud_predictions:sum{window="10m",platform="main"} 300
ticketing:fraud_blocked:lasting_evidence{platform="main"} 0.1134
ticketing:limit:by_platform{limit="fraud_blocked_ratio_high",platform="main"} 0.03
ticketing:kpi_api_latency_p95_seconds:max{platform="main"} 0.12
ticketing:limit:by_platform{limit="api_latency_p95_seconds",platform="main"} 0.1
ticketing_admin_mfa_failures{account="alice",platform="main",window="5m"} 3
ticketing:limit:by_platform{limit="mfa_failures",platform="main"} 3
ticketing:model_feature_drift_nats:max{feature="wallet_age_days",platform="main"} 0.151
ticketing:limit:by_platform{limit="feature_drift_nats",platform="main"} 0.15
"""


def at_once() -> dict[str, Any]:
    """The shipped playbooks, whose incidents are over as soon as Prometheus says so."""
    content: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    for playbook in content.values():
        playbook["ends_when"] = {"for": "0s"}
        for step in playbook["on_firing"]:
            if "cool_down" in step:
                step["cool_down"] = "0s"
    return content


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with two hours of the figures."""
    directory = tmp_path_factory.mktemp("past")
    now, samples = round(time.time()), directory / "past.openmetrics"
    series = PAST.strip().splitlines()
    lines = [f"{one} {at}" for one in series for at in range(now - 7200, now + 600, 15)]
    samples.write_text("\n".join([*lines, "# EOF\n"]))
    config = directory / "prometheus.yml"
    config.write_text("{}")
    prometheus = Prometheus(config, directory / "data")
    create_blocks(samples, prometheus.data)
    with prometheus as running:
        yield running


def report(
    responder: ResponderProcess, identifier: str, *flags: str, prometheus: str = "http://127.0.0.1:1"
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RESPONDER_URL": responder.url, "RESPONDER_TOKEN": TOKEN}
    command = [sys.executable, "-m", "responder", "report", identifier, f"--prometheus={prometheus}", *flags]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def normalized(text: str) -> str:
    """Without what differs from run to run; the rows of one moment are in no order."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"(\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+ min \d+ s|\d+\.\d s", "SPAN", text)
    text = re.sub(r"http\\?://127\.0\.0\.1:\d+|127\\?\.0\.0\.1:\d+", "ADDRESS", text)
    head, table, tail = re.split(r"(?<=\| time \| who \| what \|\n\| :-- \| :-- \| :-- \|\n)((?:\|.*\n)+)", text)
    return head + "".join(sorted(table.splitlines(keepends=True))) + tail


def told(name: str, tell: Callable[[dict[str, str]], dict[str, Any]]) -> dict[str, Any]:
    """The alert of an incident as Alertmanager tells it."""
    alert = ALERTS[ANSWERED[name]]
    return {**tell(dict(alert.labels)), "annotations": dict(alert.annotations)}


def test_each_incident_of_the_demo_has_its_record_or_a_reason_why_not() -> None:
    files = {file.stem for file in GOLDEN.glob("*.md")} - {"README"}
    reasons = set(re.findall(r"(?m)^\| ([a-z-]+) \|", (GOLDEN / "README.md").read_text())) - {"incident"}
    assert files == ANSWERED.keys()
    assert reasons == INCIDENTS.keys() - files
    for name in reasons:
        for alert in INCIDENTS[name].tells:
            assert "playbook" not in ALERTS[alert].labels


def test_the_record_of_each_incident_of_the_demo(world: World, start: Start, past: Prometheus, tmp_path: Path) -> None:
    world.outside.counterparts.append(Chat())
    world.sql("INSERT INTO platform.admin_accounts (account) VALUES ('alice')")
    world.fail_sign_ins("alice", "203.0.113.9")
    (tmp_path / "chat").write_text(f"{world.outside.url}/chat\n")
    config = {"chat": {"url_file": str(tmp_path / "chat")}, "prometheus": {"url": past.url}}
    responder = start(config, playbooks=at_once())
    responder.post(message(*(told(name, firing) for name in ANSWERED)))
    wait_until(
        lambda: len(responder.incidents()) == len(ANSWERED) and at_rest(responder),
        60,
        lambda: str(under_way(responder)),
    )
    responder.post(message(*(told(name, resolved) for name in ANSWERED)))
    wait_until(
        lambda: {one["state"] for one in responder.incidents()} == {"closed"} and at_rest(responder),
        60,
        lambda: str(under_way(responder)),
    )
    incidents = {incident["alertname"]: incident["correlation_id"] for incident in responder.incidents()}
    for name, alert in ANSWERED.items():
        flags = (f"--charts={tmp_path}/charts", f"--playbooks.file={responder.playbooks_file}")
        found = report(responder, incidents[alert], *flags, prometheus=past.url)
        assert (found.returncode, found.stderr) == (0, "")
        text = normalized(found.stdout).replace(str(tmp_path), "DIRECTORY")
        file = GOLDEN / f"{name}.md"
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(text)
        assert text == file.read_text()
    charts = sorted((tmp_path / "charts").iterdir())
    assert len(charts) == len(ANSWERED)
    assert {ElementTree.parse(chart).getroot().tag for chart in charts} == {"{http://www.w3.org/2000/svg}svg"}


READ_TOKEN = "reads-and-does-nothing-else"
HTML = {"Accept": "text/html,application/xhtml+xml"}


def asked(
    responder: ResponderProcess, identifier: object, token: str | None = READ_TOKEN, **headers: str
) -> requests.Response:
    """The record as it is had over HTTP."""
    authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = f"{responder.url}/incidents/{identifier}/report"
    return requests.get(url, headers={**authorization, **headers}, timeout=40)


def test_the_record_is_had_over_http_too(start: Start, past: Prometheus) -> None:
    config = {"prometheus": {"url": past.url}}
    responder = start(config, playbooks=at_once(), environment={"RESPONDER_READ_TOKEN": READ_TOKEN})
    alert = firing({**FRAUD, "platform": "main"})
    alert["annotations"]["summary"] = "<script>alert(1)</script>"
    responder.post(message(alert))
    responder.settled()
    incident = responder.incident()["correlation_id"]

    written = asked(responder, incident)
    assert written.headers["Content-Type"] == "text/markdown; charset=utf-8"
    same = report(responder, incident, f"--playbooks.file={responder.playbooks_file}", prometheus=past.url).stdout
    assert written.text == same
    assert "| blocked | 45 | 45 |" in same

    page = asked(responder, incident, **HTML)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert unescape(page.text.partition("<pre>")[2].partition("</pre>")[0]) == same
    (picture,) = re.findall('src="data:image/svg[+]xml;base64,([^"]+)"', page.text)
    assert ElementTree.fromstring(b64decode(picture)).tag == "{http://www.w3.org/2000/svg}svg"


def test_who_may_read_a_record(start: Start) -> None:
    responder = start(playbooks=at_once(), environment={"RESPONDER_READ_TOKEN": READ_TOKEN})
    responder.post(message(firing(FRAUD)))
    responder.settled()
    incident = responder.incident()["correlation_id"]
    for token in (TOKEN, READ_TOKEN):
        assert asked(responder, incident, token).ok
        assert responder.get("/incidents", token=token).ok
        for unknown in (uuid4(), "ID", "..", f"{incident}0"):
            assert asked(responder, unknown, token).status_code == 404, unknown
    for other in (None, "another-token-of-somebody"):
        assert asked(responder, incident, other).status_code == 401
    # It reads, and does nothing.
    decision = {"correlation_id": incident, "decision": "stop", "by": "a"}
    assert responder.post(decision, path="/decisions", token=READ_TOKEN).status_code == 401
    assert responder.post(message(firing(ADMIN)), token=READ_TOKEN).status_code == 401
    assert responder.post({}, path="/-/reload", token=READ_TOKEN).status_code == 401
    assert len(responder.incidents()) == 1


def test_a_read_token_that_cannot_be_had_costs_the_readers_alone(start: Start, tmp_path: Path) -> None:
    responder = start(playbooks=at_once(), environment={"RESPONDER_READ_TOKEN_FILE": str(tmp_path / "absent")})
    assert responder.post(message(firing(FRAUD))).ok
    incident = responder.incident()["correlation_id"]
    assert asked(responder, incident).status_code == 401
    assert asked(responder, incident, TOKEN).ok


def test_readers_keep_no_alert_waiting(world: World, start: Start) -> None:
    responder = start(playbooks=at_once(), environment={"RESPONDER_READ_TOKEN": READ_TOKEN})
    responder.post(message(firing(FRAUD)))
    responder.settled()
    incident = responder.incident()["correlation_id"]
    world.monitoring.trouble.delay = 2.5
    with ThreadPoolExecutor(12) as readers:
        began = time.monotonic()
        reports = [readers.submit(asked, responder, incident, **HTML) for _ in range(12)]
        # Who finds no place is told so, and the others wait for Prometheus.
        wait_until(lambda: sum(one.done() for one in reports) == 10)
        assert responder.post(message(firing(ADMIN)), timeout=2).ok
        assert sum(not one.done() for one in reports) == 2
        answers = [one.result() for one in reports]
        assert time.monotonic() - began < 15
    assert sorted(one.status_code for one in answers) == [200] * 2 + [503] * 10
    assert all("| unknown | unknown |" in one.text for one in answers if one.ok)


def at_rest(responder: ResponderProcess) -> bool:
    return not under_way(responder)


def under_way(responder: ResponderProcess) -> list[Any]:
    """Name, state and reason of what is not settled; what is for the end is not begun before."""
    return [
        (action["action"], action["state"], action["reason"])
        for incident in responder.incidents()
        for action in incident["actions"]
        if action["state"] in ("pending", "running", "reverting") and action["next_at"] is not None
    ]


def test_a_prometheus_that_is_away_costs_the_figures_alone(start: Start) -> None:
    responder = start(playbooks=at_once())
    responder.post(message(firing(FRAUD)))
    responder.settled()
    found = report(responder, responder.incident()["correlation_id"])
    assert found.returncode == 0
    assert "| blocked | unknown | unknown |" in found.stdout
    assert "set_fraud_threshold" in found.stdout.replace("\\", "")
    assert found.stderr.startswith("ticketing-responder: figures or charts are missing: Prometheus: ")
    assert "| over | not yet |" in found.stdout


def test_what_a_person_has_decided_is_in_it(start: Start) -> None:
    responder = start(playbooks=at_once())
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "done")
    identifier = responder.incident()["correlation_id"]
    decision = {"correlation_id": identifier, "decision": "undo", "by": "alice"}
    assert responder.post(decision, path="/decisions").ok
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "reverted")
    assert "| alice (api) | undo |" in report(responder, identifier).stdout


@pytest.mark.parametrize("identifier", ["00000000-0000-0000-0000-000000000000", "nobody"])
def test_an_incident_that_is_not_there_is_said_to_be_so(start: Start, identifier: str) -> None:
    found = report(start(), identifier)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "[a](http://b)",
        "a | b",
        "*a* `b`",
        "_a_ b_c __d__",
        "a\nb",
        "\x1b[31m",
        "# a",
        "\\|",
        "‮abc",
        "see http://b, www.b.com and HTTPS://b",
        "~~a~~ &lt;b&gt;",
    ],
)
def test_what_an_attacker_writes_means_nothing(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    assert shown.isprintable()
    assert not re.search(r"(?<![\\A-Za-z0-9])_|(?<!\\)_(?![A-Za-z0-9])", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]<>|#&~]", shown)
    assert not re.search(r"(?<!\\)://", shown)
    assert "www." not in shown


def test_what_was_changed_and_not_put_back_is_still_changed(world: World, start: Start) -> None:
    responder = start(playbooks=at_once())
    world.prometheus.values["ticketing:fraud_blocked:lasting_evidence"] = 1
    responder.post(message(firing(FRAUD)))
    wait_until(lambda: responder.actions()["set_fraud_threshold"]["state"] == "done" and at_rest(responder))
    world.sql(
        "UPDATE monitoring.responder_actions SET state = 'failed', error = 'not put back: no', reverted_at = now(),"
        " due_at = NULL WHERE action = 'set_fraud_threshold'"
    )
    found = report(responder, responder.incident()["correlation_id"]).stdout.replace("\\", "")
    assert "- **Still changed:** set_fraud_threshold: failed: not put back: no" in found
    assert "set_fraud_threshold: config:fraud_threshold is 0.50, was 0.60 |" in found
    # No chat is configured; that answers nothing either way.
    assert "Not done" not in found
