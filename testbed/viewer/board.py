"""The committed dashboards as Grafana reads them: panels, queries, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"

UIDS = ("ticketing", "ticketing-stack", "ticketing-investigate", "ticketing-own")

Json = dict[str, Any]


@cache
def dashboard(uid: str) -> Json:
    """One dashboard."""
    found: Json = json.loads((FOLDER / f"{uid}.json").read_text())
    return found


def panels(uid: str) -> list[Json]:
    """Its panels without the headings."""
    return [panel for panel in dashboard(uid)["panels"] if panel["type"] != "row"]


def panel(uid: str, number: int) -> Json:
    """One of them, by its ID."""
    (found,) = (panel for panel in panels(uid) if panel["id"] == number)
    return found


@dataclass(frozen=True)
class Asked:
    """A query of a panel, or of an annotation.

    Attributes:
        uid: of the dashboard.
        number: of the panel; 0 for an annotation.
        ref: its letter.
        text: PromQL or SQL with Grafana's macros.
        over_time: a range query of Prometheus.
        is_sql: whether it is SQL.
    """

    uid: str
    number: int
    ref: str
    text: str
    over_time: bool
    is_sql: bool

    def __str__(self) -> str:
        return f"{self.uid}/{self.number}{self.ref}"


def queries(*, sql: bool) -> list[Asked]:
    """All queries of one kind, of all dashboards."""
    found = []
    for uid in UIDS:
        targets = [(panel["id"], target) for panel in panels(uid) for target in panel.get("targets", [])]
        targets += [(0, each["target"]) for each in dashboard(uid)["annotations"]["list"] if "target" in each]
        for number, target in targets:
            is_sql = "rawSql" in target
            if is_sql == sql:
                text = target["rawSql" if is_sql else "expr"]
                found.append(Asked(uid, number, target["refId"], text, bool(target.get("range")), is_sql))
    return found


def strings(value: Any) -> Iterator[str]:
    """Every text anywhere in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def addresses(uid: str) -> set[str]:
    """Everything in it that is a link, in whatever field."""
    found = set()
    for text in strings(dashboard(uid)):
        found.update(re.findall(r'href="([^"]+)"', text))
        if re.match(r"https?://|/admin/", text):
            found.add(text)
    return found
