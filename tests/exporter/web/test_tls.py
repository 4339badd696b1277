"""TLS with certificates of a private authority, as the web configuration file describes it."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest
import requests
import trustme

from tests.common.crowd import crowd
from tests.common.timing import usual_seconds
from tests.exporter.web.serving import running, wait_for


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    issue(tmp_path, authority)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path


def issue(folder: Path, authority: trustme.CA) -> None:
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "server.key").write_bytes(certificate.private_key_pem.bytes())
    (folder / "server.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))


def configure(folder: Path, more: str = "") -> Path:
    file = folder / "web.yml"
    file.write_text(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n{more}")
    return file


def context(folder: Path, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    client = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    for name, version in versions.items():
        setattr(client, name, version)
    return client


def serial(port: int, client: ssl.SSLContext) -> object:
    """The serial number of the certificate that is presented to a new connection."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return (connection.getpeercert() or {})["serialNumber"]


def healthy(port: int, client: ssl.SSLContext) -> bytes:
    """The answer to one request, or nothing when the server ends the connection."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        client.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        # TLS 1.3 tells a client that its certificate is refused only after its own handshake.
        connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := connection.recv(4096):
            received += piece
        return received


def test_tls(folder: Path) -> None:
    with running(folder, f"--web.config.file={configure(folder)}") as exporter:
        url = f"https://127.0.0.1:{exporter.port}"
        with requests.Session() as session:
            for _ in range(3):
                answer = session.get(f"{url}/-/healthy", verify=str(folder / "ca.pem"), timeout=20)
                assert answer.text == "Healthy\n"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/-/healthy", verify=True, timeout=20, cert=None, proxies={})
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(f"http://127.0.0.1:{exporter.port}/-/healthy", timeout=20)
        assert healthy(exporter.port, context(folder)).endswith(b"Healthy\n")


def test_clients_that_never_come_to_the_point_keep_nobody_waiting(folder: Path) -> None:
    beginnings = (b"", b"\x16\x03\x01", b"GET /metrics HTTP/1.1\r\n")
    with (
        running(folder, f"--web.config.file={configure(folder)}") as exporter,
        crowd(exporter.port, beginnings=beginnings, every=0.2),
    ):

        def ask() -> None:
            assert healthy(exporter.port, context(folder)).endswith(b"Healthy\n")

        assert usual_seconds(ask) < 0.5
        assert exporter.lines("Traceback") == []


@pytest.mark.parametrize("kind", ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"])
def test_client_certificates(folder: Path, authority: trustme.CA, kind: str) -> None:
    web = configure(folder, f"  client_auth_type: {kind}\n  client_ca_file: ca.pem\n")
    with running(folder, f"--web.config.file={web}") as exporter:
        known, stranger = context(folder), context(folder)
        authority.issue_cert("prometheus").configure_cert(known)
        trustme.CA().issue_cert("stranger").configure_cert(stranger)
        assert healthy(exporter.port, known).endswith(b"Healthy\n")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            healthy(exporter.port, stranger)
        if kind == "VerifyClientCertIfGiven":
            assert healthy(exporter.port, context(folder)).endswith(b"Healthy\n")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                healthy(exporter.port, context(folder))


def test_versions(folder: Path) -> None:
    old, new = {"maximum_version": ssl.TLSVersion.TLSv1_2}, {"minimum_version": ssl.TLSVersion.TLSv1_3}
    with running(folder, f"--web.config.file={configure(folder, '  min_version: TLS13')}") as exporter:
        assert healthy(exporter.port, context(folder, **new))
        with pytest.raises(ssl.SSLError):
            healthy(exporter.port, context(folder, **old))
    with running(folder, f"--web.config.file={configure(folder, '  max_version: TLS12')}") as exporter:
        assert healthy(exporter.port, context(folder, **old))
        with pytest.raises(ssl.SSLError):
            healthy(exporter.port, context(folder, **new))


def test_a_renewed_certificate_is_presented_to_the_next_client_and_costs_no_connection(
    folder: Path, authority: trustme.CA
) -> None:
    web = configure(folder)
    with running(folder, f"--web.config.file={web}", "--web.enable-lifecycle") as exporter:
        client = context(folder)
        first = serial(exporter.port, client)
        with (
            socket.create_connection(("127.0.0.1", exporter.port), timeout=20) as plain,
            client.wrap_socket(plain, server_hostname="localhost") as kept,
        ):
            issue(folder, authority)
            second = serial(exporter.port, client)
            assert second != first
            kept.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert kept.recv(4096).startswith(b"HTTP/1.1 200 OK")
        # Half of the next renewal, which may never be completed.
        (folder / "server.crt").write_text("no certificate")
        assert serial(exporter.port, client) == serial(exporter.port, client) == second
        assert len(exporter.lines("certificates not reloaded, the old ones stay in force")) == 1
        answer = requests.post(f"https://127.0.0.1:{exporter.port}/-/reload", verify=str(folder / "ca.pem"), timeout=20)
        assert answer.status_code == 500
        assert answer.text.startswith(f"not reloaded: {web}: tls_server_config: server.crt with server.key: ")
        assert serial(exporter.port, client) == second
        issue(folder, authority)
        assert serial(exporter.port, client) != second
        assert len(exporter.lines("certificates renewed")) == 2


def test_other_files_are_taken_up_by_a_signal(folder: Path, authority: trustme.CA) -> None:
    web = configure(folder)
    with running(folder, f"--web.config.file={web}") as exporter:
        client = context(folder)
        first = serial(exporter.port, client)
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        (folder / "new.key").write_bytes(certificate.private_key_pem.bytes())
        (folder / "new.crt").write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
        web.write_text(web.read_text().replace("server.", "new."))
        os.kill(exporter.process.pid, signal.SIGHUP)
        wait_for(lambda: serial(exporter.port, client) != first)


def test_tls_is_not_turned_off_by_a_reload(folder: Path) -> None:
    web = configure(folder)
    with running(folder, f"--web.config.file={web}", "--web.enable-lifecycle") as exporter:
        web.write_text("{}")
        answer = requests.post(f"https://127.0.0.1:{exporter.port}/-/reload", verify=str(folder / "ca.pem"), timeout=20)
        assert answer.status_code == 500
        assert "TLS is turned on and off by a restart" in answer.text
        assert healthy(exporter.port, context(folder)).endswith(b"Healthy\n")
