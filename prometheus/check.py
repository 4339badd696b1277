"""Refuse limits with which alerts would be mute; name the culprit.

    .venv/bin/python prometheus/check.py [directory]

Prometheus itself loads a limits.yml in which a limit is missing, doubled or nonsense, and tells it a minute later, by
LimitInvalid. This finds it before the reload: every limit that a rule, the board, a dashboard or a playbook reads must
have one record without a platform, each record must be a plain number in its range, and somebody must read it. What
reads is found in the files themselves: of the directory, and of `grafana` and `responder` beside it, where they are.
promtool looks at all rules, where it is installed. The exit status is 0 when there is nothing to refuse.

It runs on any Python 3.11 or newer with `pip install pyyaml`.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

RECORD, NAME, NEEDED = "ticketing:limit", "limits.yml", "limits_by_platform.yml"

#: What reads limits, below the directory and below the one that holds it.
READERS = ("rules/*.yml", "consoles/*", "console_libraries/*")
READERS_BESIDE = ("grafana/dashboards/*.json", "responder/playbooks.yml")

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_READ = re.compile(r"""(?:\b|%s)limit\s*=\s*\\*["']([\w ]+?)\\*["']""")
_LISTED = re.compile(r'"limit", "(\w+)", "", ""')
_SHARES = re.compile(r'limit=~"([^"]+)",limit!="([^"]+)"')


@dataclass(frozen=True)
class HandedOn:
    """What limits_by_platform.yml does.

    Attributes:
        names: of the limits that it hands on.
        share: matches those that are no more than 1.
        no_share: a name that matches, and may be more.
    """

    names: frozenset[str]
    share: re.Pattern[str]
    no_share: str


@dataclass(frozen=True)
class Record:
    """One record of limits.yml, as written."""

    limit: str
    platform: str
    weekday: str
    expr: str

    def __str__(self) -> str:
        """For a message."""
        of = f" of platform {self.platform}" if self.platform else ""
        return f"{self.limit}{of} on weekday {self.weekday}" if self.weekday else f"{self.limit}{of}"


def main(arguments: list[str]) -> int:
    """Print every finding, one a line."""
    directory = Path(arguments[0]) if arguments else Path(__file__).parent
    path = directory / "rules" / NAME
    try:
        found = list(records(path))
        path = directory / "rules" / NEEDED
        needed = handed_on(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        sys.stdout.write(f"refused: {path}: {error}\n")
        return 1
    refused = [*faults(found, read(directory), needed), *elsewhere(directory)] or [*promtool(directory)]
    sys.stdout.writelines(f"refused: {finding}\n" for finding in refused)
    return 1 if refused else 0


def records(path: Path) -> Iterator[Record]:
    """Read limits.yml.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds something that is no record of a limit.
        yaml.YAMLError: It is no YAML.
    """
    # Without types: Prometheus reads the text of a number, not what YAML makes of it.
    content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
    try:
        rules = [rule for group in content["groups"] for rule in group["rules"]]
    except (TypeError, KeyError):
        raise ValueError("is not a file of rules") from None
    for rule in rules:
        labels = rule.get("labels") if isinstance(rule, dict) else None
        if not isinstance(labels, dict) or set(rule) != {"record", "labels", "expr"} or rule["record"] != RECORD:
            raise ValueError(f"{rule} is not a record of {RECORD} with labels and expr")
        if "limit" not in labels or set(labels) - {"limit", "platform", "weekday"}:
            raise ValueError(f"{rule}: its labels must be limit and, for one of them alone, platform or weekday")
        yield Record(labels["limit"], labels.get("platform", ""), labels.get("weekday", ""), rule["expr"])


def read(directory: Path) -> dict[str, Path]:
    """Names of the limits that somebody reads, each with a file that does."""
    paths = [path for pattern in READERS for path in sorted(directory.glob(pattern)) if path.name != NAME]
    paths += [path for pattern in READERS_BESIDE for path in sorted(directory.resolve().parent.glob(pattern))]
    return {name: path for path in reversed(paths) for name in _READ.findall(path.read_text(encoding="utf-8"))}


def handed_on(path: Path) -> HandedOn:
    """Read limits_by_platform.yml.

    Raises:
        OSError: It cannot be read.
        ValueError: It does not say which limits are shares.
    """
    text = path.read_text(encoding="utf-8")
    shares = _SHARES.search(text)
    if shares is None:
        raise ValueError("does not say which limits are shares")
    return HandedOn(frozenset(_LISTED.findall(text)), re.compile(shares[1]), shares[2])


def faults(found: list[Record], readers: dict[str, Path], needed: HandedOn) -> Iterator[str]:
    """Find what is missing, doubled, unusable, or read by nobody."""
    defaults = {record.limit for record in found if not record.platform and not record.weekday}
    for name in sorted({*readers, *needed.names} - defaults):
        reader = readers.get(name, Path(NEEDED)).name
        yield f"{name}: {reader} reads it, and {NAME} has no record of it without a platform"
    for name in sorted({*readers} - needed.names):
        yield f"{name}: {readers[name].name} reads it, and {NEEDED} does not list it"
    for record, times in Counter((record.limit, record.platform, record.weekday) for record in found).items():
        if times > 1:
            yield f"{Record(*record, '')}: is recorded {times} times"
    for record in found:
        if record.weekday not in {"", *"0123456"}:
            yield f"{record}: a weekday is 0 (Sunday) to 6 (Saturday)"
        if record.limit not in {*readers, *needed.names}:
            yield f"{record}: nobody reads a limit of this name"
        elif not _NUMBER.fullmatch(record.expr):
            yield f"{record}: {record.expr} is not a plain number"
        elif float(record.expr) in (float("inf"), float("-inf")):
            yield f"{record}: {record.expr} is not finite"
        elif float(record.expr) < 0:
            yield f"{record}: {record.expr} is negative"
        elif float(record.expr) > 1 and needed.share.fullmatch(record.limit) and record.limit != needed.no_share:
            yield f"{record}: {record.expr} is above 1; a share is not written in percent: 3 % is 0.03"


def elsewhere(directory: Path) -> Iterator[str]:
    """Find limits that are recorded in another file, where nobody would look for them."""
    for path in sorted((directory / "rules").glob("*.yml")):
        if path.name != NAME and re.search(rf"record: [\"']?{RECORD}[\"']?\s*$", path.read_text("utf-8"), re.MULTILINE):
            yield f"{path.name}: records {RECORD}; limits belong into {NAME}"


def promtool(directory: Path) -> Iterator[str]:
    """Find what Prometheus itself refuses, where its promtool is installed."""
    program = shutil.which("promtool")
    if program is None:
        return
    command = [program, "check", "rules", *map(str, sorted((directory / "rules").glob("*.yml")))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        yield f"promtool: {' '.join((result.stdout + result.stderr).split())}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
