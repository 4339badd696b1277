"""The rule files of Prometheus."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "prometheus" / "rules"


def groups() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each group with its file."""
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield file, group
