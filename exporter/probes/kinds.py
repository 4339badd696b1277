"""What a probe of each kind does. To add one: a structure in `exporter.config`, a function, a line in `PROBES`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import requests

from exporter.config import HttpProbe, JsonRpcProbe, PostgresProbe, ProbeBase, RedisProbe, TcpProbe
from exporter.deadline import Deadline
from exporter.probes.http import limited_session
from exporter.secrets import SecretText, redactor
from exporter.sources.postgres import PostgresSource
from exporter.sources.redis import INVALID_URL

LARGEST_BODY = 65536


class ProbeError(Exception):
    """The service answered, but not as it should; or not at all."""


@dataclass(frozen=True)
class Sources:
    """Where the probes of the two databases connect to."""

    postgres: SecretText
    redis: SecretText


def probe_http(config: HttpProbe, sources: Sources) -> None:  # noqa: ARG001
    """GET the URL; the status decides."""
    with (
        limited_session(config.timeout) as session,
        session.get(
            _url(config.url, config.url_file),
            headers={"User-Agent": "ticketing-exporter", **config.headers},
            timeout=config.timeout,
            allow_redirects=False,
            stream=True,
            verify=config.ca_file or True,
        ) as response,
    ):
        _body(response)
        valid = config.valid_status or range(200, 300)
        if response.status_code not in valid:
            raise ProbeError(f"status {response.status_code}")


def probe_json_rpc(config: JsonRpcProbe, sources: Sources) -> None:  # noqa: ARG001
    """Ask an Ethereum node for its newest block."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    with (
        limited_session(config.timeout) as session,
        session.post(
            _url(config.url, config.url_file),
            json=request,
            headers={"User-Agent": "ticketing-exporter"},
            timeout=config.timeout,
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        body = _body(response)
        if response.status_code != requests.codes.ok:
            raise ProbeError(f"status {response.status_code}")
        try:
            answer = json.loads(body)
            int(answer["result"], 16)
        except (ValueError, KeyError, TypeError):
            raise ProbeError("the answer is no block number") from None


def probe_tcp(config: TcpProbe, sources: Sources) -> None:  # noqa: ARG001
    """Connect."""
    host, _, port = config.address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=config.timeout):
        pass


def probe_postgres(config: PostgresProbe, sources: Sources) -> None:
    """Open a connection and run a query."""
    source = PostgresSource(sources.postgres, "ticketing-exporter/probe")
    try:
        source.query("SELECT 1", (), Deadline(config.timeout))
    finally:
        source.close()


def probe_redis(config: RedisProbe, sources: Sources) -> None:
    """Open a connection and PING."""
    url = sources.redis.reveal()
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=config.timeout,
            socket_connect_timeout=config.timeout,
            client_name="ticketing-exporter/probe",
            retry=None,
        )
    except ValueError:
        # Its message may quote a piece of the password.
        raise ProbeError(INVALID_URL) from None
    try:
        if not client.ping():
            raise ProbeError("PING was not answered")
    finally:
        client.close()


PROBES: Mapping[type[ProbeBase], Callable[[Any, Sources], None]] = {
    HttpProbe: probe_http,
    JsonRpcProbe: probe_json_rpc,
    TcpProbe: probe_tcp,
    PostgresProbe: probe_postgres,
    RedisProbe: probe_redis,
}


def describe(error: Exception) -> str:
    """What went wrong, in one line that names no URL: its path may be a key."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.ConnectionError):
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        return f"connection failed: {type(reason or error).__name__}"
    if isinstance(error, requests.RequestException):
        return type(error).__name__
    return redactor.redact(" ".join(str(error).split())) or type(error).__name__


def _url(url: str | None, url_file: str | None) -> str:
    if url is not None:
        return url
    try:
        return Path(url_file or "").read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProbeError(f"url_file {url_file}: {error.strerror}") from None


def _body(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(8192):
        body += chunk
        if len(body) > LARGEST_BODY:
            raise ProbeError(f"the answer is longer than {LARGEST_BODY} bytes")
    return body
