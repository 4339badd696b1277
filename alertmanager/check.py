"""Refuse a configuration with which a notification would get lost; name the culprit.

    .venv/bin/python alertmanager/check.py [directory]

Alertmanager itself starts without the files of its secrets, without a template that it needs, and repeats less
often than it is told. This finds those too: secrets that are missing, empty or no address where one is needed, empty
destinations, inhibition without its guard, platforms that would hide in or mute one another, and through amlint and,
where it is installed, amtool: receivers, matchers, templates, intervals. Addresses of the example that are still there
are only reported. The exit status is 0 when there is nothing to refuse.

It runs on any Python 3.11 or newer with `pip install pyyaml amlint`.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

NAME = "alertmanager.yml"
_MATCHER = re.compile(r'\s*(?P<label>[^=!~\s]+)\s*(?P<operator>=~|!=|!~|=)\s*"?(?P<value>.*?)"?\s*')
_URL = re.compile(r"https?://[^\s/]+\S*")
_EMPTY_DESTINATION = re.compile(r'\{\{-?\s*define\s+"(destination\.[\w.]+)"\s*-?\}\}\s*\{\{-?\s*end\s*-?\}\}')
_PLACEHOLDER = re.compile(r"[\w@./:-]*\bexample\.com[\w/:-]*|arn:[\w:-]*:123456789012:[\w-]+")


def main(arguments: list[str]) -> int:
    """Print every finding, one a line."""
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    path = directory / NAME
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("is not a configuration of Alertmanager")
    except (OSError, ValueError, yaml.YAMLError) as error:
        sys.stdout.write(f"refused: {path}: {error}\n")
        return 1
    refused = [*secrets(config, directory), *destinations(directory), *unguarded(config), *mixing(config), *lint(path)]
    refused = refused or [*amtool(path)]
    sys.stdout.writelines(f"refused: {finding}\n" for finding in refused)
    sys.stdout.writelines(f"warning: still the address of the example: {a}\n" for a in placeholders(directory))
    return 1 if refused else 0


def secrets(config: Any, directory: Path, where: str = "") -> Iterator[str]:
    """Find secrets whose file is missing, empty, not readable, or holds no address although it should."""
    if isinstance(config, list):
        for index, value in enumerate(config):
            name = value.get("name", index) if isinstance(value, dict) else index
            yield from secrets(value, directory, f"{where}[{name}]")
    elif isinstance(config, dict):
        for key, value in config.items():
            place = f"{where}.{key}".removeprefix(".")
            if key.endswith("_file") and isinstance(value, str):
                try:
                    text = (directory / value).read_text(encoding="utf-8").strip()
                    if not text:
                        yield f"{place}: the secret file {value} is empty"
                    elif key.endswith("url_file") and not _URL.fullmatch(text):
                        yield f"{place}: the secret file {value} does not hold one address, http://… or https://…"
                except (OSError, UnicodeDecodeError) as error:
                    reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
                    yield f"{place}: the secret file {value} {reason}"
            else:
                yield from secrets(value, directory, place)


def destinations(directory: Path) -> Iterator[str]:
    """Find destinations that are defined as nothing."""
    path = directory / "templates" / "destinations.tmpl"
    if path.exists():
        for name in _EMPTY_DESTINATION.findall(path.read_text(encoding="utf-8", errors="replace")):
            yield f"{path.name}: {name} is empty"


def unguarded(config: Any) -> Iterator[str]:
    """Find inhibition whose `equal` label may be missing on both sides, which counts as equal."""
    for index, rule in enumerate(config.get("inhibit_rules") or []):
        if not isinstance(rule, dict):
            yield f"inhibit_rules[{index}]: {rule} is not a rule"
            continue
        for label in rule.get("equal") or []:
            for side in ("source_matchers", "target_matchers"):
                if not any(_requires(matcher, label) for matcher in rule.get(side) or []):
                    yield f'inhibit_rules[{index}].{side}: no {label}!="", so alerts without {label} count as equal'


def mixing(config: Any) -> Iterator[str]:
    """Find routes in which one platform's alerts hide in another's, and inhibition across platforms."""
    yield from _merging(config.get("route"), [], "route")
    for index, rule in enumerate(config.get("inhibit_rules") or []):
        if isinstance(rule, dict) and "platform" not in (rule.get("equal") or []):
            yield f"inhibit_rules[{index}].equal: no platform, so that one platform mutes another"


def _merging(route: Any, inherited: list[str], place: str) -> Iterator[str]:
    """Find the routes below that do not group by platform, in the places where they say, or inherit, by what."""
    if not isinstance(route, dict):
        return
    labels = route.get("group_by") or inherited
    if ("group_by" in route or place == "route") and not {"platform", "..."} & {*labels}:
        yield f"{place}.group_by: no platform, so that one platform's alerts hide in another's"
    for index, child in enumerate(route.get("routes") or []):
        yield from _merging(child, labels, f"{place}.routes[{index}]")


def _requires(matcher: str, label: str) -> bool:
    """Whether the matcher never matches an alert without the label."""
    parts = _MATCHER.fullmatch(matcher)
    if parts is None or parts["label"] != label:
        return False
    operator, value = parts["operator"], parts["value"]
    matches_empty = bool(re.fullmatch(value, "")) if operator.endswith("~") else not value
    return matches_empty == operator.startswith("!")


def lint(path: Path) -> Iterator[str]:
    """Find what amlint calls an error or a warning."""
    command = [sys.executable, "-m", "amlint.cli", "check", "--format=json", "--strict", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        findings = json.loads(result.stdout)
    except ValueError:
        yield f"amlint does not run (pip install amlint): {result.stderr.strip()}"
        return
    for finding in findings:
        if finding["level"] in ("error", "warn"):
            yield f"{finding['where']} (line {finding['line']}): {finding['message']}"


def amtool(path: Path) -> Iterator[str]:
    """Find what Alertmanager itself refuses, where its amtool is installed."""
    program = shutil.which("amtool")
    if program is None:
        return
    result = subprocess.run([program, "check-config", str(path)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        yield f"amtool: {' '.join((result.stdout + result.stderr).split())}"


def placeholders(directory: Path) -> Iterator[str]:
    """Find addresses that belong to nobody."""
    for path in (directory / NAME, directory / "templates" / "destinations.tmpl"):
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            if match := _PLACEHOLDER.search(line.partition(" # ")[0]):
                yield f"{path.name}:{number}: {match[0]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
