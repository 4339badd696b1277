"""The demo's rules are those that are shipped, but for the times of the alerts that its incidents raise."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.demo.incidents import INCIDENTS
from simulator.demo.rules import HASTENED, NOTE, SHIPPED_RULES, WAIT, WINDOWS, seconds, write_rules

Rules = dict[str, list[dict[str, Any]]]
TIMES = ("for", "keep_firing_for")


def rules(directory: Path) -> Rules:
    """By file."""
    return {
        path.name: [rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
        for path in sorted(directory.glob("*.yml"))
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("rules")
    write_rules(directory)
    return directory


def test_promtool_accepts_them(copy: Path) -> None:
    subprocess.run(["promtool", "check", "rules", *sorted(copy.glob("*.yml"))], check=True, stdout=subprocess.DEVNULL)


def test_only_the_times_of_the_hastened_differ(copy: Path) -> None:
    shipped, written = rules(SHIPPED_RULES), rules(copy)
    assert written.keys() == shipped.keys()
    pairs = [pair for file, content in shipped.items() for pair in zip(content, written[file], strict=True)]
    for before, after in pairs:
        if before.get("alert") not in HASTENED:
            assert after == before
            continue
        assert after["annotations"].pop("description") == f"{before['annotations'].pop('description')} {NOTE}"
        assert all(seconds(after.pop(name)) == min(seconds(before.pop(name)), WAIT) for name in TIMES if name in before)
        if before["alert"] in WINDOWS:
            assert after.pop("expr") != before.pop("expr")
        assert after == before


def test_what_incidents_raise_is_not_waited_for_longer_than_a_minute(copy: Path) -> None:
    raised = {alert for incident in INCIDENTS.values() for alert in incident.tells}
    written = [rule for content in rules(copy).values() for rule in content if rule.get("alert") in raised]
    assert {rule["alert"] for rule in written} == raised
    assert all(seconds(rule.get(name, "0s")) <= 60 for rule in written for name in TIMES)


def test_groups_are_evaluated_as_often(copy: Path) -> None:
    for path in copy.glob("*.yml"):
        before, after = (yaml.safe_load(file.read_text())["groups"] for file in (SHIPPED_RULES / path.name, path))
        assert [(group["name"], group["interval"]) for group in after] == [
            (group["name"], group["interval"]) for group in before
        ]


def test_an_alert_that_is_not_shipped_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no alert Nonsense"):
        write_rules(tmp_path, ["FraudRateSpike", "Nonsense"])


@pytest.mark.parametrize(("duration", "expected"), [("5s", 5), ("10m", 600), ("1h", 3600)])
def test_seconds(duration: str, expected: int) -> None:
    assert seconds(duration) == expected
