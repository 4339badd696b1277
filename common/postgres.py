"""Connections to PostgreSQL within a deadline, and what errors say without secrets."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import psycopg2
import psycopg2.extensions

from common import addresses
from common.connection_strings import ESCAPING, is_ambiguous, without_values
from common.deadline import Deadline, DeadlineExceededError
from common.redaction import redactor

Connection = psycopg2.extensions.connection
Parameters = dict[str, Any]

OLDEST = 14
"""The major version that is needed: `date_bin` came with it."""

LATE = "no answer in time"
_INVALID_DSN = f"the connection string is not a valid libpq DSN or URL; {ESCAPING}"
# Where the connection was to go: a piece of a password that is not escaped may be taken for a port.
_PLACE = re.compile(r'connection to server (?:at|on socket) ".*?"(?: \([^)]*\))?(?:, port \S+)? failed: ', re.DOTALL)
# The path has the port.
_SOCKET = re.compile(r'(?<=Unix-domain socket path) ".*?"')
# What PostgreSQL itself refuses by name, and what tells where to look.
_NAMED = {"user", "dbname"}


class PostgresError(Exception):
    """PostgreSQL is not reached or refuses; one line, without secrets.

    Attributes:
        code: SQLSTATE, None when there was no answer.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


def connect(
    dsn: str, name: str, deadline: Deadline, open_one: Callable[[Parameters, Deadline], Connection]
) -> Connection:
    """A connection to the first of all addresses of all hosts that takes one.

    libpq has no time limit for an address, so that one that does not answer would use up the time of the others, and
    none at all for the resolver. The name of the host is what TLS and `.pgpass` go by all the same.

    Args:
        dsn: a libpq connection string or URL.
        name: told to the server as `application_name`.
        deadline: of all tries together; each host has an equal share of what is left, and each of its addresses.
        open_one: opens a connection with these parameters of libpq by this deadline.

    Raises:
        PostgresError: there is none to be had, or the server is too old.
        DeadlineExceededError: there was none in time.
    """
    ours = {
        "dsn": dsn,
        "application_name": name,
        "client_encoding": "UTF8",
        # A host that is gone is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    parameters = _parse(dsn)
    values = [value for option, value in parameters.items() if option not in _NAMED]
    problems: dict[str, None] = {}
    hosts = _hosts(parameters)
    for position, host in enumerate(hosts):
        share = Deadline(deadline.check("PostgreSQL") / (len(hosts) - position))
        try:
            targets = _addresses(host, share)
        except (OSError, DeadlineExceededError) as error:
            reason = LATE if isinstance(error, DeadlineExceededError) else error
            problems[f"the host cannot be resolved: {reason}"] = None
            continue
        for index, target in enumerate(targets):
            part = Deadline(share.remaining() / (len(targets) - index))
            try:
                return _not_too_old(open_one({**ours, **target}, part))
            except psycopg2.OperationalError as error:
                problems[without_values(describe(error), values)] = None
            except DeadlineExceededError:
                problems[LATE] = None
    if deadline.remaining() <= 0 and problems.keys() <= {LATE}:
        # As whoever waits for this connection says it: which of the two notices first is chance.
        raise deadline.exceeded("PostgreSQL")
    if deadline.remaining() <= 0:
        raise DeadlineExceededError("PostgreSQL: " + "; ".join(problems))
    raise PostgresError("; ".join(problems))


def _not_too_old(connection: Connection) -> Connection:
    if connection.server_version < OLDEST * 10_000:
        version = connection.get_parameter_status("server_version")
        connection.close()
        raise PostgresError(f"this is PostgreSQL {version}; {OLDEST} or newer is needed")
    return connection


def describe(error: Exception) -> str:
    """One line, without secrets and without what of a query is quoted."""
    text = " ".join(_SOCKET.sub("", _PLACE.sub("", str(error))).split(" LINE ")[0].split())
    return redactor.redact(text) or type(error).__name__


def _parse(dsn: str) -> dict[str, str]:
    try:
        parameters = {name: str(value) for name, value in psycopg2.extensions.parse_dsn(dsn).items()}
    except psycopg2.ProgrammingError:
        # libpq's own message quotes parts of it, perhaps of the password.
        raise PostgresError(_INVALID_DSN) from None
    ports, hosts = parameters.get("port", "").split(","), parameters.get("host", "").split(",")
    if is_ambiguous(dsn) or not all(map(_is_port, ports)) or any(map(_is_no_host, hosts)):
        raise PostgresError(_INVALID_DSN)
    return parameters


def _hosts(parameters: Mapping[str, str]) -> list[Parameters]:
    """What differs from host to host, in the order to try them in."""
    columns = {name: parameters[name].split(",") for name in ("host", "hostaddr", "port") if name in parameters}
    count = max((len(values) for name, values in columns.items() if name != "port"), default=1)
    if any(len(values) not in (1, count) for values in columns.values()):
        raise PostgresError("the connection string has different numbers of hosts and ports")
    hosts: list[Parameters] = [
        {name: values[position] if len(values) > 1 else values[0] for name, values in columns.items()}
        for position in range(count)
    ]
    # What libpq does with a list of hosts, which it never sees.
    if parameters.get("load_balance_hosts") == "random":
        random.shuffle(hosts)
    if parameters.get("target_session_attrs") == "prefer-standby":
        hosts = [{**host, "target_session_attrs": wanted} for wanted in ("standby", "any") for host in hosts]
    return hosts


def _addresses(host: Parameters, deadline: Deadline) -> list[Parameters]:
    name = host.get("host", "")
    # The name of a socket is a path, or begins with an @; without any name libpq has its own.
    if not name or host.get("hostaddr") or name.startswith(("/", "@")):
        return [host]
    return [{**host, "hostaddr": address} for address in addresses.resolve(name, deadline)]


def _is_port(text: str) -> bool:
    return not text or (re.fullmatch(r"\s*[0-9]{1,5}\s*", text) is not None and 1 <= int(text) <= 65535)


def _is_no_host(text: str) -> bool:
    # The name of a socket may have one in its path, or begin with it.
    return "@" in text and not text.startswith(("/", "@"))
