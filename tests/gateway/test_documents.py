"""The threat model names tests that exist; the guide knows every secret and every service."""

import re

from tests.compose.stack import ROOT, compose, services
from tests.gateway.attacks import ATTACKS


def test_threat_model_names_every_attack_and_only_real_tests() -> None:
    table = (ROOT / "SECURITY.md").read_text().partition("| attack |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`([\w/.]+)`", row.rpartition(" | ")[2])}
    files = {str(file.relative_to(ROOT)) for file in (ROOT / "tests").rglob("test_*.py")}
    attacks = {attack.__name__ for attack in ATTACKS}
    assert attacks <= named
    for name in named - attacks:
        assert any(file.endswith("/" + name) or file == name for file in files), name


def test_guide_says_how_to_rotate_every_secret() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    rotation = guide.partition("## Rotate a secret")[2].partition("\n## ")[0]
    of_the_demo = {"platform_owner_dsn", "platform_postgres_password", "platform_redis_password"}
    of_a_dsn = {"platform_reader_password", "platform_responder_password"}
    for name, secret in compose()["secrets"].items():
        if name not in of_the_demo | of_a_dsn and not secret["file"].startswith("./alertmanager/"):
            assert f"`{name}`" in rotation, name


def test_guide_names_services_that_exist() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text()
    named = set(re.findall(r"docker compose (?:restart|exec(?: -T)?|logs|stop) ([a-z0-9-]+)", guide))
    assert named
    assert named <= services().keys()


def test_guide_signals_from_within() -> None:
    """What `docker compose kill` signals, Docker takes as stopped by hand: it would not restart it after a crash."""
    for guide in (ROOT / "docs").rglob("*.md"):
        assert "docker compose kill" not in guide.read_text(), guide
