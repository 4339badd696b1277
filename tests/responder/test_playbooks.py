"""Playbooks and configuration: what is wrong is named by file, playbook, action and field."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.yaml_files import ConfigError
from responder import config, playbook_file
from responder.actions import SHIPPED, fields
from responder.placeholders import PlaceholderError, fill, promql
from responder.playbooks import Playbooks

RULES = Path(__file__).parents[2] / "prometheus" / "rules"


def section(**fields: Any) -> dict[str, Any]:
    return {"Book": {"max_per_hour": 3, "on_firing": [], **fields}}


def step(action: str, **fields: Any) -> dict[str, Any]:
    return section(on_firing=[{"action": action, **fields}])


def load(directory: Path, content: Any) -> Playbooks:
    file = directory / "books.yml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return playbook_file.load(file)


def test_every_playbook_of_the_shipped_rules_is_shipped() -> None:
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    asked = {
        rule["labels"]["playbook"]
        for group in groups
        for rule in group["rules"]
        if rule.get("labels", {}).get("playbook")
    }
    assert asked == set(playbook_file.load(None))


def test_nothing_that_is_shipped_unlocks() -> None:
    assert not [name for name in SHIPPED if "unlock" in name]
    (lock,) = [
        step for step in playbook_file.load(None)["UnauthorizedAdminAccess"].on_firing if step.action == "lock_account"
    ]
    assert lock.expires is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("Book: [", "line 1: "),
        ("Book: {}\nBook: {}", "the key 'Book' is there twice"),
        ([], "must be a mapping of playbooks"),
        (section(max_per_hour=0), "Book.max_per_hour: Expected `int` >= 1"),
        (section(colour="red"), "Book: Object contains unknown field `colour`"),
        (section(on_firing=[{"action": "format_disk"}]), "Book.on_firing[0].action: 'format_disk' is none of add_"),
        (section(on_end=[{}]), "Book.on_end[0].action: None is none of"),
        (step("lock_account", account="x"), "Book.on_firing[0] (lock_account): Object missing required field `reason`"),
        (step("lock_account", account=7, reason="r"), "(lock_account).account: Expected `str`, got `int`"),
        (
            step("lock_account", account="${label.account}", reason="r"),
            "(lock_account).account: ${label.account} is none of",
        ),
        (
            step("lock_account", account="x", reason="r", expires="1h"),
            "expires and cool_down are for actions that revert",
        ),
        (step("set_fraud_threshold", value=0.5), "(set_fraud_threshold).expires: is missing"),
        (step("set_fraud_threshold", value=1.5, expires="1h"), "(set_fraud_threshold).value: Expected `float` <= 1.0"),
        (step("set_fraud_threshold", value=0.5, expires="soon"), "(set_fraud_threshold).expires: 'soon' is not a dur"),
        (step("set_fraud_model", model="oracle"), "(set_fraud_model).model: Invalid enum value 'oracle'"),
        (step("record_siem", severity="HIGH", event_type="t", message="m", dry_run="yes"), ".dry_run: Expected `bool`"),
        (
            section(on_end=[{"action": "scale_backend", "add": 1, "most": 2, "expires": "1h"}]),
            "Book.on_end[0] (scale_backend): belongs in on_firing",
        ),
        (section(ends_when={"all": ["up{x='${y}'}"]}), "Book.ends_when.all[0]: ${y} is none of"),
        (section(figures={"A": "up"}), "Book.figures: 'A' must have small letters, digits and _ only"),
        (
            section(
                figures={"a": "${figures.b}"},
            ),
            "Book.figures.a: ${figures.b} is none of",
        ),
        (
            section(figures={"a": "up"}, on_firing=[{"action": "notify", "text": "${figures.b}"}]),
            "Book.on_firing[0] (notify).text: ${figures.b} is none of",
        ),
        (section(ends_when={"for": 60}), "Book.ends_when.for: 60 is not a duration"),
    ],
)
def test_errors_name_the_file_the_playbook_the_action_and_the_field(tmp_path: Path, content: Any, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path}/books.yml: ")
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"platform": ""}, "responder.yml: platform: Expected `str` of length >= 1"),
        ({"allowed": []}, "responder.yml: Object contains unknown field `allowed`"),
        ({"workers": 0}, "responder.yml: workers: Expected `int` >= 1"),
        ({"pace": {"lease": "0s"}}, "pace.lease: '0s' is not above 0"),
        (
            {
                "profiles": {"source": {"url": "http://a"}, "directory": "/d"},
                "allowed_hosts": ["a"],
                "pace": {"lease": "20s"},
            },
            "profiles: pace.lease must be longer than its timeout, 20 s",
        ),
        (
            {
                "profiles": {"source": {"url": "http://a"}, "bucket": "b"},
                "allowed_hosts": ["a"],
                "pace": {"lease": "35s"},
            },
            "profiles: pace.lease must be longer than its timeout, 20 s and 15 s for the upload",
        ),
        (
            {"retraining": {"url": "http://evil.example/x"}},
            "retraining.url: the host evil.example:80 is not in allowed_hosts",
        ),
        ({"retraining": {"url": "file:///etc/passwd"}}, "retraining.url: must start with http:// or https://"),
        ({"prometheus": {"url": "prometheus:9090"}}, "prometheus.url: must start with http:// or https://"),
        ({"never_indicate": ["10.0.0.1/8"]}, "never_indicate: 10.0.0.1/8 has host bits set"),
        ({"backend": {"kind": "nomad"}}, "backend.kind: Invalid value 'nomad'"),
        (
            {"profiles": {"source": {"url": "http://a"}}, "allowed_hosts": ["a"]},
            "profiles: exactly one of directory and bucket is needed",
        ),
    ],
)
def test_errors_of_the_configuration(tmp_path: Path, content: Any, error: str) -> None:
    file = tmp_path / "responder.yml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        config.load(file, fields())
    assert error in str(caught.value)


def test_the_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "responder.md").read_text()
    files = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    (tmp_path / "responder.yml").write_text(next(text for text in files if text.startswith("# responder.yml")))
    (tmp_path / "playbooks.yml").write_text(next(text for text in files if text.startswith("# playbooks.yml")))
    flags = [f"--config.file={tmp_path}/responder.yml", f"--playbooks.file={tmp_path}/playbooks.yml", "--config.check"]
    run = subprocess.run([sys.executable, "-m", "responder", *flags], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_config_check_tells_what_will_be_skipped_and_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "responder", "--config.check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "warning: ApiLatencyDegradation: scale_backend will be skipped: backend is not configured" in run.stdout
    (tmp_path / "bad.yml").write_text("Book: {}")
    run = subprocess.run(
        [*command, f"--playbooks.file={tmp_path}/bad.yml"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, "bad.yml: Book: Object missing required field" in run.stderr) == (2, True)


def test_config_check_tells_which_prometheus_will_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "responder.yml"

    def check(text: str) -> str:
        file.write_text(text)
        command = [sys.executable, "-m", "responder", "--config.check", f"--config.file={file}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    asked = "whether an incident is over is asked of Prometheus at"
    assert f"{asked} http://prometheus:9090, the default\n" in check("dry_run: true")
    assert f"{asked} https://prom.example:9091/p\n" in check("prometheus: {url: 'https://prom.example:9091/p'}")
    assert f"{asked} http://me:***@prom\n" in check("prometheus: {url: 'http://me:hunter2@prom'}")


def test_config_check_refuses_a_token_with_which_nobody_could_be_let_in(tmp_path: Path) -> None:
    def check(**variables: str) -> tuple[int, str, str]:
        environment = {**os.environ, "RESPONDER_TOKEN": "", "RESPONDER_TOKEN_FILE": "", **variables}
        command = [sys.executable, "-m", "responder", "--config.check"]
        run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return run.returncode, run.stdout, run.stderr

    file = tmp_path / "token"
    from_file = f"ticketing-responder: RESPONDER_TOKEN_FILE: {file}"
    too_short = "a token is shorter than 16 characters\n"
    assert check(RESPONDER_TOKEN="fifteen-of-them") == (2, "", f"ticketing-responder: RESPONDER_TOKEN: {too_short}")
    assert check(RESPONDER_TOKEN=" ") == (2, "", "ticketing-responder: RESPONDER_TOKEN is empty\n")
    assert check(RESPONDER_TOKEN_FILE=str(file)) == (2, "", f"{from_file}: No such file or directory\n")
    file.write_text("long-enough-for-anybody\nshort\n")
    assert check(RESPONDER_TOKEN_FILE=str(file)) == (2, "", f"{from_file}: {too_short}")
    file.write_text("long-enough-for-anybody\n")
    for variables in ({"RESPONDER_TOKEN_FILE": str(file)}, {"RESPONDER_TOKEN": "sixteen-of-these"}, {}):
        status, _, errors = check(**variables)
        assert (status, errors) == (0, "")


def test_placeholders_are_filled_once_and_never_with_nothing() -> None:
    values = {"labels.account": "${alertname} %s", "alertname": 'a"b\\', "labels.empty": ""}
    assert fill("x ${labels.account} $y", values) == "x ${alertname} %s $y"
    assert fill('{a="${alertname}"}', values, promql) == '{a="a\\"b\\\\"}'
    for text in ("${labels.empty}", "${labels.missing}"):
        with pytest.raises(PlaceholderError, match="the alert has no labels"):
            fill(text, values)
