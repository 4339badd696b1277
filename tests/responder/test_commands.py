"""The commands where the machine is not as it usually is."""

from __future__ import annotations

import getpass
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from common.yaml_files import ConfigError
from responder import commands, report_command


def nobody() -> str:
    raise KeyError("getpwuid(): uid not found: 10001")


def test_a_user_without_a_name_can_ask_and_decide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setenv("RESPONDER_TOKEN", "a-token-that-nobody-guesses")
    for arguments in (["incidents"], ["undo", "00000000-0000-0000-0000-000000000000"]):
        assert commands.main([*arguments, "--url=http://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_an_address_of_prometheus_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    incident: dict[str, Any] = {
        "playbook": "FraudRateSpike",
        "labels": {},
        "annotations": {},
        "correlation_id": "i",
        "starts_at": "2026-01-01T00:00:00+00:00",
        "closed_at": None,
    }
    flags = Namespace(playbooks_file=None, prometheus="foo", charts=tmp_path)
    with pytest.raises(ConfigError, match="--prometheus: 'foo' is no"):
        list(report_command.lines(incident, flags))
