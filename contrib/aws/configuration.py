"""The files of each part on AWS: those of docker-compose.yml, with what differs there replaced.

Nothing is copied by hand, so the two cannot drift apart; a text to be replaced that is not there any more is an error.
Every file is readable by all: the volume belongs to one task.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from gateway.grafana import merged
from gateway.render import GRAFANA_BASE, TEMPLATES
from gateway.settings import ROOT, Settings

FILES = Path(__file__).parent / "files"
DOMAIN = "ticketing.internal"
ROLES = ("monitor-admin", "monitor-editor", "monitor-viewer")
#: The claim has a colon, so JMESPath wants it quoted. All who have the claim have used a one-time password: the user
#: pool takes nobody without.
ROLE_EXPRESSION = (
    "type(\"cognito:groups\") == 'array' && (contains(\"cognito:groups\", 'monitor-admin') && 'Admin'"
    " || contains(\"cognito:groups\", 'monitor-editor') && 'Editor'"
    " || contains(\"cognito:groups\", 'monitor-viewer') && 'Viewer')"
)
_KEYCLOAK = re.compile(r"(?ms)^    # Keycloak: .*?(?=^    location / \{ return 404; \}$)")
_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


class MissingError(Exception):
    """A variable is not set, or a text that is replaced is not there; the message names it."""


class Environment:
    """Environment variables, of which none that is asked for may be missing or empty."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value = self._environ.get(name, "").strip()
        if not value:
            raise MissingError(f"the environment variable {name} is not set")
        return value

    def get(self, name: str) -> str:
        """The variable, or an empty text."""
        return self._environ.get(name, "").strip()

    def items(self) -> Iterator[tuple[str, str]]:
        """Every variable."""
        yield from self._environ.items()


