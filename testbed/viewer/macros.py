"""Grafana's variables and macros in a query, filled in as Grafana does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from testbed.viewer.board import Asked, Json, dashboard, panel

Chosen = Mapping[str, Sequence[str]]
"""What a viewer has typed or chosen. A variable that is not here has its default, or All of its values."""

SPANS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def time_range(asked: Asked, now: datetime) -> tuple[datetime, datetime]:
    """The range of the query: its panel's own, or the dashboard's."""
    own = panel(asked.uid, asked.number).get("timeFrom") if asked.number else None
    text = own or dashboard(asked.uid)["time"]["from"].removeprefix("now-")
    return now - int(text[:-1]) * SPANS[text[-1]], now


def filled(asked: Asked, now: datetime, chosen: Chosen | None = None) -> str:
    """The query as it is sent.

    Raises:
        ValueError: it has a variable or macro that is not known here.
    """
    values = {name: list(texts) for name, texts in defaults(dashboard(asked.uid)).items()}
    values |= {name: list(texts) for name, texts in (chosen or {}).items()}
    start, end = time_range(asked, now)
    return _sql(asked.text, values, start, end) if asked.is_sql else _promql(asked.text, values)


def defaults(found: Json) -> dict[str, list[str]]:
    """The values of every variable when nothing was chosen: all of a list of which several can be."""
    return {variable["name"]: _values(variable) for variable in found["templating"]["list"]}


def _values(variable: Json) -> list[str]:
    if variable.get("includeAll"):
        return [each["value"] for each in variable["options"] if each["value"] != "$__all"]
    return [variable["current"]["value"]]


def _sql(text: str, values: Mapping[str, Sequence[str]], start: datetime, end: datetime) -> str:
    first, last = (f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}'" for moment in (start, end))
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {first} AND {last}", text)
    text = text.replace("$__timeFrom()", first).replace("$__timeTo()", last)
    for name, texts in values.items():
        quoted = ",".join("'" + each.replace("'", "''") + "'" for each in texts)
        text = text.replace(f"${{{name}:sqlstring}}", quoted)
    if "$" in text:
        raise ValueError(f"a variable or macro is left: {text}")
    return text


def _promql(text: str, values: Mapping[str, Sequence[str]]) -> str:
    for name, texts in values.items():
        text = text.replace(f"${name}", texts[0] if len(texts) == 1 else f"({'|'.join(map(_escaped, texts))})")
    # Ranges of the panels that use it are an hour on a wide screen: their own shortest step wins.
    text = text.replace("$__interval", "5m")
    # What is left are groups of regular expressions, and $$ for the character itself.
    if re.search(r"\$(?!\d|\{\d)", text.replace("$$", "")):
        raise ValueError(f"a variable is left: {text}")
    return text


def _escaped(text: str) -> str:
    return re.sub(r"[\\^$*+?.()|\[\]{}]", r"\\\\\g<0>", text)
