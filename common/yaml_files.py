"""Reading YAML files strictly, with errors that name the file and the field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

import msgspec
import yaml

LONGEST_DURATION = 366 * 86400.0
# What YAML takes for one of these may be a secret, which is not repeated.
_UNQUOTED = re.compile(r"(alias|anchor|tag|tag handle) ['\"].*", re.DOTALL)


class ConfigError(Exception):
    """A file cannot be used; the message names the file and the field."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A structure without unknown fields."""


class Duration(float):
    """Seconds above 0, written as `250ms`, `5s`, `2m` or `1h30m`."""

    _MAY_BE_ZERO = False
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # noqa: RUF012
    _PART = re.compile(r"(\d+)(ms|s|m|h|d)")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The duration that a text means.

        Raises:
            ValueError: it is not a duration, not above 0, or too long.
        """
        parts = cls._PART.findall(text)
        if "".join(number + unit for number, unit in parts) != text or not parts:
            raise ValueError(f"{text!r} is not a duration such as 5s or 250ms")
        seconds = sum(float(number) * cls._UNITS[unit] for number, unit in parts)
        if seconds <= 0 and not cls._MAY_BE_ZERO:
            raise ValueError(f"{text!r} is not above 0")
        if seconds > LONGEST_DURATION:
            raise ValueError(f"{text!r} is too long")
        return cls(seconds)


class DurationOrZero(Duration):
    """The same, or `0s`."""

    _MAY_BE_ZERO = True


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; an empty mapping when there is none.

    Raises:
        ConfigError: it cannot be read or parsed, or has a key twice.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506 (a safe loader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        problem = _UNQUOTED.sub(r"\1; quote a value that begins with * & or !", error.problem or error.context or "")
        raise ConfigError(f"{path}: {line}{problem}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # Beside YAML's own: a date without such a day, say, or a sequence as a key.
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    return {} if content is None else content


def decode(content: Any, kind: Any, place: str) -> Any:
    """Plain data as a structure of this kind.

    Raises:
        ConfigError: a field is unknown, missing or of the wrong type; the message begins with `place`.
    """
    try:
        return msgspec.convert(content, kind, dec_hook=_decode_duration)
    except msgspec.ValidationError as error:
        reason, _, field = str(error).partition(" - at `$")
        where = field.rstrip("`")
        # A place that ends with a space is a file, of which the field is the first.
        where = where.removeprefix(".") if place.endswith(" ") else where
        colon = "" if not where and place.endswith(" ") else ": "
        raise ConfigError(f"{place}{where}{colon}{reason}") from None


def _decode_duration(kind: type, value: Any) -> Any:
    if issubclass(kind, Duration) and isinstance(value, str):
        return kind.parse(value)
    raise ValueError(f"{value!r} is not a duration such as 5s or 250ms")


class _UniqueKeyLoader(yaml.SafeLoader):
    """The safe loader, except that a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<`, whose keys give way to those beside it
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
