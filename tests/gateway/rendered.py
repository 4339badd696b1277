"""The rendered templates of the defaults."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gateway.render import render
from gateway.settings import Settings
from tests.gateway.standins import READ_TOKEN


@cache
def rendered(name: str) -> str:
    """One file."""
    with TemporaryDirectory() as directory:
        render(Settings().placeholders("secret", READ_TOKEN), Path(directory))
        return (Path(directory) / name).read_text()


def realm() -> dict[str, Any]:
    """The realm, to be changed at will."""
    parsed: dict[str, Any] = json.loads(rendered("realm.json"))
    return parsed
