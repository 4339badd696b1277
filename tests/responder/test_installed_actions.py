"""Actions of packages that are installed beside the responder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from tests.responder.actions.single import Receiver, one, outcome
from tests.responder.conftest import Start, World
from tests.responder.messages import ADMIN, firing, message
from tests.responder.process import REPOSITORY, wait_until

EXAMPLE = REPOSITORY / "docs" / "examples" / "open-ticket"
OPEN_TICKET = one("open_ticket", ADMIN, queue="security", title="${labels.account} is under attack")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the example of the documentation is installed, and nothing else; asks the package index."""
    place = tmp_path_factory.mktemp("example")
    # What builds a package leaves its traces beside the source.
    shutil.copytree(EXAMPLE, place / "source")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*command, "--target", place / "site", place / "source"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return place / "site"


def path(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{REPOSITORY}:{site}"}


def test_one_ticket_is_opened_although_the_first_answer_is_lost(world: World, start: Start, installed: Path) -> None:
    tracker = Receiver("/tickets")
    world.outside.counterparts.insert(0, tracker)
    tickets = {"tickets": {"url": f"{world.outside.url}/tickets"}}
    responder = start(tickets, playbooks=OPEN_TICKET, environment=path(installed))
    world.outside.trouble.status, world.outside.trouble.after = 500, True
    responder.post(message(firing(ADMIN)))
    wait_until(lambda: responder.actions()["open_ticket"]["attempts"] >= 2)
    world.outside.trouble.status = 0
    assert outcome(responder, "open_ticket")["after"] == {"answer": "ok"}
    assert len(set(tracker.keys)) == 1 < len(tracker.keys)
    assert tracker.received[0]["title"] == "alice.ops is under attack"
    assert responder.metric("ticketing_responder_actions", action="open_ticket", state="done") == 1


def test_it_is_skipped_while_it_is_not_configured(start: Start, installed: Path) -> None:
    responder = start(playbooks=OPEN_TICKET, environment=path(installed))
    responder.post(message(firing(ADMIN)))
    assert outcome(responder, "open_ticket")["reason"] == "tickets is not configured"


def test_what_was_begun_fails_once_the_package_is_gone(world: World, start: Start, installed: Path) -> None:
    tickets = {"tickets": {"url": f"{world.outside.url}/tickets"}}
    before = start(tickets, playbooks=OPEN_TICKET, environment=path(installed))
    world.outside.trouble.status = 503
    before.post(message(firing(ADMIN)))
    wait_until(lambda: before.actions()["open_ticket"]["attempts"] >= 1)
    before.close()
    without = start()
    wait_until(lambda: without.actions()["open_ticket"]["state"] == "failed")
    assert without.actions()["open_ticket"]["reason"] == "there is no action open_ticket"


Package = Callable[[str, str], Path]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Installs a module with an entry point, as pip does."""

    def package(entry_point: str, module: str) -> Path:
        (tmp_path / "own.py").write_text(dedent(module))
        information = tmp_path / "own-1.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1\n")
        (information / "entry_points.txt").write_text(f"[ticketing_responder.actions]\n{entry_point}\n")
        return tmp_path

    return package


OWN = """
    from common.yaml_files import Strict
    from responder.actions.base import Action
    from responder.config import Endpoint, Field

    class Parameters(Strict, frozen=True):
        pass

    class Own(Action):
        parameters = Parameters
        needs = (Field({field!r}, Endpoint),)

        def apply(self, task, parameters):
            return {{}}
"""
USABLE = OWN.format(field="own")


@pytest.mark.parametrize(
    ("entry_point", "module", "problem"),
    [
        ("notify = own:Own", USABLE, "the action notify already exists"),
        ("Own! = own:Own", USABLE, "the name must have small letters, digits and _ only, 50 at most"),
        ("own = own:Gone", USABLE, "cannot be loaded: AttributeError: module 'own' has no attribute 'Gone'"),
        ("own = own:Own", "import nowhere", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("own = own:Own", "Own = dict", "is not a class of Action or RevertingAction"),
        ("own = own:Own", USABLE.replace("(Strict, frozen=True)", ""), "parameters must be a class of Strict"),
        ("own = own:Own", OWN.format(field="pace.own"), "the field pace of the configuration is the responder's own"),
        ("own = own:Own", OWN.format(field="siem"), "the field siem of the configuration is another action's"),
        ("own = own:Own", OWN.format(field="chat.url.own"), "the field chat.url.own of the configuration is another"),
    ],
)
def test_one_that_cannot_be_used_is_refused_by_name(
    package: Package, entry_point: str, module: str, problem: str
) -> None:
    told = checked(package(entry_point, module))
    assert told.returncode == 2
    name, _, value = entry_point.partition(" = ")
    assert told.stderr.startswith(
        f"ticketing-responder: entry point {name} = {value} of ticketing_responder.actions: {problem}"
    )
    assert told.stderr.count("\n") == 1


def test_two_of_one_name_are_refused(package: Package) -> None:
    told = checked(package("own = own:Own\nown = own:Own", USABLE))
    assert "the action own already exists" in told.stderr


def test_a_playbook_may_ask_for_one_that_is_installed(package: Package, tmp_path: Path) -> None:
    playbooks = tmp_path / "playbooks.yml"
    playbooks.write_text(yaml.safe_dump(one("own", ADMIN)))
    told = checked(package("own = own:Own", USABLE), f"--playbooks.file={playbooks}")
    assert told.returncode == 0, told.stderr
    assert "own will be skipped: own is not configured" in told.stdout
    without = checked(tmp_path / "nothing", f"--playbooks.file={playbooks}")
    assert (without.returncode, "'own' is none of" in without.stderr) == (2, True)


def checked(site: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "responder", "--config.check", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=path(site))
