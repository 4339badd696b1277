"""The web configuration file, in the format that Prometheus and its exporters share (exporter-toolkit).

tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: clients.crt
basic_auth_users:
  prometheus: $2y$10$...
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Literal

import msgspec

from common.yaml_files import ConfigError, decode, read_yaml
from exporter.config import check_header

ClientAuth = Literal[
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
]
VERIFIED: ClientAuth = "RequireAndVerifyClientCert"
TlsVersion = Literal["TLS12", "TLS13"]
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")
_OWN_HEADERS = {"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


class TlsServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates; relative paths start at the configuration file.

    Attributes:
        cert_file: certificate of the server with its chain, PEM.
        key_file: private key of the server, PEM.
        client_auth_type: whether clients show a certificate, in the terms of Go's crypto/tls.
        client_ca_file: certificates of the authorities that may sign client certificates.
        min_version: oldest TLS version spoken.
        max_version: newest TLS version spoken.
    """

    cert_file: str
    key_file: str
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: str | None = None
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"


class HttpServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """HTTP settings.

    Attributes:
        headers: headers that are added to every answer.
        http2: accepted for files shared with other exporters; this server speaks HTTP/1.1.
    """

    headers: dict[str, str] = {}
    http2: bool = False


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file.

    Attributes:
        tls_server_config: turns TLS on.
        http_server_config: HTTP settings.
        basic_auth_users: bcrypt hashes of passwords by user name. With at least one, every request needs a user.
    """

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[str, str] = {}

    @property
    def knows_its_clients(self) -> bool:
        """Whether nobody comes in without a password or a certificate."""
        tls = self.tls_server_config
        return bool(self.basic_auth_users) or (tls is not None and tls.client_auth_type == VERIFIED)


def load_web_config(path: Path | None) -> WebConfig:
    """The web configuration in a file, or none.

    Raises:
        ConfigError: the file cannot be read or is not valid.
    """
    if path is None:
        return WebConfig()
    config: WebConfig = decode(read_yaml(path), WebConfig, f"{path}: ")
    for user, password in config.basic_auth_users.items():
        if not _BCRYPT.fullmatch(password):
            raise ConfigError(f"{path}: basic_auth_users.{user}: not a bcrypt hash")
    for name, value in config.http_server_config.headers.items():
        # With one that cannot be sent, every answer would be an error.
        check_header(name, value, f"{path}: http_server_config.headers")
        if name.lower() in _OWN_HEADERS:
            raise ConfigError(f"{path}: http_server_config.headers: {name} is the server's own")
    ssl_context(config, path)
    return config


def ssl_context(web: WebConfig, path: Path | None) -> ssl.SSLContext | None:
    """The TLS settings that a file describes; None when it asks for none.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    config = web.tls_server_config
    if config is None or path is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    context.maximum_version = _VERSIONS[config.max_version]
    if config.client_auth_type in ("RequestClientCert", "RequireAnyClientCert"):
        raise ConfigError(
            f"{path}: tls_server_config.client_auth_type: {config.client_auth_type} does not verify the certificate"
            " and is not offered; RequireAndVerifyClientCert does"
        )

    def passphrase() -> str:
        # OpenSSL would ask for it on the terminal, and wait.
        raise ConfigError(
            f"{path}: tls_server_config.key_file: {config.key_file}: has a passphrase, and nobody is there to type it"
        )

    try:
        context.load_cert_chain(path.parent / config.cert_file, path.parent / config.key_file, passphrase)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: tls_server_config: {config.cert_file} with {config.key_file}: {_reason(error)}"
        ) from None
    if config.client_auth_type != "NoClientCert":
        if config.client_ca_file is None:
            raise ConfigError(f"{path}: tls_server_config.client_ca_file: needed for {config.client_auth_type}")
        optional = config.client_auth_type == "VerifyClientCertIfGiven"
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(path.parent / config.client_ca_file)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path}: tls_server_config.client_ca_file: {config.client_ca_file}: {_reason(error)}"
            ) from None
    return context


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "not the name of a file"  # it holds what no name can
    return error.strerror or type(error).__name__
