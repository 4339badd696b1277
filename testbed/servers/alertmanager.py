"""A disposable Alertmanager, and the shipped configuration with the addresses of the inbox."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from testbed.servers.http_server import HttpServer

SHIPPED_DIRECTORY = Path(__file__).parents[2] / "alertmanager"

#: Debian's name first.
PROGRAMS = ("prometheus-alertmanager", "alertmanager")


class Receivers(NamedTuple):
    """Where notifications go instead of to the services of the shipped configuration.

    Args:
        inbox_url: Of the inbox, without a slash at the end.
        smtp_port: Of the inbox, on 127.0.0.1.
        responder_urls: Of real responders; the inbox is told what they are told.
        monitoring_url: What links to the dashboard begin with, in place of the shipped address.
    """

    inbox_url: str
    smtp_port: int
    responder_urls: Sequence[str] = ()
    monitoring_url: str | None = None


class Alertmanager(HttpServer):
    """Alertmanager on 127.0.0.1, alone unless `flags` make it a member of a cluster.

    Args:
        config: Its alertmanager.yml; it runs in that directory, to which some secrets' paths are relative.
        directory: See `Server`.
        port: See `Server`.
        flags: More command-line flags.
        external_url: What links in notifications begin with; by default its own address.
    """

    name = "alertmanager"
    ready_path = "/-/ready"

    def __init__(
        self,
        config: Path,
        directory: Path | None = None,
        port: int | None = None,
        flags: Sequence[str] = (),
        external_url: str | None = None,
    ) -> None:
        super().__init__(directory, port)
        self.config = config.absolute()
        self._flags = list(flags)
        self._external_url = external_url or self.url

    def command(self) -> Sequence[str]:
        """See `Server.command`."""
        return [
            "env",
            f"--chdir={self.config.parent}",
            program(),
            f"--config.file={self.config}",
            f"--storage.path={self.directory.absolute() / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            # Links must work wherever it is reached from, its own paths stay where they are.
            f"--web.external-url={self._external_url}",
            "--web.route-prefix=/",
            *([] if any("--cluster." in flag for flag in self._flags) else ["--cluster.listen-address="]),
            *self._flags,
        ]

    def environment(self) -> Mapping[str, str]:
        """Credentials for SNS, which a host on AWS has from its role; the inbox takes any."""
        return {"AWS_ACCESS_KEY_ID": "inbox", "AWS_SECRET_ACCESS_KEY": "inbox", "AWS_EC2_METADATA_DISABLED": "true"}

    def post(self, alerts: Iterable[Mapping[str, Any]]) -> None:
        """Send alerts as Prometheus does.

        Args:
            alerts: Each with `labels`, and, where wanted, `annotations`, `startsAt`, `endsAt` (RFC 3339; one in
                the past resolves it), `generatorURL`.

        Raises:
            requests.HTTPError: One of them is invalid.
        """
        answer = requests.post(f"{self.url}/api/v2/alerts", json=list(alerts), timeout=10)
        if not answer.ok:
            raise requests.HTTPError(f"Alertmanager refuses the alerts: {answer.text}", response=answer)

    def alerts(self) -> list[dict[str, Any]]:
        """All alerts that it has, with `status.inhibitedBy` and `receivers`."""
        answer = requests.get(f"{self.url}/api/v2/alerts", timeout=10)
        answer.raise_for_status()
        alerts: list[dict[str, Any]] = answer.json()
        return alerts

    @property
    def settled(self) -> bool:
        """Whether, in a cluster, it has heard its peers and notifies."""
        answer = requests.get(f"{self.url}/api/v2/status", timeout=10)
        answer.raise_for_status()
        return bool(answer.json()["cluster"]["status"] == "ready")

    def metric(self, name: str) -> float:
        """One of its own metrics that has no labels."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    def reload(self) -> None:
        """Read its configuration again.

        Raises:
            requests.HTTPError: The configuration is invalid; the last one stays in force.
        """
        answer = requests.post(f"{self.url}/-/reload", timeout=10)
        if not answer.ok:
            raise requests.HTTPError(f"Alertmanager refuses its configuration: {answer.text}", response=answer)


