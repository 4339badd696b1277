"""The shipped configuration is valid, and a wrong one is refused with a message that names what is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Receivers, demo_config, secret_files

CHECK = SHIPPED_DIRECTORY / "check.py"
CONFIG = SHIPPED_DIRECTORY / "alertmanager.yml"


def check(directory: Path) -> tuple[int, str]:
    command = [sys.executable, str(CHECK), str(directory)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not result.stderr
    return result.returncode, result.stdout


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    demo_config(SHIPPED_DIRECTORY, tmp_path, Receivers("http://127.0.0.1:1", 1))
    (tmp_path / "alertmanager.yml").write_text(CONFIG.read_text())
    return tmp_path


def test_amtool_and_amlint_accept_what_is_shipped() -> None:
    for command in (
        ["amtool", "check-config", str(CONFIG)],
        [sys.executable, "-m", "amlint.cli", "check", "--strict", str(CONFIG)],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr


def test_amlint_finds_the_rules_in_the_routes() -> None:
    rules = SHIPPED_DIRECTORY.parent / "prometheus" / "rules" / "*.yml"
    command = [sys.executable, "-m", "amlint.cli", "check", "--strict", f"--rules={rules}", str(CONFIG)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "No issues found" in result.stdout


def test_with_all_secrets_it_passes_and_says_which_addresses_are_still_examples(directory: Path) -> None:
    status, output = check(directory)
    assert status == 0
    assert "refused" not in output
    for address in (
        "smtp.example.com",
        "heartbeat.example.com",
        "ml-team@example.com",
        "monitoring.example.com",
        "arn:",
    ):
        assert address in output


def test_real_addresses_pass_in_silence(directory: Path) -> None:
    for path in (directory / "alertmanager.yml", directory / "templates" / "destinations.tmpl"):
        path.write_text(path.read_text().replace("example.com", "tickets.dev").replace("123456789012", "210987654321"))
    assert check(directory) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("secrets/pagerduty_routing_key", None, None, "pagerduty_routing_key is missing"),
        ("secrets/smtp_password", None, None, "smtp_password is missing"),
        ("secrets/responder_token", None, None, "receivers[responder].webhook_configs[0].http_config"),
        ("secrets/slack_webhook_url", r"(?s).*", "\n", "slack_webhook_url is empty"),
        ("alertmanager.yml", "receiver: email-ml", "receiver: email-nobody", "email-nobody"),
        ("alertmanager.yml", 'playbook!=""]', 'playbook!!""]', 'playbook!!""'),
        ("alertmanager.yml", 'severity=~"critical', 'severity=~"(critical', "Regex for 'severity' does not compile"),
        ("alertmanager.yml", 'template "slack.text"', 'template "slack.txt"', "slack.txt"),
        ("templates/pagerduty.tmpl", 'template "title.text"', 'template "title.txt"', "title.txt"),
        ("templates/sms.tmpl", "{{ end }}", "", "sms.tmpl"),
        ("alertmanager.yml", "repeat_interval: 50s", "repeat_interval: 20s", "repeat_interval (20s)"),
        ("alertmanager.yml", ', source_job!=""', "", "inhibit_rules[0].source_matchers"),
        ("alertmanager.yml", ', platform!=""', "", 'source_matchers: no platform!=""'),
        ("alertmanager.yml", "equal: [platform, ", "equal: [", "inhibit_rules[0].equal: no platform"),
        ("alertmanager.yml", "[platform, alertname]", "[alertname]", "route.group_by: no platform"),
        ("alertmanager.yml", "[platform, alertname, team", "[alertname, team", "route.routes[2].group_by: no platform"),
        ("alertmanager.yml", "[platform, alertname, account", "[account", "route.routes[3].group_by: no platform"),
        ("alertmanager.yml", "group_by: ['...']", "group_by: [alertname]", "route.routes[0].group_by: no platform"),
        ("alertmanager.yml", "send_resolved", "send_resloved", "send_resloved"),
        ("alertmanager.yml", "global:", "global: [", "alertmanager.yml"),
        ("alertmanager.yml", None, None, "alertmanager.yml"),
        ("alertmanager.yml", r"(?s).*", "", "is not a configuration of Alertmanager"),
        ("alertmanager.yml", "inhibit_rules:", "inhibit_rules: [ExporterDown]\nno_rules:", "inhibit_rules"),
        (
            "secrets/slack_webhook_url",
            r"(?s).+",
            "hooks.slack.com/services/T0",
            "does not hold one address",
        ),
        ("templates/destinations.tmpl", "ml-team@example.com", "", "destination.email.ml is empty"),
    ],
)
def test_wrong_configuration_is_refused_by_name(
    directory: Path, file: str, old: str | None, new: str | None, named: str
) -> None:
    path = directory / file
    if old is None or new is None:
        path.unlink()
    else:
        text, found = re.subn(old if "(?s)" in old else re.escape(old), new, path.read_text(), count=1)
        assert found == 1
        path.write_text(text)
    status, output = check(directory)
    assert status == 1
    assert any(line.startswith("refused: ") and named in line for line in output.splitlines()), output


def test_a_file_that_is_no_text_is_refused_by_name(directory: Path) -> None:
    (directory / "alertmanager.yml").write_bytes(b"\xff\xfe")
    status, output = check(directory)
    assert (status, output.count("\n")) == (1, 1)
    assert "alertmanager.yml" in output


def test_shipped_without_secrets_names_all_of_them() -> None:
    readme = (SHIPPED_DIRECTORY / "secrets" / "README.md").read_text()
    files = secret_files(yaml.safe_load(CONFIG.read_text()))
    assert len(files) == 5
    for file in files:
        assert f"| `{Path(file).name}` |" in readme
        ignored = subprocess.run(["git", "check-ignore", "-q", file], cwd=SHIPPED_DIRECTORY, check=False)
        assert ignored.returncode == 0, file
