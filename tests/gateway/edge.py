"""A real nginx with the rendered configuration, and clients with addresses of their own.

All of 127.0.0.0/8 is this machine, so an address stands for a network: inside, outside, a load balancer.
"""

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import trustme

from gateway.render import for_installed_nginx, nginx_program, render
from gateway.settings import Settings
from testbed.servers.ports import free_port
from testbed.servers.server import Server
from tests.gateway import standins
from tests.gateway.standins import COOKIE, READ_TOKEN, StandIn

HOST = "monitoring.nft-ticketing.com"
INSIDE, OUTSIDE = "127.10.0.1", "127.30.0.1"
#: As in a company network, the load balancer is inside itself.
BALANCER = "127.10.20.5"
ALLOWED, BALANCERS = "127.10.0.0/16", "127.10.20.0/24"
HTML = {"Accept": "text/html,application/xhtml+xml"}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


class Nginx(Server):
    """nginx with a rendered directory."""

    name = "nginx"

    def __init__(self, rendered: Path, directory: Path, port: int, health: str) -> None:
        super().__init__(directory, port)
        self._rendered = rendered
        self._health = health

    def command(self) -> Sequence[str]:
        directives = "daemon off; master_process on;" + (" user root;" if os.geteuid() == 0 else "")
        return [
            nginx_program() or "nginx",
            "-e",
            "stderr",
            "-c",
            str(self._rendered / "nginx" / "nginx.conf"),
            "-p",
            str(self.directory),
            "-g",
            directives,
        ]

    def ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection(self._health, timeout=2)
            connection.request("GET", "/-/healthy")
            return connection.getresponse().status == 200
        except OSError:
            return False


@dataclass
class Edge:
    """The gateway, whom its certificate is from, and what is behind it."""

    port: int
    log: Path
    authority: Path
    gate: StandIn
    grafana: StandIn
    keycloak: StandIn
    prometheus: StandIn
    responder: StandIn
    balanced: bool = False
    asked: int = 0

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        source: str | None = None,
        session: str | None = None,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        host: str = HOST,
        sni: str = HOST,
        body: bytes = b"",
    ) -> Answer:
        """Send a request byte for byte, as no library would let one.

        Without a source it comes from an address inside that was not used before, so that requests do not meet each
        other's rate limit.

        Behind a load balancer, the request comes from it and names the source, as the balancer would.
        """
        lines = [(name, value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
        if source is None:
            self.asked += 1
            source = f"127.10.{100 + self.asked // 250}.{1 + self.asked % 250}"
        peer = source
        if self.balanced:
            forged = ", ".join(value for name, value in lines if name.lower() == "x-forwarded-for")
            lines = [line for line in lines if line[0].lower() != "x-forwarded-for"]
            lines.append(("X-Forwarded-For", f"{forged}, {source}" if forged else source))
            peer = BALANCER
        return self.send(path, method, peer, session, lines, host, sni, body)

    def send(
        self,
        path: str,
        method: str,
        peer: str,
        session: str | None,
        lines: Sequence[tuple[str, str]],
        host: str,
        sni: str,
        body: bytes,
    ) -> Answer:
        context = self.tls()
        context.check_hostname = sni == HOST
        head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if session is not None:
            head.append(f"Cookie: {COOKIE}={session}")
        head += [f"{name}: {value}" for name, value in lines]
        if body or method == "POST":
            head.append(f"Content-Length: {len(body)}")
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(peer, 0))
        with context.wrap_socket(raw, server_hostname=sni) as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            text = response.read().decode(errors="replace")
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)

    def tls(self) -> ssl.SSLContext:
        """What a browser would do that trusts the certificate."""
        # Not the default context: reading the system's certificates takes longer than all the rest.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        return context

    def forget(self) -> None:
        """Forget what the stand-ins have seen."""
        for one in (self.gate, self.grafana, self.keycloak, self.prometheus, self.responder):
            one.seen.clear()


@contextmanager
def edge(
    directory: Path,
    *,
    balanced: bool = False,
    weaken: Callable[[str], str] = lambda text: text,
    gate: Callable[[standins.Seen], standins.Reply] = standins.gate,
    down: Sequence[str] = (),
    gate_address: str | None = None,
    **settings: str,
) -> Iterator[Edge]:
    """Run the gateway.

    Args:
        directory: for everything it writes.
        balanced: whether a load balancer is in front.
        weaken: changes nginx.conf and what it includes.
        gate: how oauth2-proxy answers.
        gate_address: where nginx looks for oauth2-proxy instead.
        down: stand-ins that are not there.
        settings: more of `Settings`.
    """
    with ExitStack() as stack:
        answers = {
            "gate": gate,
            "grafana": standins.grafana,
            "keycloak": standins.keycloak,
            "prometheus": standins.prometheus,
            "responder": standins.responder,
        }
        parts = {name: StandIn(answer) for name, answer in answers.items()}
        for name, part in parts.items():
            if name in down:
                part.address = f"127.0.0.1:{free_port()}"
            else:
                stack.enter_context(part.serving())
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        certificate.private_key_and_cert_chain_pem.write_to_path(directory / "tls.pem")
        authority.cert_pem.write_to_path(directory / "ca.pem")
        port, health = free_port(), f"127.0.0.1:{free_port()}"
        place = Settings(
            allowed_networks=ALLOWED,
            load_balancer_networks=BALANCERS if balanced else "",
            listen=f"127.0.0.1:{port}",
            health_listen=health,
            certificate=str(directory / "tls.pem"),
            certificate_key=str(directory / "tls.pem"),
            run_directory=str(directory),
            pages=str(directory / "rendered" / "nginx" / "pages"),
            **{name: part.address for name, part in parts.items()},
        )
        rendered = directory / "rendered"
        if gate_address is not None:
            place = replace(place, gate=gate_address)
        render(replace(place, **settings).placeholders("secret", READ_TOKEN), rendered)
        for file in [rendered / "nginx" / "nginx.conf", *(rendered / "nginx").glob("*.inc")]:
            text = file.read_text()
            file.write_text(for_installed_nginx(weaken(text)))
        nginx = stack.enter_context(Nginx(rendered, directory / "nginx", port, health))
        behind = (parts["gate"], parts["grafana"], parts["keycloak"], parts["prometheus"], parts["responder"])
        yield Edge(port, nginx.log, directory / "ca.pem", *behind, balanced=balanced)