def cluster_flags(port: int, peers: Sequence[int], advertised: int | None = None) -> Sequence[str]:
    """Flags of a member of a cluster on 127.0.0.1, as docker-compose.yml has them.

    Args:
        port: Where it listens for its peers, by TCP and UDP.
        peers: Where they do.
        advertised: Where they are told that it listens; by default `port`.
    """
    return (
        f"--cluster.listen-address=127.0.0.1:{port}",
        f"--cluster.advertise-address=127.0.0.1:{advertised or port}",
        *(f"--cluster.peer=127.0.0.1:{peer}" for peer in peers),
        "--cluster.peer-timeout=3s",
    )


def program() -> str:
    """Path of the Alertmanager that is installed.

    Raises:
        FileNotFoundError: There is none.
    """
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise FileNotFoundError(f"Alertmanager is not installed: no {' or '.join(PROGRAMS)} on PATH")


def demo_config(source: Path, target: Path, receivers: Receivers) -> Path:
    """Copy a configuration directory with other addresses and secrets; everything else stays as shipped.

    Args:
        source: With alertmanager.yml and templates/, usually `SHIPPED_DIRECTORY`.
        target: Where the copy goes; made when missing.
        receivers: Where notifications go.

    Returns:
        The new alertmanager.yml.

    Raises:
        KeyError: It notifies somebody whom the inbox cannot play.
    """
    target.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "templates", target / "templates", dirs_exist_ok=True)
    if receivers.monitoring_url is not None:
        define(target / "templates" / "destinations.tmpl", "destination.monitoring", receivers.monitoring_url)
    config: dict[str, Any] = yaml.safe_load((source / "alertmanager.yml").read_text())
    readdress(config, receivers)
    secrets = {"slack_webhook_url": f"{receivers.inbox_url}/slack/services/T000/B000/demo"}
    for file in secret_files(config):
        path = target / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # As long as a routing key of PagerDuty has to be.
        path.write_text(secrets.get(path.name, f"demo{path.name:.>28.28}") + "\n")
    copy = target / "alertmanager.yml"
    copy.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120))
    return copy


def readdress(config: dict[str, Any], receivers: Receivers) -> None:
    """Point a parsed configuration to the inbox, in place; see `demo_config`."""
    inbox = receivers.inbox_url
    config["global"] |= {
        "smtp_smarthost": f"127.0.0.1:{receivers.smtp_port}",
        "smtp_require_tls": False,
        "pagerduty_url": f"{inbox}/pagerduty/v2/enqueue",
    }
    webhooks = {"heartbeat": f"{inbox}/heartbeat", "responder": f"{inbox}/responder/alerts"}
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = webhooks[receiver["name"]]
        if receiver["name"] == "responder":
            receiver["webhook_configs"] += [
                {**webhook, "url": url} for webhook in receiver["webhook_configs"] for url in receivers.responder_urls
            ]
        for topic in receiver.get("sns_configs", []):
            topic["api_url"] = f"{inbox}/sns"


def define(file: Path, name: str, text: str) -> None:
    """Give a template of one line another text.

    Raises:
        KeyError: The file has no such template, or several.
    """
    pattern = re.compile(rf'({{{{ define "{re.escape(name)}" }}}}).*({{{{ end }}}})$', re.MULTILINE)
    content, found = pattern.subn(lambda match: match[1] + text + match[2], file.read_text())
    if found != 1:
        raise KeyError(f"{file}: {found} templates are called {name}")
    file.write_text(content)


def secret_files(config: Any) -> list[str]:
    """Every file that a parsed configuration takes a secret from, as it is written there."""
    if isinstance(config, dict):
        own = [value for key, value in config.items() if key.endswith("_file") and isinstance(value, str)]
        return own + [file for value in config.values() for file in secret_files(value)]
    if isinstance(config, list):
        return [file for value in config for file in secret_files(value)]
    return []
