"""Who knows of whom: an action is known to its own file and to the list of actions alone."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import yaml

from common.yaml_files import ConfigError, Strict
from responder import config
from responder.actions import SHIPPED, fields
from responder.config import Endpoint, Field, Pace

ROOT = Path(__file__).parents[2]
RESPONDER = ROOT / "responder"


def part_of(module: str) -> str:
    """A folder of the responder, or a file beside them."""
    return ".".join(module.split(".")[:2])


def is_there(module: str) -> bool:
    path = ROOT / Path(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_no_folder_depends_on_itself_through_others() -> None:
    edges: dict[str, set[str]] = {}
    for file in RESPONDER.rglob("*.py"):
        here = part_of(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        modules = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                # A module may be what is imported.
                modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        parts = {part_of(module) for module in modules if module.startswith("responder.")}
        edges.setdefault(here, set()).update(one for one in parts - {here} if is_there(one))
    order = list(TopologicalSorter(edges).static_order())  # raises CycleError with the cycle
    assert order.index("responder.ledger") < order.index("responder.actions") < order.index("responder.playbook_file")


def test_no_other_file_knows_an_action_or_its_field() -> None:
    words = {*SHIPPED, *(field.name.partition(".")[0] for field in fields())}
    assert {"notify", "chat", "siem"} <= words
    for file in RESPONDER.rglob("*.py"):
        if file.parent.name != "actions":
            strings = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
            # "chat" is also a way in which people decide.
            assert not (words - {"chat"}) & set(strings), file
            names = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
            assert not (words - {"platform"}) & names, file


def test_the_documentation_has_every_action_and_its_fields() -> None:
    page = (ROOT / "docs" / "responder.md").read_text()
    options = (ROOT / "docs" / "reference" / "options.md").read_text()
    example = next(part for part in page.split("```") if part.startswith("yaml\n# responder.yml"))
    shown = yaml.safe_load(example.removeprefix("yaml\n"))
    for name in SHIPPED:
        assert f"**action `{name}`**" in options, name
    for field in fields():
        outer, _, inner = field.name.partition(".")
        assert inner in shown.get(outer, {}) if inner else outer in shown or f"`{outer}`" in options, field.name


class Pager(Strict, frozen=True, kw_only=True):
    """What an action that does not exist would be configured with."""

    source: Endpoint
    number: Annotated[int, msgspec.Meta(gt=0)] = 1


def _check(pager: Pager, pace: Pace) -> None:
    if pager.number > pace.lease:
        raise ValueError("number must not be above pace.lease")


PAGER = Field[Pager]("desk.pager", Pager, _check)


def load(directory: Path, content: Any) -> config.Config:
    file = directory / "responder.yml"
    file.write_text(yaml.safe_dump(content))
    return config.load(file, [PAGER, Field[str]("desk.name", str)])


def test_a_declared_field_is_read_and_checked_without_another_line(tmp_path: Path) -> None:
    page = {"source": {"url": "http://pager.example"}, "number": 3}
    found = load(tmp_path, {"allowed_hosts": ["pager.example"], "desk": {"pager": page}}).get(PAGER)
    assert found == Pager(source=Endpoint(url="http://pager.example"), number=3)
    assert load(tmp_path, {"desk": {"name": "x"}}).get(PAGER) is None
    assert load(tmp_path, {}).get(PAGER) is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"desk": {"pager": {"source": {"url": "http://a"}}}}, "desk.pager.source.url: the host a:80 is not in"),
        ({"desk": {"pager": {"source": {"url": "a"}}}}, "desk.pager.source.url: must start with http"),
        ({"desk": {"pager": {}}}, "desk.pager: Object missing required field `source`"),
        ({"desk": {"page": 1}}, "desk: Object contains unknown field `page`"),
        ({"chat": {"url_file": "x"}}, "Object contains unknown field `chat`"),
        (
            {"allowed_hosts": ["a"], "desk": {"pager": {"source": {"url": "http://a"}, "number": 31}}},
            "desk.pager: number must not be above pace.lease",
        ),
    ],
)
def test_what_is_wrong_in_a_declared_field_is_named(tmp_path: Path, content: Any, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content)
    assert f"responder.yml: {error}" in str(caught.value)
