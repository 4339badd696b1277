"""The commands of the guide are shell, and fit the templates."""

import re
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from testbed.servers.postgres import Postgres
from tests.contrib.aws.templates import GIVEN, Stack, parsed

REPOSITORY = Path(__file__).parents[3]
GUIDE = (REPOSITORY / "docs" / "deploy-aws.md").read_text()
TEMPLATES = parsed()
ROOT = TEMPLATES["root"]


def commands(section: str, indent: int) -> str:
    """What is to be typed in a section: its lines that are indented as code is there."""
    text = GUIDE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = [line for line in text.splitlines() if line.startswith(" " * indent)]
    return "\n".join(found)


DEPLOYMENT = commands("First deployment", 7)
UPGRADE = commands("Upgrade, roll back, tear down", 4)


@pytest.mark.parametrize("typed", [DEPLOYMENT, UPGRADE], ids=["deployment", "upgrade"])
def test_is_shell(typed: str) -> None:
    assert len(typed.splitlines()) > 10
    result = subprocess.run(["bash", "-n"], input=typed, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_output_that_it_asks_for_is_there() -> None:
    asked = set(re.findall(r"\bout ([A-Z]\w+)", GUIDE))
    for services in re.findall(r"for part in ((?:\w+Service ?)+)", UPGRADE):
        asked |= set(services.split())
    assert len(asked) > 15
    assert asked <= ROOT["Outputs"].keys()


def test_every_output_is_one_of_the_nested_stacks() -> None:
    root = Stack("root", ROOT, dict(GIVEN), TEMPLATES)
    found = {name: root.value(output["Value"]) for name, output in ROOT["Outputs"].items()}
    assert not [name for name, value in found.items() if not value.startswith("<")]


def test_every_parameter_without_a_default_is_given() -> None:
    given = set(re.findall(r"\b([A-Z]\w+)=", DEPLOYMENT.partition("--parameter-overrides")[2].partition("out()")[0]))
    assert given <= ROOT["Parameters"].keys()
    assert {name for name, one in ROOT["Parameters"].items() if "Default" not in one} <= given
    assert {"MonitoringHost", "AllowedNetwork", "PlatformNetwork", "TransitGatewayId"} <= given


def test_nobody_is_cut_off_while_the_password_of_redis_is_rotated() -> None:
    """Both passwords are good from before the new one is handed out until after everybody has it."""
    changes = UPGRADE.replace("\\\n", " ").splitlines()
    order = [
        next(number for number, line in enumerate(changes) if all(word in line for word in words))
        for words in (
            ("modify-replication-group", "--replication-group-id", "--apply-immediately", "strategy ROTATE"),
            ("wait replication-group-available",),
            ("put-secret-value", "RedisPasswordArn"),
            ("update-service", "--force-new-deployment"),
            ("wait services-stable",),
            ("modify-replication-group", "--replication-group-id", "--apply-immediately", "strategy SET"),
        )
    ]
    assert order == sorted(order)
    holders = {
        resource["Properties"]["TemplateURL"].removesuffix(".yml")
        for resource in ROOT["Resources"].values()
        if "RedisPasswordArn" in resource["Properties"].get("Parameters", {})
    }
    restarted = re.findall(r"(\w+)Service\b", UPGRADE.partition("; do")[0].partition("for part in")[2])
    assert {name.lower() for name in restarted} == holders - {"data"}


def test_the_contract_needs_no_superuser(own_postgres: Callable[[], Postgres]) -> None:
    """RDS's owner owns the database and may create roles, no more; the platform's tables belong to its own role."""
    server = own_postgres()
    server.execute("CREATE ROLE platform LOGIN CREATEROLE CREATEDB")
    server.execute("CREATE DATABASE ticketing OWNER platform")
    (own_role,) = re.findall(r"`(CREATE\s+ROLE app [^`]*)`", GUIDE)
    files = re.findall(r"-f (\S+)", DEPLOYMENT.partition("-v ON_ERROR_STOP=1")[2])
    contract = REPOSITORY / "contract" / "postgresql"
    adapted = {"your-views.sql": contract / "30-views.sql", "your-functions.sql": contract / "40-functions.sql"}
    apply(server, "platform", own_role)
    apply(server, "app", (contract / "20-platform.sql").read_text())
    apply(server, "app", "SELECT platform.create_partitions(current_date - 1, current_date + 1)")
    for file in files:
        apply(server, "platform", adapted.get(file, REPOSITORY / file).read_text())
    apply(server, "monitoring_reader", "SELECT count(*) FROM monitoring.security_events")
    apply(server, "monitoring_responder", "SELECT monitoring.record_security_event('LOW', 'x', 'y', NULL, NULL, NULL)")


def apply(server: Postgres, role: str, statements: str) -> None:
    with closing(psycopg2.connect(server.dsn(role, "ticketing"))) as connection, connection:
        connection.cursor().execute(statements)
