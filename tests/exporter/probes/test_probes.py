"""Probes of every kind against small real servers."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trustme

from common.redaction import describe
from common.yaml_files import Duration
from exporter.config import HttpProbe, JsonRpcProbe, PostgresProbe, ProbeBase, RedisProbe, TcpProbe
from exporter.probes.kinds import PROBES, Sources
from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.probes.service import NONE, Service
from tests.exporter.web.serving import secret


def outcome(probe: ProbeBase, sources: Sources = NONE) -> str:
    """`up`, or what is wrong."""
    try:
        PROBES[type(probe)](probe, sources)
    except Exception as error:
        return describe(error)
    return "up"


# --- http


@pytest.mark.parametrize(
    ("status", "valid", "expected"),
    [
        (200, (), "up"),
        (204, (), "up"),
        (299, (), "up"),
        (301, (), "status 301"),
        (404, (), "status 404"),
        (500, (), "status 500"),
        (401, (401, 403), "up"),
        (302, (302,), "up"),
        (200, (204,), "status 200"),
    ],
)
def test_http_status(service: Service, status: int, valid: tuple[int, ...], expected: str) -> None:
    assert outcome(HttpProbe(url=f"{service.url}/status/{status}", valid_status=valid)) == expected
    assert len(service.seen) == 1  # redirects are not followed


def test_http_sends_its_headers(service: Service) -> None:
    assert outcome(HttpProbe(url=service.url, headers={"X-Api-Key": "k", "Host": "api.example"})) == "up"
    _, _, headers, _ = service.seen[0]
    assert (headers["X-Api-Key"], headers["Host"], headers["User-Agent"]) == ("k", "api.example", "ticketing-exporter")


def test_http_takes_its_url_from_a_file_and_never_shows_it(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "url"
    probe = HttpProbe(url_file=str(file))
    assert outcome(probe) == f"url_file {file}: No such file or directory"
    file.write_text(f"{service.url}/status/200?key=abc123\n")
    assert outcome(probe) == "up"
    assert service.seen[0][1] == "/status/200?key=abc123"
    for bad in (f"http://127.0.0.1:{free_port()}/abc123", "http://[abc123", "abc123", ""):
        file.write_text(bad)
        assert "abc123" not in outcome(probe)
        assert outcome(probe) != "up"


def test_http_refuses_an_endless_body(service: Service) -> None:
    service.body = b"x" * (1 << 20)
    assert outcome(HttpProbe(url=service.url)) == "up"
    service.body += b"x"
    assert outcome(HttpProbe(url=service.url)) == "the answer is larger than 1048576 bytes"


def test_http_in_vain(service: Service) -> None:
    assert "refused" in outcome(HttpProbe(url=f"http://127.0.0.1:{free_port()}/"))
    assert outcome(HttpProbe(url=f"{service.url}/hang", timeout=Duration(0.2))) == "no answer within 0.2 s"
    assert outcome(HttpProbe(url="http://127.0.0.1:99999/key")) == "the URL is not valid"
    assert "not known" in outcome(HttpProbe(url="http://no-such-host.invalid/key"))


def test_http_signs_in_with_the_name_in_the_url(service: Service) -> None:
    assert outcome(HttpProbe(url=service.url.replace("//", "//probe:p%40ss@") + "/a?b=c")) == "up"
    _, path, headers, _ = service.seen[0]
    assert (path, headers["Authorization"]) == ("/a?b=c", "Basic cHJvYmU6cEBzcw==")
    assert headers["Host"] == f"127.0.0.1:{service.server_port}"


def test_https_needs_a_trusted_certificate(service: Service, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    url = service.url.replace("http:", "https:")
    assert outcome(HttpProbe(url=url, ca_file=str(tmp_path / "ca.pem"))) == "up"
    assert outcome(HttpProbe(url=url)) != "up"


# --- json-rpc


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"jsonrpc": "2.0", "id": 1, "result": "0x12d687"}', "up"),
        (
            '{"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit"}}',
            "the answer is an error, or answers another request",
        ),
        ('{"id": 2, "result": "0x1"}', "the answer is an error, or answers another request"),
        ('{"id": 1, "result": "0x1", "error": {"code": -32005}}', "the answer is an error, or answers another request"),
        ('{"id": 1, "result": "0x1", "error": null}', "up"),
        ('{"result": "0x1"}', "the answer is not a block number"),
        ('{"id": 1, "result": null}', "the answer is not a block number"),
        ('{"id": 1, "result": "latest"}', "the answer is not a block number"),
        ('{"id": 1, "result": 17}', "the answer is not a block number"),
        ('{"id": true, "result": "0x1"}', "the answer is an error, or answers another request"),
        *(
            (f'{{"id": 1, "result": "{text}"}}', "the answer is not a block number")
            for text in ("0x", "-0x10", "0x1_0", " 0x1", "17", "0x" + "f" * 65)
        ),
        ("[" * 100_000, "the answer is not a block number"),
        ('["0x1"]', "the answer is not a block number"),
        ("<html>", "the answer is not a block number"),
        ("", "the answer is not a block number"),
    ],
)
def test_json_rpc(service: Service, body: str, expected: str) -> None:
    service.body = body.encode()
    assert outcome(JsonRpcProbe(url=f"{service.url}/v3/key")) == expected
    method, path, headers, request = service.seen[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/v3/key", "application/json")
    assert json.loads(request) == {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}


def test_json_rpc_status(service: Service) -> None:
    service.body, service.status = b'{"id": 1, "result": "0x1"}', 429
    assert outcome(JsonRpcProbe(url=service.url)) == "status 429"


# --- tcp, postgres, redis


def test_tcp(service: Service) -> None:
    assert outcome(TcpProbe(address=f"127.0.0.1:{service.server_port}")) == "up"
    assert "refused" in outcome(TcpProbe(address=f"127.0.0.1:{free_port()}"))
    assert outcome(TcpProbe(address="no-such-host.invalid:80")) != "up"


def test_databases(postgres: Postgres, redis_server: Redis) -> None:
    sources = Sources(secret("POSTGRES_DSN", postgres.dsn()), secret("REDIS_URL", redis_server.url()))
    assert outcome(PostgresProbe(), sources) == "up"
    assert outcome(RedisProbe(), sources) == "up"


def test_databases_in_vain() -> None:
    sources = Sources(
        secret("POSTGRES_DSN", "host=127.0.0.1 port=1 password=probe-hush"),
        secret("REDIS_URL", "redis://:probe-hush@127.0.0.1:1/0"),
    )
    assert "refused" in outcome(PostgresProbe(), sources)
    assert "refused" in outcome(RedisProbe(), sources)
    assert "probe-hush" not in outcome(PostgresProbe(), sources) + outcome(RedisProbe(), sources)
    broken = Sources(secret("POSTGRES_DSN", "probe-hush"), secret("REDIS_URL", "redis://:probe-hush/x@127.0.0.1"))
    assert "not a valid libpq DSN" in outcome(PostgresProbe(), broken)
    assert "the URL is not valid" in outcome(RedisProbe(), broken)
