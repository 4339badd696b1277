"""What may know what: the product nothing of what stands around it, and no two parts one another."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("backtest", "common", "contract", "exporter", "responder")
#: What each package may import of the others. The demo, the reference, tests and benchmarks may import all.
KNOWS = {
    "common": set[str](),
    "contract": set[str](),
    "exporter": {"common", "contract"},
    "responder": {"common", "contract"},
    "backtest": {"common", "responder"},
    "testbed": {"common"},
    "simulator": {"common", "contract", "testbed"},
    "gateway": set[str](),
    "deploy": set[str](),
    "contrib": {"gateway"},
    "grafana": {"contract"},
    "alertmanager": set[str](),
}
OURS = {*KNOWS, "demo", "reference", "tests", "benchmarks"}


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """File, and the first name of each import in it."""
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{file}: relative"
                yield file, str(node.module).partition(".")[0]


@pytest.mark.parametrize("package", KNOWS)
def test_knows_no_more_than_it_may(package: str) -> None:
    found = [(file, name) for file, name in imported(package) if name in OURS and name != package]
    assert not [f"{file.relative_to(ROOT)}: {name}" for file, name in found if name not in KNOWS[package]]
    # What may be imported is: a permission that nobody uses any more is taken back.
    assert {name for _, name in found} == KNOWS[package]


def test_every_package_is_listed() -> None:
    folders = {file.parent.name for file in ROOT.glob("*/__init__.py")}
    assert folders <= OURS


@pytest.mark.parametrize("package", PRODUCT)
def test_no_module_has_a_name_of_the_standard_library(package: str) -> None:
    names = {file.stem if file.name != "__init__.py" else file.parent.name for file in (ROOT / package).rglob("*.py")}
    assert not (names - {"__main__"}) & sys.stdlib_module_names
