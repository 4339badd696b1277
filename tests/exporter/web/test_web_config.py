"""Web configuration files that are refused, each with the file and the field."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from common.yaml_files import ConfigError
from exporter.web.config import load_web_config

HASH = bcrypt.hashpw(b"x", b"$2b$04$abcdefghijklmnopqrstuu").decode()
TLS = "tls_server_config: {cert_file: s.pem, key_file: s.pem"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "s.pem"))
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hush")
    )
    (folder / "locked.pem").write_bytes(locked)
    return folder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("basic_auth_user: {}", "Object contains unknown field `basic_auth_user`"),
        ("- 1", "Expected `object`, got `array`"),
        ("basic_auth_users: [a]", "basic_auth_users: Expected `object`, got `array`"),
        ("basic_auth_users: {a: 1}", "basic_auth_users[...]: Expected `str`, got `int`"),
        ("basic_auth_users: {a: secret}", "basic_auth_users.a: not a bcrypt hash"),
        ("basic_auth_users: {a: $2y$10$short}", "basic_auth_users.a: not a bcrypt hash"),
        (f"basic_auth_users: {{a: '{HASH}x'}}", "basic_auth_users.a: not a bcrypt hash"),
        (f"basic_auth_users: {{a: '$2b$99${HASH[7:]}'}}", "basic_auth_users.a: not a bcrypt hash"),
        (f"basic_auth_users: {{a: '{HASH}', a: '{HASH}'}}", "line 1: the key 'a' is there twice"),
        ("http_server_config: {header: {}}", "http_server_config: Object contains unknown field `header`"),
        (
            "http_server_config: {headers: {X-Frame Options: deny}}",
            "http_server_config.headers: one of the names is not that of a header",
        ),
        (
            "http_server_config: {headers: {content-length: '5'}}",
            "http_server_config.headers: content-length is the server's own",
        ),
        (
            'http_server_config: {headers: {X-A: "a\\r\\nSet-Cookie: b"}}',
            "http_server_config.headers.X-A: holds a character that a header cannot",
        ),
        (
            "http_server_config: {headers: {X-A: a → b}}",
            "http_server_config.headers.X-A: holds a character that a header cannot",
        ),
        (
            "tls_server_config: {cert_file: s.pem, key_file: locked.pem}",
            "tls_server_config.key_file: locked.pem: has a passphrase, and nobody is there to type it",
        ),
        ("tls_server_config: {}", "tls_server_config: Object missing required field `cert_file`"),
        (
            "tls_server_config: {cert_file: s.pem}",
            "tls_server_config: Object missing required field `key_file`",
        ),
        (
            "tls_server_config: {cert_file: gone.pem, key_file: s.pem}",
            "tls_server_config: gone.pem with s.pem: No such file or directory",
        ),
        (
            'tls_server_config: {cert_file: "a\\0b", key_file: s.pem}',
            "tls_server_config: a\0b with s.pem: not the name of a file",
        ),
        (
            TLS + ', client_auth_type: VerifyClientCertIfGiven, client_ca_file: "\\ud800"}',
            "tls_server_config.client_ca_file: \ud800: not the name of a file",
        ),
        (TLS + ", min_version: TLS10}", "tls_server_config.min_version: Invalid enum value 'TLS10'"),
        (
            TLS + ", client_auth_type: RequireAndVerifyClientCert}",
            "tls_server_config.client_ca_file: needed for RequireAndVerifyClientCert",
        ),
        (
            TLS + ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: gone.pem}",
            "tls_server_config.client_ca_file: gone.pem: No such file or directory",
        ),
        (
            TLS + ", client_auth_type: RequestClientCert}",
            "tls_server_config.client_auth_type: RequestClientCert does not verify the certificate and is not offered;"
            " RequireAndVerifyClientCert does",
        ),
        (
            TLS + ", client_auth_type: RequireAnyClientCert}",
            "tls_server_config.client_auth_type: RequireAnyClientCert does not verify the certificate and is not"
            " offered; RequireAndVerifyClientCert does",
        ),
        (TLS, "line 1: expected ',' or '}', but got '<stream end>'"),
    ],
)
def test_refused(folder: Path, content: str, message: str) -> None:
    file = folder / "web.yml"
    file.write_text(content)
    with pytest.raises(ConfigError) as refusal:
        load_web_config(file)
    assert str(refusal.value) == f"{file}: {message}"


def test_accepted(folder: Path) -> None:
    file = folder / "web.yml"
    file.write_text(
        TLS + ", client_auth_type: VerifyClientCertIfGiven, client_ca_file: s.pem, min_version: TLS13}\n"
        f"basic_auth_users: {{a: '{HASH}'}}\nhttp_server_config: {{http2: true, headers: {{X-A: b}}}}\n"
    )
    config = load_web_config(file)
    assert config.tls_server_config is not None
    assert config.tls_server_config.min_version == "TLS13"
    assert config.http_server_config.headers == {"X-A": "b"}


def test_none_and_empty(folder: Path) -> None:
    assert load_web_config(None).basic_auth_users == {}
    (folder / "empty.yml").write_text("")
    assert load_web_config(folder / "empty.yml") == load_web_config(None)
