"""`${labels.account}` in texts of a playbook, filled with what the alert says."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from responder.labels import platform_of

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"(?:labels|annotations)\.[a-zA-Z_][a-zA-Z0-9_]*|alertname|platform|playbook|correlation_id")


class PlaceholderError(Exception):
    """A placeholder that does not exist, or that the alert has no text for."""


def names(text: str) -> list[str]:
    """What the placeholders in a text are called."""
    return _PLACEHOLDER.findall(text)


def check(text: str, figures: Collection[str] = ()) -> None:
    """Raise `PlaceholderError` when a placeholder is none of those that there are, or of these figures."""
    for name in names(text):
        if name.removeprefix("figures.") not in figures and not _NAME.fullmatch(name):
            raise PlaceholderError(
                f"${{{name}}} is none of ${{labels.NAME}}, ${{annotations.NAME}}, ${{alertname}}, ${{platform}},"
                " ${playbook}, ${correlation_id}, or a figure of this playbook, ${figures.NAME}"
            )


def fill(text: str, values: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
    """The text with its placeholders filled.

    Args:
        text: of the playbook.
        values: by name of placeholder.
        quote: applied to each value.

    Raises:
        PlaceholderError: there is no value, or an empty one: an action must not be done to nobody.
    """

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if not found:
            raise PlaceholderError(f"the alert has no {match[1]}")
        return quote(found)

    return _PLACEHOLDER.sub(value, text)


def values_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], playbook: str, correlation_id: str
) -> dict[str, str]:
    """What placeholders stand for."""
    return {
        "alertname": labels.get("alertname", ""),
        "platform": platform_of(labels),
        "playbook": playbook,
        "correlation_id": correlation_id,
        **{f"labels.{name}": text for name, text in labels.items()},
        **{f"annotations.{name}": text for name, text in annotations.items()},
    }


def promql(text: str) -> str:
    """A text as the inside of a double-quoted PromQL string."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