def write(path: Path, text: str) -> None:
    """Write a file that every user of the task may read, and nobody change."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o444)


def exporter(environment: Environment, target: Path) -> None:
    """exporter.yml, and the certificates that RDS is checked with."""
    write(target / "exporter.yml", _filled(FILES / "exporter.yml", environment))
    _copy_ca(target)


def responder(environment: Environment, target: Path) -> None:
    """responder.yml, and the certificates that RDS is checked with."""
    write(target / "responder.yml", _filled(FILES / "responder.yml", environment))
    _copy_ca(target)


def prometheus(environment: Environment, target: Path) -> None:
    """prometheus.yml, rules and the fallback board."""
    shipped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    config = discovering(shipped)
    if store := environment.get("REMOTE_WRITE_URL"):
        config["remote_write"] = [{"url": store, "sigv4": {"region": environment["AWS_REGION"]}}]
    write(target / "prometheus.yml", yaml.safe_dump(config, sort_keys=False, width=120))
    for name in ("rules", "consoles", "console_libraries"):
        shutil.copytree(ROOT / "prometheus" / name, target / name, dirs_exist_ok=True)


def discovering(shipped: dict[str, Any]) -> dict[str, Any]:
    """prometheus.yml with every task of a service as a target of its own, found in DNS.

    Fargate has no host that node_exporter could look at: its job is left out.
    """

    def found(entry: dict[str, Any]) -> dict[str, Any]:
        groups = [(group, *group["targets"][0].rpartition(":")[::2]) for group in entry["static_configs"]]
        if any(host == "localhost" for _, host, _ in groups):
            return entry
        rest = {key: value for key, value in entry.items() if key != "static_configs"}
        names = [
            {"names": [f"{host}.{DOMAIN}"], "type": "A", "port": int(port), "refresh_interval": "10s"}
            for _, host, port in groups
        ]
        # What is found in DNS has no labels but those that a rule gives it.
        labels = [
            {
                "source_labels": ["__meta_dns_name"],
                "regex": re.escape(f"{host}.{DOMAIN}"),
                "target_label": label,
                "replacement": value,
            }
            for group, host, _ in groups
            for label, value in group.get("labels", {}).items()
        ]
        return {**rest, "dns_sd_configs": names, **({"relabel_configs": labels} if labels else {})}

    alerting = {**shipped["alerting"], "alertmanagers": [found(one) for one in shipped["alerting"]["alertmanagers"]]}
    jobs = [found(job) for job in shipped["scrape_configs"] if job["job_name"] != "node"]
    return {**shipped, "alerting": alerting, "scrape_configs": jobs}


def alertmanager(environment: Environment, target: Path) -> None:
    """alertmanager.yml and its templates: heartbeat and SMS through SNS, the responder by its name here."""
    source = ROOT / "alertmanager"
    config = yaml.safe_load((source / "alertmanager.yml").read_text(encoding="utf-8"))
    region = {"region": environment["AWS_REGION"]}
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    # CloudWatch counts what is published to this topic, and raises the alarm when it stops.
    heartbeat = {"topic_arn": environment["HEARTBEAT_TOPIC_ARN"], "sigv4": region, "send_resolved": False}
    receivers["heartbeat"] = {"name": "heartbeat", "sns_configs": [{**heartbeat, "message": "beat"}]}
    receivers["responder"]["webhook_configs"][0]["url"] = f"http://responder.{DOMAIN}:19878/alerts"
    receivers["sms-security"]["sns_configs"][0]["sigv4"] = region
    config["receivers"] = list(receivers.values())
    write(target / "alertmanager.yml", yaml.safe_dump(config, sort_keys=False, width=120, allow_unicode=True))
    for template in sorted((source / "templates").glob("*.tmpl")):
        text = template.read_text(encoding="utf-8")
        if template.name == "destinations.tmpl":
            text = re.sub(r"arn:aws:sns:[\w:-]+", environment["SECURITY_TOPIC_ARN"], text)
            link = '{{ define "destination.monitoring" }}'
            text = re.sub(re.escape(link) + r"[^{]*", f"{link}https://{environment['MONITORING_HOST']}", text)
        write(target / "templates" / template.name, text)


def grafana(environment: Environment, target: Path) -> None:
    """grafana.ini for Cognito; data sources, with RDS's certificates; dashboards."""
    settings = Settings(monitoring_host=environment["MONITORING_HOST"])
    base, client = environment["COGNITO_URL"], environment["GRAFANA_CLIENT_ID"]
    placeholders = {**settings.placeholders("", None), "KEYCLOAK": "replaced-below"}
    text = merged(GRAFANA_BASE, _fill((TEMPLATES / "grafana.ini").read_text(encoding="utf-8"), placeholders))
    parser = ConfigParser(interpolation=None, strict=True, delimiters=("=",))
    parser.read_string(text)
    parser["auth"]["signout_redirect_url"] = _sign_out(environment, client)
    parser["auth.generic_oauth"].update(
        client_id=client,
        auth_url=f"{base}/oauth2/authorize",
        token_url=f"{base}/oauth2/token",
        api_url=f"{base}/oauth2/userInfo",
        login_attribute_path="email",
        role_attribute_path=ROLE_EXPRESSION,
    )
    written = StringIO()
    parser.write(written)
    write(target / "grafana.ini", written.getvalue())
    shutil.copytree(ROOT / "grafana" / "provisioning", target / "provisioning", dirs_exist_ok=True)
    sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/ticketing.yml").read_text(encoding="utf-8"))
    for source in sources["datasources"]:
        if source["type"] == "postgres":
            source["jsonData"] |= {"tlsConfigurationMethod": "file-path", "sslRootCertFile": "/etc/grafana/rds-ca.pem"}
    write(target / "provisioning/datasources/ticketing.yml", yaml.safe_dump(sources, sort_keys=False, width=120))
    for dashboard in (ROOT / "grafana" / "dashboards").glob("*.json"):
        write(target / "dashboards" / dashboard.name, dashboard.read_text(encoding="utf-8"))
    _copy_ca(target)


