"""`ticketing-responder incidents`, `show ID`, `report ID`, and decisions such as `undo ID`: asked of a responder."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from common import http_client
from common.deadline import Deadline
from common.http_client import HttpError
from common.secret_text import SecretError, SecretText
from common.yaml_files import ConfigError
from responder import report_command
from responder.labels import subject
from responder.ledger.decisions import Kind

SECONDS = 10.0
_DECISIONS: dict[Kind, str] = {
    "approve": "let what waits for it be done",
    "decline": "let what waits to be approved not be done",
    "undo": "put back at once what the incident has changed, and let it do no more",
    "ack": "say that somebody looks after it: Alertmanager repeats it no more until its end",
    "stop": "let the incident do no more; what it has changed is put back at its end",
}
NAMES = ("incidents", "show", "report", *_DECISIONS)
"""Of all commands."""


class CommandError(Exception):
    """The responder does not do it, or does not say; one line."""


def is_command(arguments: Sequence[str]) -> bool:
    """Whether the arguments are one of these commands, and not the flags of the server."""
    return bool(arguments) and arguments[0] in NAMES


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns its exit status: 1 when the responder refuses, 2 when it is not reached."""
    flags = command_line().parse_args(arguments)
    try:
        for line in _run(flags):
            print(line)  # noqa: T201
    except (CommandError, ConfigError) as error:
        print(f"ticketing-responder: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except (HttpError, SecretError, ValueError) as error:
        print(f"ticketing-responder: {flags.url}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _run(flags: argparse.Namespace) -> Iterator[str]:
    if flags.command == "incidents":
        for incident in _ask(flags.url, "GET", f"/incidents?limit={flags.limit}")["incidents"]:
            yield _summary(incident)
    elif flags.command == "show":
        yield from _whole(_incident(flags))
    elif flags.command == "report":
        yield from report_command.lines(_incident(flags), flags)
    else:
        content = {"correlation_id": flags.id, "decision": flags.command, "by": flags.by or _who(), "via": "cli"}
        if getattr(flags, "action", None):
            content["action"] = flags.action
        yield str(_ask(flags.url, "POST", "/decisions", content)["decided"])


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have a number alone.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:100]


def _incident(flags: argparse.Namespace) -> dict[str, Any]:
    found: list[dict[str, Any]] = _ask(flags.url, "GET", f"/incidents?correlation_id={flags.id}")["incidents"]
    if not found:
        raise CommandError("there is no such incident")
    return found[0]


def _ask(url: str, method: str, path: str, content: Any = None) -> Any:
    token = SecretText("RESPONDER_TOKEN").reveal().split()
    headers = {"Authorization": f"Bearer {token[0] if token else ''}", "Content-Type": "application/json"}
    body = None if content is None else json.dumps(content).encode()
    answer = http_client.request(method, url.rstrip("/") + path, Deadline(SECONDS), headers=headers, body=body)
    found = json.loads(answer.body)
    if answer.status != 200:
        raise CommandError(str(found.get("error", answer.status)))
    return found


def _summary(incident: dict[str, Any]) -> str:
    alert = subject(incident["alertname"], incident["labels"])
    waiting = [action["action"] for action in incident["actions"] if action["state"] == "waiting"]
    to_decide = f"  to be approved: {' '.join(waiting)}" if waiting else ""
    return f"{incident['correlation_id']}  {incident['opened_at'][:19]}Z  {incident['state']:7}  {alert!a}{to_decide}"


def _whole(incident: dict[str, Any]) -> Iterator[str]:
    yield _summary(incident)
    for action in incident["actions"]:
        reason = f": {action['reason']}" if action["reason"] else ""
        # Labels may come from an attacker, and a terminal obeys what it is told.
        yield ascii(f"{action['phase']:9}  {action['action']}: {action['state']}{reason}")[1:-1]
    for decision in incident["decisions"]:
        yield ascii(f"{decision['at'][:19]}Z  {decision['decision']} by {decision['by']} ({decision['via']})")[1:-1]


def command_line() -> argparse.ArgumentParser:
    """The commands of a terminal, with their flags."""
    parser = argparse.ArgumentParser(
        prog="ticketing-responder",
        description="Shows the incidents of a responder and sends it a person's decision.",
        epilog="Variables: RESPONDER_URL is its address; RESPONDER_TOKEN, or RESPONDER_TOKEN_FILE, its token.",
    )
    shared = argparse.ArgumentParser(add_help=False)
    default = os.environ.get("RESPONDER_URL") or "http://localhost:19878"
    shared.add_argument("--url", default=default, help="address of the responder; default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("incidents", parents=[shared], help="the newest incidents")
    listing.add_argument("--limit", type=int, default=20, help="largest number of incidents; default: %(default)s")
    commands.add_parser("show", parents=[shared], help="one incident with its actions").add_argument(
        "id", help="the correlation ID"
    )
    report_command.add_to(commands.add_parser("report", parents=[shared], help="one incident as Markdown"))
    for name, text in _DECISIONS.items():
        command = commands.add_parser(name, parents=[shared], help=text)
        command.add_argument("id", help="the correlation ID")
        if name in ("approve", "decline"):
            command.add_argument("action", nargs="?", help="one action; default: all that wait")
        command.add_argument("--by", help="who decides; default: USER@HOST")
    return parser
