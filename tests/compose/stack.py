"""docker-compose.yml as Docker Compose reads it: variables replaced, merges done."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gateway.__main__ import env_file

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*)|:\?[^}]*)?\})")

Yaml = dict[str, Any]


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """The text with `${NAME:-default}` and `${NAME:?message}` replaced, the latter also by nothing, and `$$` as `$`."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1]) or match[2] or ""

    return VARIABLE.sub(value, text)


@cache
def compose(*env_files: str) -> Yaml:
    """The whole file, with the variables of these files."""
    variables = {name: value for file in env_files for name, value in env_file(ROOT / file).items()}
    parsed: Yaml = yaml.safe_load(substituted(FILE.read_text(), variables))
    return parsed


def services(*env_files: str) -> dict[str, Yaml]:
    """All services, of every profile."""
    found: dict[str, Yaml] = compose(*env_files)["services"]
    return found


def mounts(service: Yaml) -> list[tuple[str, str, str]]:
    """Source, target and mode of each volume."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return [(part[0], part[1], part[2] if len(part) > 2 else "rw") for part in parts]
