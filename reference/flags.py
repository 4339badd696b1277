"""The page of all commands and flags."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from backtest.__main__ import command_line as backtest
from exporter.__main__ import command_line as exporter
from reference.markdown import code, page, table
from responder.__main__ import command_line as responder
from responder.commands import command_line as terminal

HEAD = ("flag or argument", "default", "meaning")


def text() -> str:
    """The page."""
    return page(
        "Commands and flags",
        "`pip install .` installs these commands.",
        *(section for make in (exporter, responder) for section in _command(make())),
        *_subcommands(terminal()),
        *_command(backtest()),
    )


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    parts = [f"## {parser.prog}", parser.description or "", _flags(parser), parser.epilog or ""]
    yield "\n\n".join(" ".join(part.split()) if not part.startswith("|") else part for part in parts if part)


def _subcommands(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield " ".join(["##", parser.prog, "COMMAND"]) + f"\n\n{parser.description}\n\n{parser.epilog}"
    for group in parser._actions:
        if isinstance(group, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in group._choices_actions}
            for name, command in group.choices.items():
                yield f"### {parser.prog} {name}\n\n{_sentence(told[name])}\n\n{_flags(command)}"


def _flags(parser: argparse.ArgumentParser) -> str:
    return table(HEAD, [_row(action) for action in parser._actions if action.dest != "help"])


def _row(action: argparse.Action) -> tuple[str, str, str]:
    name = ", ".join(action.option_strings) or action.dest.upper()
    takes = _takes(action)
    meaning = (action.help or "").replace("%(default)s", str(action.default))
    if action.choices:
        meaning = f"{meaning}; one of {', '.join(map(str, action.choices))}".removeprefix("; ")
    required = "required" if action.required else ""
    default = "" if action.default in (None, False, argparse.SUPPRESS) else code(str(action.default))
    return code(f"{name} {takes}".strip()), required or default, _sentence(meaning)


def _takes(action: argparse.Action) -> str:
    if not action.option_strings or action.nargs == 0:
        return ""
    if isinstance(action.metavar, tuple):
        return " ".join(action.metavar)
    return action.metavar or action.dest.strip("_").upper()


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).rstrip(".") + "." if text else ""
