"""What a probe of each kind does. To add one: a structure in `exporter.config`, a function, a line in `PROBES`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import addresses
from common.deadline import Deadline
from common.redis import connect
from common.secret_text import SecretText
from exporter.config import HttpProbe, JsonRpcProbe, PostgresProbe, ProbeBase, RedisProbe, TcpProbe
from exporter.sources.postgres import PostgresSource
from exporter.waiting import complete

if TYPE_CHECKING:
    from common.http_client import Answer

# Hexadecimal as the interface of Ethereum has it; Python's `int` takes signs, spaces and underscores, too.
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)
_USER_AGENT = {"User-Agent": "ticketing-exporter"}


class ProbeError(Exception):
    """The service answered, but not as it should; or not at all."""


@dataclass(frozen=True)
class Sources:
    """Where the probes of the two databases connect to."""

    postgres: SecretText
    redis: SecretText


def probe_http(config: HttpProbe, sources: Sources) -> None:  # noqa: ARG001
    """GET the URL; the status decides."""
    answer = _ask("GET", config, headers=config.headers, ca_file=config.ca_file)
    if answer.status not in (config.valid_status or range(200, 300)):
        raise ProbeError(f"status {answer.status}")


def probe_json_rpc(config: JsonRpcProbe, sources: Sources) -> None:  # noqa: ARG001
    """Ask an Ethereum node for its newest block."""
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    answer = _ask("POST", config, headers={"Content-Type": "application/json"}, body=json.dumps(question).encode())
    if answer.status != HTTPStatus.OK:
        raise ProbeError(f"status {answer.status}")
    try:
        reply = json.loads(answer.body)
        # In Python `true` is 1, too.
        if reply["id"] is True or reply["id"] != question["id"] or reply.get("error") is not None:
            raise ProbeError("the answer is an error, or answers another request")
        number = _QUANTITY.fullmatch(reply["result"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        number = None
    if number is None:
        raise ProbeError("the answer is not a block number")


def probe_tcp(config: TcpProbe, sources: Sources) -> None:  # noqa: ARG001
    """Connect."""
    host, _, port = config.address.rpartition(":")
    addresses.connect(host.strip("[]"), int(port), Deadline(config.timeout)).close()


def probe_postgres(config: PostgresProbe, sources: Sources) -> None:
    """Open a connection and run a query."""
    source = PostgresSource(sources.postgres, "ticketing-exporter/probe")
    try:
        complete(source.query("SELECT 1", (), Deadline(config.timeout)))
    finally:
        source.close()


def probe_redis(config: RedisProbe, sources: Sources) -> None:
    """Open a connection and PING."""
    connection = connect(sources.redis.reveal(), "ticketing-exporter/probe", config.timeout)
    try:
        connection.send_command("PING")  # type: ignore[no-untyped-call]
        if connection.read_response() != "PONG":
            raise ProbeError("PING was not answered")
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]


PROBES: Mapping[type[ProbeBase], Callable[[Any, Sources], None]] = {
    HttpProbe: probe_http,
    JsonRpcProbe: probe_json_rpc,
    TcpProbe: probe_tcp,
    PostgresProbe: probe_postgres,
    RedisProbe: probe_redis,
}


def prepare(probes: Iterable[ProbeBase]) -> None:
    """Load what these need before the first try, whose time is short; most of a megabyte that others never need."""
    if any(isinstance(probe, HttpProbe | JsonRpcProbe) for probe in probes):
        import common.http_client  # noqa: F401


def _ask(method: str, config: HttpProbe | JsonRpcProbe, *, headers: Mapping[str, str], **options: Any) -> Answer:
    from common.http_client import request

    url = _url(config.url, config.url_file)
    return request(method, url, Deadline(config.timeout), headers={**_USER_AGENT, **headers}, **options)


def _url(url: str | None, url_file: str | None) -> str:
    if url is not None:
        return url
    try:
        return Path(url_file or "").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProbeError(f"url_file {url_file}: {error.strerror}") from None
