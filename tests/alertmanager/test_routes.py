"""Every alert reaches its receivers, and each part of the tree is needed for that."""

import copy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed.servers.alertmanager import SHIPPED_DIRECTORY
from tests.alertmanager.chain import Config
from tests.alertmanager.destinations import ALERTS, OTHERS, Row

CONFIG = SHIPPED_DIRECTORY / "alertmanager.yml"
RULES = SHIPPED_DIRECTORY.parent / "prometheus" / "rules"
SHIPPED: Config = yaml.safe_load(CONFIG.read_text())


def routed(config: Path, row: Row) -> bool:
    labels = [f"{name}={value}" for name, value in row.labels.items()]
    expected = f"--verify.receivers={','.join(row.receivers)}"
    command = ["amtool", "config", "routes", "test", f"--config.file={config}", expected, *labels]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode == 0


@pytest.mark.parametrize("row", [*ALERTS, *OTHERS], ids=lambda row: row.name)
def test_alert_reaches_its_receivers(row: Row) -> None:
    assert routed(CONFIG, row)


def test_table_has_every_alert_with_its_labels() -> None:
    rules = [
        rule["labels"] | {"alertname": rule["alert"]}
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    table = {row.name: row.labels for row in ALERTS}
    assert {labels["alertname"] for labels in rules} == set(table)
    for labels in rules:
        expected = table[labels["alertname"]]
        assert labels["severity"] == expected["severity"], labels["alertname"]
        assert labels.get("playbook") == expected.get("playbook"), labels["alertname"]
        # The same alert of another section may belong to another team, and is routed as that team's others are.
        if labels["section"] == expected["section"]:
            assert labels["team"] == expected["team"], labels["alertname"]


def mutants() -> Iterator[tuple[str, Config]]:
    for number, route in enumerate(SHIPPED["route"]["routes"]):

        def mutant() -> tuple[Config, Config]:
            config = copy.deepcopy(SHIPPED)
            return config, config["route"]["routes"][number]  # noqa: B023

        if "continue" in route:
            config, changed = mutant()
            del changed["continue"]
            yield f"{number} {route['receiver']} without continue", config
        for position, matcher in enumerate(route["matchers"]):
            config, changed = mutant()
            del changed["matchers"][position]
            yield f"{number} {route['receiver']} without {matcher}", config
        config, changed = mutant()
        config["route"]["routes"].remove(changed)
        yield f"without {number} {route['receiver']}", config


MUTANTS = list(mutants())


def test_mutations_cover_the_tree() -> None:
    text = CONFIG.read_text()
    assert len([name for name, _ in MUTANTS if name.endswith("without continue")]) == text.count("continue: true") == 3


@pytest.mark.parametrize("mutant", [config for _, config in MUTANTS], ids=[name for name, _ in MUTANTS])
def test_no_part_of_the_tree_can_go(mutant: Config, tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text(yaml.safe_dump(mutant))
    assert not all(routed(config, row) for row in [*ALERTS, *OTHERS])
