"""`make incident`, as far as it goes without a demo."""

import json
from pathlib import Path

import pytest

from demo.directory import RUNNING
from demo.incident import main
from demo.incidents import INCIDENTS
from simulator.episodes import EPISODES
from tests.alertmanager.destinations import ALERTS


def test_without_a_name_it_lists_what_happens_and_who_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    for name, incident in INCIDENTS.items():
        assert f"NAME={name}\n  {incident.what}" in listed
    assert "UnauthorizedAdminAccess → chat, pagerduty, responder, sms" in listed


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such"]) == 2
    assert "NAME=drift" in capsys.readouterr().out


def test_without_a_demo_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "--directory", str(tmp_path)]) == 1
    assert "No demo is running" in capsys.readouterr().err


def test_a_demo_that_is_gone_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = {"simulator": "http://127.0.0.1:1", "prometheus": "http://127.0.0.1:1"}
    (tmp_path / RUNNING).write_text(json.dumps(gone))
    assert main(["latency", "--directory", str(tmp_path)]) == 1
    assert "The demo does not do it" in capsys.readouterr().err


@pytest.mark.parametrize("name", INCIDENTS)
def test_who_is_told_agrees_with_the_routing(name: str) -> None:
    channels = {row.name: row.channels for row in ALERTS}
    # Alertmanager does not write what the responder did.
    routed = {alert: told - {"chat"} for alert, told in INCIDENTS[name].tells.items()}
    assert routed == {alert: channels[alert] for alert in routed}


@pytest.mark.parametrize("name", [name for name, incident in INCIDENTS.items() if incident.episode])
def test_parameters_are_those_of_its_episode(name: str) -> None:
    incident = INCIDENTS[name]
    kind = EPISODES[str(incident.episode)]
    assert incident.parameters.keys() <= {"minutes", *kind.parameters}
    assert not incident.refunded or "refunds_usd" in kind.parameters


def test_the_ten_are_there() -> None:
    assert len(INCIDENTS) == 10
