"""Each task's first container, with the environment that its template gives it, writes files that the part accepts."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from contrib.aws import configuration, place
from gateway.grafana import weaknesses
from gateway.render import _nginx_complaints
from tests.compose.stack import services
from tests.contrib.aws.templates import parsed, resolved

ROOT = Path(__file__).parents[3]
PARTS = sorted(configuration.PARTS)
WORLD = resolved(parsed())


def containers(part: str, **given: str) -> dict[str, dict[str, Any]]:
    world = resolved(parsed(), **given) if given else WORLD
    return {one["Name"]: one for one in world[part, "Task"]["Properties"]["ContainerDefinitions"]}


def environment(part: str, **given: str) -> dict[str, str]:
    """Of the first container, with something for what is known after deploying only."""
    first = containers(part, **given)["place"]
    known = {one["Name"]: one["Value"].replace("<", "known-").replace(">", "") for one in first.get("Environment", [])}
    names = [one["Name"] for one in first.get("Secrets", [])]
    secrets = {name: ("https://" if name.endswith("_URL") else "") + f"s3cret-{name.lower()}" for name in names}
    return {**known, **secrets}


@pytest.fixture(autouse=True)
def certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(configuration.FILES, files)
    (files / "rds-ca.pem").write_text("certificates of RDS")
    monkeypatch.setattr(configuration, "FILES", files)


@pytest.fixture
def placed(tmp_path: Path) -> Any:
    def run(part: str, **given: str) -> Path:
        root = tmp_path / part
        (root / "tmp").mkdir(parents=True)
        assert place.main([part, "--root", str(root)], environment(part, **given)) == 0
        return root

    return run


@pytest.mark.parametrize("part", PARTS)
def test_every_file_that_the_part_is_told_of_is_there(placed: Any, part: str) -> None:
    root = placed(part)
    for name, container in containers(part).items():
        if name == "place":
            continue
        places = {mount["ContainerPath"]: root / mount["SourceVolume"] for mount in container["MountPoints"]}
        told = [*container.get("Command", []), *container.get("EntryPoint", [])]
        told += [one["Value"] for one in container.get("Environment", [])]
        files = [text.rpartition("=")[2] for text in told if text.rpartition("=")[2].startswith(("/etc/", "/run/"))]
        assert files or name == "alertmanager"
        for file in files:
            mount = max((path for path in places if file.startswith(path + "/")), key=len)
            assert (places[mount] / file.removeprefix(mount + "/")).exists(), f"{name}: {file}"
    assert (root / "tmp").stat().st_mode & 0o777 == 0o777


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_variable_is_named_and_stops_the_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    known = environment(part)
    needed = [
        name for name in known if not name.startswith("SECRET_") and name not in ("REMOTE_WRITE_URL", "AWS_REGION")
    ]
    for name in needed:
        without = {key: value for key, value in known.items() if key != name}
        assert place.main([part, "--root", str(tmp_path / name)], without) == 1
        assert name in capsys.readouterr().err
    assert needed or part == "prometheus"


def test_prometheus(placed: Any) -> None:
    config = placed("prometheus") / "config"
    check(["promtool", "check", "config", str(config / "prometheus.yml")])
    text = (config / "prometheus.yml").read_text()
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    assert jobs["ticketing-critical"]["dns_sd_configs"][0]["names"] == ["exporter.ticketing.internal"]
    assert jobs["ticketing-critical"]["scrape_interval"] == "1s"
    assert "node" not in jobs
    assert "remote_write" not in text


def test_a_target_found_in_dns_has_the_platform_of_prometheus_yml() -> None:
    shipped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    second = {"targets": ["exporter-staging:19877"], "labels": {"platform": "staging"}}
    shipped["scrape_configs"][0]["static_configs"].append(second)
    for job in configuration.discovering(shipped)["scrape_configs"]:
        if job["job_name"] == "prometheus":
            (labels,) = (group["labels"] for group in job["static_configs"])
            assert labels == {"platform": "main"}
            continue
        platforms = {
            name: [
                rule["replacement"]
                for rule in job["relabel_configs"]
                if rule["target_label"] == "platform" and re.fullmatch(rule["regex"], name)
            ]
            for discovery in job["dns_sd_configs"]
            for name in discovery["names"]
        }
        assert platforms.pop("exporter-staging.ticketing.internal", None) == (
            ["staging"] if job["job_name"] == "ticketing-critical" else None
        )
        assert list(platforms.values()) == [["main"]], job["job_name"]


def test_prometheus_writes_to_the_managed_store(placed: Any) -> None:
    config = placed("prometheus", MetricsStore="managed") / "config" / "prometheus.yml"
    check(["promtool", "check", "config", str(config)])
    (store,) = yaml.safe_load(config.read_text())["remote_write"]
    assert store["url"].endswith("api/v1/remote_write")
    assert store["sigv4"] == {"region": "us-east-1"}


def test_alertmanager(placed: Any) -> None:
    config = placed("alertmanager") / "config"
    check([sys.executable, str(ROOT / "alertmanager" / "check.py"), str(config)])
    receivers = {one["name"]: one for one in yaml.safe_load((config / "alertmanager.yml").read_text())["receivers"]}
    assert receivers["heartbeat"]["sns_configs"][0]["topic_arn"] == "known-topics.Heartbeat"
    assert "webhook_configs" not in receivers["heartbeat"]
    assert receivers["responder"]["webhook_configs"][0]["url"] == "http://responder.ticketing.internal:19878/alerts"
    destinations = (config / "templates" / "destinations.tmpl").read_text()
    assert "known-topics.Security" in destinations
    assert "https://monitoring.nft-ticketing.com{{ end }}" in destinations


def test_exporter(placed: Any) -> None:
    root = placed("exporter")
    check([sys.executable, "-m", "exporter", f"--config.file={root}/config/exporter.yml", "--config.check"])
    dsn = (root / "secrets" / "platform_reader_dsn").read_text()
    assert dsn.startswith("postgresql://monitoring_reader:s3cret-secret_platform_reader_password@")
    assert dsn.endswith("?sslmode=verify-full&sslrootcert=/etc/ticketing/rds-ca.pem")
    assert (root / "secrets" / "platform_redis_url").read_text().startswith("rediss://:s3cret-secret_redis_password@")


def test_responder(placed: Any) -> None:
    root = placed("responder")
    config = yaml.safe_load((root / "config" / "responder.yml").read_text())
    backend = {"kind": "ecs", "region": "us-east-1", "cluster": "ticketing", "service": "backend"}
    assert config["backend"] == backend
    assert {file.name for file in (root / "secrets").iterdir()} == {
        "platform_redis_url",
        "platform_responder_dsn",
        "responder_token",
    }


def test_grafana(placed: Any) -> None:
    config = placed("grafana") / "config"
    text = (config / "grafana.ini").read_text()
    # The guards of Keycloak's claims alone: Cognito has no amr, and groups instead of roles.
    found = [one for one in weaknesses(text) if "does not begin with" not in one and "round its guards" not in one]
    assert found == []
    assert "/auth/realms/" not in text
    assert "replaced-below" not in text
    sources = yaml.safe_load((config / "provisioning/datasources/ticketing.yml").read_text())["datasources"]
    assert sources[1]["jsonData"]["sslRootCertFile"] == "/etc/grafana/rds-ca.pem"


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"cognito:groups": ["monitor-viewer"]}, "Viewer"),
        ({"cognito:groups": ["monitor-viewer", "monitor-admin"]}, "Admin"),
        ({"cognito:groups": ["monitor-editor"]}, "Editor"),
        ({"cognito:groups": ["another"]}, False),
        ({"cognito:groups": []}, False),
        ({"cognito:groups": "monitor-admin"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_role_of_groups(claims: dict[str, Any], role: object) -> None:
    import jmespath

    assert jmespath.search(configuration.ROLE_EXPRESSION, claims) == role


def test_gateway(placed: Any) -> None:
    root = placed("gateway")
    nginx = (root / "config" / "nginx.conf").read_text()
    assert "/auth/realms" not in nginx
    assert "@" not in nginx.replace("@signin", "").replace("@down", "")
    assert "allowed_groups=monitor-admin,monitor-editor,monitor-viewer?" in nginx
    assert "set_real_ip_from 10.64.0.0/23;" in nginx
    assert (root / "config" / "report.inc").read_text().startswith("return 404 ")
    shutil.copytree(root / "config", root / "nginx")
    complaints = [one for one in _nginx_complaints(root) if "ssl_certificate" not in one]
    assert complaints == []
    gate = (root / "secrets" / "oauth2-proxy.cfg").read_text()
    assert 'oidc_groups_claim = "cognito:groups"' in gate
    assert 'redis_connection_url = "rediss://:s3cret-secret_redis_password@' in gate
    assert 'allowed_groups = ["monitor-admin", "monitor-editor", "monitor-viewer"]' in gate
    assert "keycloak" not in gate.lower()
    assert "amr" not in gate


def test_who_is_not_entitled_is_signed_out_by_cognito(placed: Any) -> None:
    """Its client knows the address to come back to, and no page links to what is not there."""
    pages = placed("gateway", SignInDomain="tickets") / "config" / "pages"
    links = {link for page in pages.glob("*.html") for link in re.findall(r'href="([^"]*)"', page.read_text())}
    (away,) = (urlsplit(html.unescape(link)) for link in links if not link.startswith("/admin/monitoring/"))
    assert f"{away.scheme}://{away.netloc}{away.path}" == "https://tickets.auth.us-east-1.amazoncognito.com/logout"
    asked = parse_qs(away.query, strict_parsing=True)
    assert asked.keys() == {"client_id", "logout_uri"}
    assert asked["client_id"] == ["known-identity.GateClient"]
    assert asked["logout_uri"] == WORLD["identity", "GateClient"]["Properties"]["LogoutURLs"]


@pytest.mark.parametrize("part", PARTS)
def test_runs_what_docker_compose_runs(part: str) -> None:
    """Image, user, entry point, health check, and flags but for paths and addresses."""
    for name, container in containers(part).items():
        if name == "place":
            continue
        shipped = services()[name]
        assert container["Image"].rpartition("/")[2] == shipped["image"].rpartition("/")[2]
        assert container["User"] == shipped["user"]
        assert container.get("EntryPoint") == shipped.get("entrypoint")
        assert container["HealthCheck"]["Command"] == shipped["healthcheck"]["test"]
        here = set(container.get("Command", []))
        # A pair of Alertmanagers is not run here, and oauth2-proxy's file holds a password of Redis.
        there = {flag for flag in shipped.get("command", []) if not flag.startswith("--cluster.peer")}
        if name == "oauth2-proxy":
            here, there = {flag.partition("=")[0] for flag in here}, {flag.partition("=")[0] for flag in there}
        assert here == there
        variables = {one["Name"] for one in container.get("Environment", [])}
        # The gateway here does not reach the responder.
        others = shipped.get("environment", {}).keys() - {"RESPONDER_READ_TOKEN_FILE"}
        assert variables - {"GF_PATHS_PROVISIONING"} == others


def check(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