def gateway(environment: Environment, target: Path) -> None:
    """The edge behind the load balancer, with Cognito in place of Keycloak."""
    placeholders = _gateway_settings(environment).placeholders("", None)
    for template in sorted(file for file in (TEMPLATES / "nginx").rglob("*") if file.is_file()):
        text = template.read_text(encoding="utf-8")
        if template.name == "nginx.conf":
            text = _replaced(text, "?allowed_groups=otp?", f"?allowed_groups={','.join(ROLES)}?")
            # The load balancer names nobody in SNI. It lets no other Host through, and the default server refuses it.
            certificate = "ssl_certificate @CERTIFICATE@;\n    ssl_certificate_key @CERTIFICATE_KEY@;"
            text = _replaced(text, "ssl_reject_handshake on;", certificate)
            if not _KEYCLOAK.search(text):
                raise MissingError("nginx.conf: the locations of Keycloak are not there to be left out")
            text = _KEYCLOAK.sub("", text)
        if template.name == "report.inc":  # the gateway does not reach the responder
            text = 'return 404 "Not from here: ticketing-responder report ID\\n";\n'
        if template.name == "no-second-factor.html":
            link = f'href="{escape(_sign_out(environment, environment["GATE_CLIENT_ID"]))}"'
            text, count = re.subn(r'href="/auth/[^"]*"', link, text)
            if count != 1:
                raise MissingError(f"{template.name}: the link to Keycloak's logout is there {count} times, not once")
        write(target / template.relative_to(TEMPLATES / "nginx"), _fill(text, placeholders))


def gate(environment: Environment, redis_url: str) -> str:
    """oauth2-proxy.cfg: Cognito's groups are the roles."""
    text = _fill(
        (TEMPLATES / "oauth2-proxy.cfg").read_text(encoding="utf-8"),
        _gateway_settings(environment).placeholders("", None),
    )
    changes = {
        "provider": '"oidc"',
        "oidc_issuer_url": f'"{environment["OIDC_ISSUER"]}"',
        "client_id": f'"{environment["GATE_CLIENT_ID"]}"',
        "oidc_groups_claim": '"cognito:groups"',
        "redis_connection_url": f'"{redis_url}"',
        "allowed_roles": None,
        "skip_oidc_discovery": None,
        "login_url": None,
        "redeem_url": None,
        "oidc_jwks_url": None,
    }
    for key, value in changes.items():
        line = "" if value is None else f"{key} = {value}\n"
        text, count = re.subn(rf"(?m)^{key} = .*\n", line.replace("\\", r"\\"), text)
        if count != 1:
            raise MissingError(f"oauth2-proxy.cfg: {key} is not there to be replaced")
    text = re.sub(r"(?m)^# (The gate over|The groups of a session).*\n", "", text)
    return text + f"allowed_groups = {list(ROLES)!r}\n".replace("'", '"')


#: By the name that `place` is told.
PARTS: dict[str, Callable[[Environment, Path], None]] = {
    "alertmanager": alertmanager,
    "exporter": exporter,
    "gateway": gateway,
    "grafana": grafana,
    "prometheus": prometheus,
    "responder": responder,
}


def _gateway_settings(environment: Environment) -> Settings:
    return Settings(
        monitoring_host=environment["MONITORING_HOST"],
        allowed_networks=environment["ALLOWED_NETWORKS"],
        load_balancer_networks=environment["LOAD_BALANCER_NETWORKS"],
        gateway_network="127.0.0.1/32",  # nginx and oauth2-proxy are one task
        gate_listen="127.0.0.1:4180",
        gate="127.0.0.1:4180",
        grafana=f"grafana.{DOMAIN}:3000",
        prometheus=f"prometheus.{DOMAIN}:9090",
        resolver="169.254.169.253",
        bridges="",  # there is no Docker: people and load balancer may have any private address
    )


def _sign_out(environment: Environment, client: str) -> str:
    """Where a browser is signed out of Cognito; from there it comes back to end the gateway's session."""
    back = f"https%3A%2F%2F{environment['MONITORING_HOST']}%2Foauth2%2Fsign_out"
    return f"{environment['COGNITO_URL']}/logout?client_id={client}&logout_uri={back}"


def _filled(path: Path, environment: Environment) -> str:
    text = path.read_text(encoding="utf-8")
    names = set(_PLACEHOLDER.findall(text))
    return _fill(text, {name: environment[name] for name in names})


def _fill(text: str, placeholders: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: placeholders[match[1]], text)


def _replaced(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise MissingError(f"nginx.conf: {old!r} is there {text.count(old)} times, not once")
    return text.replace(old, new)


def _copy_ca(target: Path) -> None:
    write(target / "rds-ca.pem", (FILES / "rds-ca.pem").read_text(encoding="utf-8"))
