"""What differs between places: the host name, who may connect, where the parts listen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

Network = IPv4Network | IPv6Network

ROOT = Path(__file__).parents[1]

_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")  # as RFC 6750 has it: nginx finds nothing of its own in it
_RATE = re.compile(r"[1-9]\d*r/[sm]")
#: The shortest prefix that a network may have, by version of IP.
_WIDEST_OF_PEOPLE = {4: 8, 6: 8}  # 10.0.0.0/8 and fd00::/8, all that is private
_WIDEST_OF_BALANCERS = {4: 16, 6: 48}  # everybody in it can say whose address it has: subnets of one site

#: What people set, in upper case in .env; all else is as docker-compose.yml has it.
VARIABLES = ("monitoring_host", "allowed_networks", "load_balancer_networks", "sign_in_rate")


class SettingsError(ValueError):
    """A variable cannot be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """The variables of the templates, in the form in which they are written there.

    Attributes:
        monitoring_host: name of the gateway in URL, certificate and SNI.
        allowed_networks: whose people may connect, separated by blanks or commas.
        load_balancer_networks: of the load balancer in front, if there is one: its own subnets and nothing more.
        sign_in_rate: requests of one address to anything that signs in, in nginx's unit.
        gateway_network: of the stack itself, from which oauth2-proxy believes X-Forwarded-*: the gateway's address.
        listen: of nginx.
        health_listen: of its health check; loopback.
        gate_listen: of oauth2-proxy.
        gate: address of oauth2-proxy, `host:port`; likewise the next four.
        resolver: DNS server that knows these names.
        certificate: file of the TLS certificate, with its chain.
        certificate_key: file of its key.
        secrets: directory of the secrets, as the parts see it.
        pages: directory of the static pages, as nginx sees it.
        run_directory: where nginx may write.
        redis: address of the Redis that keeps sessions.
        bridges: Docker's own, where there is Docker: behind its userland proxy everybody has such an address.
    """

    monitoring_host: str = "monitoring.nft-ticketing.com"
    allowed_networks: str = "10.0.0.0/8"
    load_balancer_networks: str = ""
    sign_in_rate: str = "30r/m"
    gateway_network: str = "172.16.200.10/32"
    listen: str = "8443"
    health_listen: str = "127.0.0.1:8081"
    gate_listen: str = "0.0.0.0:4180"
    gate: str = "oauth2-proxy:4180"
    grafana: str = "grafana:3000"
    prometheus: str = "prometheus:9090"
    responder: str = "responder:19878"
    keycloak: str = "keycloak:8080"
    redis: str = "redis:6379"
    resolver: str = "127.0.0.11"
    certificate: str = "/run/secrets/tls_certificate"
    certificate_key: str = "/run/secrets/tls_certificate_key"
    secrets: str = "/run/secrets"
    pages: str = "/etc/nginx/monitoring/pages"
    run_directory: str = "/tmp"  # noqa: S108  (the container's own tmpfs)
    bridges: str = "172.16.0.0/12"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Take those of `VARIABLES` that are set; an empty one means the default."""
        return cls(**{name: value for name in VARIABLES if (value := environment.get(name.upper(), "").strip())})

    def placeholders(self, redis_password: str, responder_read_token: str | None) -> dict[str, str]:
        """The text for each `@NAME@` of the templates.

        Args:
            redis_password: of the gate's sessions.
            responder_read_token: with which the gateway reads reports; of several, one a line, the first. None where it
                reads none: then there is no text for it.

        Raises:
            SettingsError: A variable cannot be used, or would let everybody in.
        """
        if not _HOST.fullmatch(self.monitoring_host):
            raise SettingsError(f"MONITORING_HOST: {self.monitoring_host!r} is not a host name in lower case")
        if not _RATE.fullmatch(self.sign_in_rate):
            raise SettingsError(f"SIGN_IN_RATE: {self.sign_in_rate!r} is not a rate such as 30r/m")
        reading = {}
        if responder_read_token is not None:
            token = next(iter(responder_read_token.split()), "")
            if not _TOKEN.fullmatch(token):
                raise SettingsError("responder_read_token: has none of 16 or more letters, digits and -._~+/=")
            reading = {"RESPONDER_READ_TOKEN": token}
        inside = networks("ALLOWED_NETWORKS", self.allowed_networks, _WIDEST_OF_PEOPLE)
        if not inside:
            raise SettingsError("ALLOWED_NETWORKS: is empty, nobody could connect")
        balancers = networks("LOAD_BALANCER_NETWORKS", self.load_balancer_networks, _WIDEST_OF_BALANCERS)
        self._refuse_bridges("ALLOWED_NETWORKS", inside, "might be inside")
        self._refuse_bridges("LOAD_BALANCER_NETWORKS", balancers, "might say what address they have")
        real_ip = [f"set_real_ip_from {network};" for network in balancers]
        if balancers:
            real_ip += ["real_ip_header X-Forwarded-For;", "real_ip_recursive off;"]
        return {
            **{field.name.upper(): str(getattr(self, field.name)) for field in fields(self)},
            "HOST": self.monitoring_host,
            "INSIDE": " ".join(f"{network} 1;" for network in inside),
            "REAL_IP": "\n".join("  " + line for line in real_ip),
            "ANY_PEER": "0" if balancers else "1",
            "TRUSTED_PEERS": " ".join(f"{network} 1;" for network in balancers),
            "UNTOLD": "0" if balancers else "1",
            "GATE_TRUSTS": f'"{self.gateway_network}"',
            **reading,
            "REDIS_URL": f"redis://:{redis_password}@{self.redis}/0",
        }

    def _refuse_bridges(self, name: str, found: list[Network], risk: str) -> None:
        for network in found:
            if any(network.overlaps(ip_network(bridges)) for bridges in self.bridges.split()):
                raise SettingsError(
                    f"{name}: {network} holds addresses of Docker's own bridges, so that everybody {risk};"
                    " see docs/operations.md on the userland proxy"
                )


def networks(name: str, text: str, widest: Mapping[int, int]) -> list[Network]:
    """Parse networks in CIDR notation.

    Args:
        name: of the variable.
        text: separated by blanks or commas.
        widest: the shortest prefix that is taken, by version of IP.

    Raises:
        SettingsError: One is none, has host bits set, or is too wide.
    """
    found = []
    for part in re.split(r"[\s,]+", text.strip()) if text.strip() else []:
        try:
            network = ip_network(part)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from None
        if network.prefixlen < widest[network.version]:
            raise SettingsError(f"{name}: {network} is too wide: /{widest[network.version]} is the widest")
        found.append(network)
    return found
