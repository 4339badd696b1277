"""The page of every option of every configuration file, read from the structures that decode them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from common.yaml_files import Duration, DurationOrZero
from exporter.config import Config as ExporterConfig
from exporter.web.config import WebConfig
from reference.markdown import code, page, table
from responder.actions import SHIPPED
from responder.config import file_type
from responder.playbook_file import Section
from responder.playbooks import Step

HEAD = ("option", "type", "default", "meaning")
PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Duration: "duration",
    DurationOrZero: "duration, or 0s",
    Any: "anything",
}
BOUNDS = {"gt": "above", "ge": "from", "le": "to", "lt": "below"}
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


def text() -> str:
    """The page."""
    fields = [field for action in SHIPPED.values() for field in (*action.needs, *action.uses)]
    responder = file_type({field.name: field for field in fields}.values())
    used = {
        field.name: [name for name, action in SHIPPED.items() if field in (*action.needs, *action.uses)]
        for field in fields
    }
    meanings = {field.name: field.meaning for field in fields if field.meaning}
    return page(
        "Configuration options",
        "Durations are written as `250ms`, `5s`, `2m` or `1h30m`. An option that does not exist is refused by name.",
        "\n\n".join(["## Exporter: `--config.file`", *_structures(ExporterConfig)]),
        "\n\n".join(["## Exporter: `--web.config.file`", *_structures(WebConfig)]),
        "\n\n".join(["## Responder: `--config.file`", *_structures(responder, used, meanings)]),
        "\n\n".join(["## Responder: `--playbooks.file`", *_playbooks()]),
    )


def _playbooks() -> Iterator[str]:
    yield "The file is a mapping of playbooks by name: the value of the alert's label `playbook`."
    yield from _structures(Section, within="NAME")
    yield f"**`NAME.on_firing[]`, `NAME.on_end[]`**: {_summary(Step)}"
    yield table(HEAD, _rows(Step, without=("parameters",)))
    for name, action in SHIPPED.items():
        yield f"**action `{name}`** takes in addition:"
        yield table(HEAD, _rows(action.parameters)) if action.parameters.__struct_fields__ else "nothing."


def _structures(
    structure: Any,
    used: dict[str, list[str]] | None = None,
    of_fields: dict[str, str] | None = None,
    within: str = "",
) -> Iterator[str]:
    """A table for a structure and for each one within it; one that stands in several places has one."""
    waiting: list[tuple[str, Any]] = [(within, structure)]
    done: dict[Any, str] = {}
    while waiting:
        place, structure = waiting.pop(0)
        if structure in done:
            if structure.__struct_config__.tag is None:
                yield f"**`{place}`**: the options of `{done[structure]}`."
            continue
        done[structure] = place
        if place:
            tag = structure.__struct_config__.tag
            chosen = f", `{structure.__struct_config__.tag_field}: {tag}`" if tag else ""
            yield f"**`{place}`**{chosen}: {_summary(structure)}".removesuffix(": ")
        if structure.__struct_fields__:
            yield table(HEAD, _rows(structure, used, of_fields, within=place))
        for field in msgspec.structs.fields(structure):
            inner = f"{place}.{field.encode_name}".lstrip(".")
            waiting += [(inner + suffix, kind) for suffix, kind in _inner(field.type)]


def _rows(
    structure: Any,
    used: dict[str, list[str]] | None = None,
    of_fields: dict[str, str] | None = None,
    within: str = "",
    without: tuple[str, ...] = (),
) -> Iterator[tuple[str, ...]]:
    meanings = _meanings(structure)
    for field in msgspec.structs.fields(structure):
        if field.name in without:
            continue
        meaning = meanings.get(field.name, "")
        if not meaning and used:
            full = f"{within}.{field.name}".lstrip(".")
            users = [names for key, names in used.items() if f"{key}.".startswith(f"{full}.")]
            names = dict.fromkeys(name for some in users for name in some)
            said = (of_fields or {}).get(full, "")
            meaning = f"{said} Used by {', '.join(code(name) for name in names)}.".lstrip()
        yield code(field.encode_name), _type(field.type), _default(field), meaning


def _meanings(structure: Any) -> dict[str, str]:
    """From the docstrings of the structure and of what it inherits from."""
    found: dict[str, str] = {}
    for kind in reversed(structure.__mro__):
        _, _, attributes = (kind.__doc__ or "").partition("Attributes:\n")
        # A docstring's lines are indented as the class is, and the entries once more.
        lines = "\n".join(line.removeprefix("    ") for line in attributes.splitlines())
        for name, meaning in _ENTRY.findall(lines):
            words = " ".join(meaning.split())
            found[name] = words[:1].upper() + words[1:] if not words.startswith("`") else words
    return found


def _summary(structure: Any) -> str:
    return " ".join((structure.__doc__ or "").partition("\n\n")[0].split())


def _alternatives(kind: Any) -> list[Any]:
    return list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]


def _inner(kind: Any) -> Iterator[tuple[str, Any]]:
    """Structures within a type, each with what its place adds to the option's name."""
    for part in _alternatives(kind):
        origin, arguments = get_origin(part), get_args(part)
        if origin is Annotated:
            yield from _inner(arguments[0])
        elif origin is tuple:
            yield from (("[]" + suffix, found) for suffix, found in _inner(arguments[0]))
        elif origin is dict:
            yield from ((".NAME" + suffix, found) for suffix, found in _inner(arguments[1]))
        elif isinstance(part, type) and issubclass(part, msgspec.Struct):
            yield "", part


def _type(kind: Any) -> str:
    parts = [part for part in _alternatives(kind) if part is not NoneType]
    structures = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    if len(structures) > 1:
        field = structures[0].__struct_config__.tag_field
        tags = ", ".join(code(str(part.__struct_config__.tag)) for part in structures)
        return f"mapping with {code(str(field))} {tags}"
    return " or ".join(dict.fromkeys(_plain(part) for part in parts))


def _plain(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [f"{word} {getattr(arguments[1], name)}" for name, word in BOUNDS.items() if _has(arguments[1], name)]
        return " ".join([_type(arguments[0]), *bounds])
    if origin is Literal:
        return ", ".join(code(str(value)) for value in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping of name to {_type(arguments[1])}"
    return PLAIN.get(kind, "mapping")


def _has(meta: Any, name: str) -> bool:
    return getattr(meta, name) is not None


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if value is None else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, Duration):
        return code(_duration(value))
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        return code(f"{value.__struct_config__.tag_field}: {tag}") if tag else "see below"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, dict):
        return ", ".join(f"{code(name)} ({_shown(inner)})" for name, inner in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(code(str(inner)) for inner in value) or "none"
    return code(str(value)) or "empty"


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms" if seconds else "0s"
