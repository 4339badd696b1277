"""What docker-compose.yml promises, held without Docker."""

import json
import re
import subprocess
import sys
import tomllib
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gateway.__main__ import env_file
from gateway.render import render
from gateway.settings import VARIABLES, Settings
from tests.compose.stack import FILE, ROOT, VARIABLE, compose, mounts, services, substituted
from tests.gateway.rendered import rendered
from tests.gateway.standins import READ_TOKEN

ENVIRONMENTS = ((), (".env.example",), ("deploy/compose/demo.env",), ("deploy/compose/scale.env",))
ALL = sorted(services().items())
NAMES = [name for name, _ in ALL]
#: Every call of the stack, of both profiles.
CALLS = {
    "gateway": "oauth2-proxy keycloak grafana prometheus responder",
    "oauth2-proxy": "keycloak redis",
    "keycloak": "postgres",
    "grafana": "keycloak prometheus vmselect platform-postgres",
    "exporter": "gateway grafana oauth2-proxy keycloak simulator platform-postgres platform-redis",
    "prometheus": "exporter exporter-1 grafana node-exporter responder responder-1 prometheus-1 alertmanager "
    "alertmanager-1 vminsert",
    "alertmanager": "responder responder-1 alertmanager-1 inbox",
    "responder": "prometheus alertmanager simulator platform-postgres platform-redis",
    "responder-1": "prometheus-1 alertmanager alertmanager-1",
    "simulator": "platform-postgres platform-redis",
    "vminsert": "vmstorage-0 vmstorage-1",
    "vmselect": "vmstorage-0 vmstorage-1",
}
every_service = pytest.mark.parametrize(("name", "service"), ALL, ids=NAMES)


@pytest.mark.parametrize("files", ENVIRONMENTS, ids=str)
def test_follows_the_specification(files: tuple[str, ...]) -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(compose(*files))
    assert not validator.is_valid({"services": {"a": {"imagge": "x:1"}}})


def test_linter_finds_nothing_serious() -> None:
    command = [sys.executable, "-m", "compose_lint", "check", "--format=json", str(FILE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = json.loads(result.stdout)
    findings = findings["findings"] if isinstance(findings, dict) else findings
    assert findings
    serious = {(one["service"], one["rule_id"]) for one in findings if one["severity"] in ("high", "critical")}
    # /proc and /sys of the host are what node_exporter measures, read-only and without capabilities.
    assert serious == {("node-exporter", "CL-0013")}
    # Besides: tags, not digests; and 443 on every address, which is what the gateway is for.
    others = {(one["service"], one["rule_id"]) for one in findings} - serious
    assert {other for other in others if other[1] != "CL-0019"} == {("gateway", "CL-0005")}


def test_publishes_the_gateway_alone() -> None:
    published = {name: service["ports"] for name, service in ALL if "ports" in service}
    # And the inbox of the demo, to who sits at the machine.
    assert published == {"gateway": ["443:8443"], "inbox": ["127.0.0.1:8040:8040"]}
    assert not [name for name, service in ALL if service.get("network_mode")]


def members(network: str) -> set[str]:
    """Services on a network, those of other stores as well; the second one of a pair by the name of the first."""
    every = dict(ALL)
    for file in (ROOT / "contrib" / "store").glob("*.compose.yml"):
        every |= yaml.safe_load(substituted(file.read_text(), {}))["services"]
    return {name.removesuffix("-1") for name, service in every.items() if network in service["networks"]}


def test_who_has_a_way_out() -> None:
    networks = compose()["networks"]
    internal = {name for name, network in networks.items() if network.get("internal")}
    assert internal == {"inside", "alerting"}
    out = {name for network in networks.keys() - internal for name in members(network)}
    # The gateway, and those who call others. Nobody who keeps passwords or sessions.
    assert out & services().keys() == {"gateway", "grafana", "exporter", "responder", "alertmanager", "inbox"}
    assert members("showing") == {"inbox"}


def test_who_reaches_alertmanager() -> None:
    """It asks for no password: who reaches it could have accounts locked, or silence everything."""
    reaching = {name for network in services()["alertmanager"]["networks"] for name in members(network)}
    # Who tells it of alerts, and whom it tells: the inbox, in the demo, is told what people are.
    assert reaching - {"alertmanager"} == {"prometheus", "responder", "inbox"}


@pytest.mark.parametrize(("caller", "called"), CALLS.items(), ids=CALLS)
def test_who_calls_whom(caller: str, called: str) -> None:
    for name in called.split():
        assert set(services()[caller]["networks"]) & set(services()[name]["networks"]), name


def test_no_fixed_address_can_be_given_to_another_container() -> None:
    (pool,) = compose()["networks"]["inside"]["ipam"]["config"]
    subnet, given_out = IPv4Network(pool["subnet"]), IPv4Network(pool["ip_range"])
    assert given_out.subnet_of(subnet)
    assert given_out.num_addresses > 2 * len(services())
    joined = [networks for _, service in ALL if isinstance(networks := service["networks"], dict)]
    fixed = [one["ipv4_address"] for networks in joined for one in networks.values() if "ipv4_address" in one]
    assert fixed
    taken = [IPv4Address(address) for address in (*fixed, pool["gateway"])]
    assert len(set(taken)) == len(taken)
    assert not [address for address in taken if address in given_out or address not in subnet]


def test_the_fixed_subnet_is_none_that_docker_gives_to_another_network() -> None:
    """Otherwise the stack does not start where a network, of its own or of another project, was given it before."""
    (pool,) = compose()["networks"]["inside"]["ipam"]["config"]
    pools = ["172.17.0.0/16", "172.18.0.0/15", "172.20.0.0/14", "172.24.0.0/13", "192.168.0.0/16"]
    assert not [one for one in pools if IPv4Network(one).overlaps(IPv4Network(pool["subnet"]))]


@every_service
def test_image_is_pinned(name: str, service: dict[str, Any]) -> None:
    tag = service["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-alpine|-cluster)?", tag), f"{name}: {service['image']}"


def test_versions_are_in_one_place() -> None:
    versions = {name: value for name, value in env_file(ROOT / ".env.example").items() if name.endswith("_VERSION")}
    assert len(versions) >= 10
    defaults: dict[str, set[str]] = {}
    for name, default in VARIABLE.findall(FILE.read_text()):
        if name.endswith("_VERSION"):
            defaults.setdefault(name, set()).add(default)
    assert defaults == {name: {value} for name, value in versions.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert versions["TICKETING_VERSION"] == project["version"]
    texts = [file.read_text() for folder in ("contrib", "deploy", "docs") for file in (ROOT / folder).rglob("*.*ml")]
    texts += [file.read_text() for file in (ROOT / "docs").glob("*.md")]
    pattern = r"ticketing-(?:exporter|responder):(\d[\d.]*\d)|(?s:TicketingVersion:.*?Default: ([\d.]+))"
    assert {one or other for text in texts for one, other in re.findall(pattern, text)} == {project["version"]}
    keycloak = (ROOT / "gateway" / "keycloak.Dockerfile").read_text()
    assert f"ARG KEYCLOAK_VERSION={versions['KEYCLOAK_VERSION']}\n" in keycloak
    tested = (ROOT / "tools" / "identity.sh").read_text()
    for name in ("KEYCLOAK", "OAUTH2_PROXY"):
        assert f"\n{name}={versions[name + '_VERSION']}\n" in tested


@every_service
def test_is_confined(name: str, service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    uid = service["user"].partition(":")[0]
    assert uid.isdecimal(), name
    assert int(uid) > 0
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[MG]", limits["memory"])
    assert limits["pids"] > 0
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@every_service
def test_has_a_health_check(name: str, service: dict[str, Any]) -> None:
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL"), name
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


@every_service
def test_image_has_what_its_health_check_runs(name: str, service: dict[str, Any]) -> None:
    image = service["image"]
    program = service["healthcheck"]["test"][1].partition(" ")[0]
    if program == "wget":  # of busybox; oauth2-proxy and nginx have variants without
        assert image.endswith("-alpine") or image.startswith(("prom/", "grafana/", "victoriametrics/", "ticketing-vm"))
    elif "redis" in name:
        assert image.startswith("redis:")
    else:
        of = {"python": "ticketing-", "pg_isready": "postgres:", "/bin/bash": "ticketing-keycloak:"}
        assert image.startswith(of[program]), name


@every_service
def test_waits_for_health_not_for_a_start(name: str, service: dict[str, Any]) -> None:
    conditions = {other: wait["condition"] for other, wait in service.get("depends_on", {}).items()}
    if name == "inbox":
        conditions.pop("simulator")  # only for its image
    assert set(conditions.values()) <= {"service_healthy"}
    assert conditions.keys() <= services().keys()


def test_secrets_are_files_that_make_secrets_makes(tmp_path: Path) -> None:
    declared = compose()["secrets"]
    assert all(set(secret) == {"file"} for secret in declared.values())
    used = {one if isinstance(one, str) else one["source"] for _, service in ALL for one in service.get("secrets", [])}
    assert used == declared.keys()
    subprocess.run([ROOT / "tools" / "secrets.sh", tmp_path], check=True, capture_output=True)
    for secret in declared.values():
        assert (tmp_path / secret["file"]).stat().st_size > 5, secret


def test_no_secret_is_in_the_environment_or_on_a_command_line() -> None:
    for name, service in ALL:
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|DSN|KEY|REDIS_URL", key):
                assert value.startswith("/run/secrets/"), f"{name}: {key}"
        command = " ".join([*service.get("entrypoint", []), *service.get("command", [])])
        assert not re.search(r"(?i)--?(password|secret|token)=", command), name


@pytest.mark.parametrize("files", ENVIRONMENTS, ids=str)
def test_everything_mounted_exists(files: tuple[str, ...], tmp_path: Path) -> None:
    from demo import compose as demo
    from deploy import scale

    generated = {"gateway/rendered": tmp_path / "gateway", "deploy/rendered": tmp_path / "deploy"}
    render(Settings().placeholders("secret", READ_TOKEN), generated["gateway/rendered"])
    scale.main(generated["deploy/rendered"] / "scale")
    demo.main(generated["deploy/rendered"] / "demo")
    for name, service in services(*files).items():
        for source, target, mode in mounts(service):
            if not source.startswith("."):
                continue
            assert mode == "ro", f"{name}: {target} is writable"
            path = ROOT / source
            for prefix, place in generated.items():
                if source.startswith(f"./{prefix}/"):
                    path = place / source.removeprefix(f"./{prefix}/")
            assert path.exists(), f"{name}: {source}"


def test_grafana_has_every_variable_that_its_files_ask_for() -> None:
    files = [file for file in (ROOT / "grafana" / "provisioning").rglob("*") if file.is_file()]
    texts = [file.read_text() for file in files] + [rendered("grafana.ini")]
    asked = {name for text in texts for name in re.findall(r"\$__env\{(\w+)\}", text)}
    given = {name.removesuffix("__FILE") for name in services()["grafana"]["environment"]}
    assert asked
    assert asked <= given


def test_grafana_does_not_start_without_the_platforms_address() -> None:
    """A default would be wrong everywhere but in the demo, and what Grafana then shows would be of nothing."""
    required = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    assert required == {"PLATFORM_POSTGRES_ADDRESS", "PLATFORM_POSTGRES_DATABASE"}
    assert {env_file(ROOT / ".env.example")[name] for name in required} == {""}
    platform = services()["platform-postgres"]["environment"]
    told = services("deploy/compose/demo.env")["grafana"]["environment"]
    assert told["POSTGRES_ADDRESS"] == "platform-postgres:5432"
    assert told["POSTGRES_DATABASE"] == platform["POSTGRES_DB"]


def test_every_volume_is_declared_and_used() -> None:
    named = {source for _, service in ALL for source, _, _ in mounts(service) if not source.startswith((".", "/"))}
    assert named == compose()["volumes"].keys()


def test_build_contexts_and_targets_exist() -> None:
    stages = set(re.findall(r"(?m)^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text()))
    for _, service in ALL:
        match service.get("build"):
            case {"target": target}:
                assert target in stages
            case {"context": context, "dockerfile": dockerfile}:
                assert (ROOT / context / dockerfile).exists()


@pytest.mark.parametrize("file", [None, "prometheus-0.yml", "prometheus-1.yml"])
def test_every_scrape_target_is_a_service(file: str | None, tmp_path: Path) -> None:
    from deploy import scale

    if file is None:
        config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    else:
        scale.main(tmp_path)
        config = yaml.safe_load((tmp_path / file).read_text())
    jobs = [*config["scrape_configs"], *config["alerting"]["alertmanagers"]]
    targets = {target for job in jobs for group in job["static_configs"] for target in group["targets"]}
    assert "exporter:19877" in targets
    ports = {
        "alertmanager": 9093,
        "alertmanager-1": 9093,
        "exporter": 19877,
        "exporter-1": 19877,
        "grafana": 3000,
        "localhost": 9090,
        "node-exporter": 9100,
        "prometheus": 9090,
        "prometheus-1": 9090,
        "responder": 19878,
        "responder-1": 19878,
    }
    for target in targets:
        host, _, port = target.rpartition(":")
        assert host == "localhost" or host in services(), target
        assert ports[host] == int(port)
        check = " ".join(services()["prometheus" if host == "localhost" else host]["healthcheck"]["test"])
        assert f":{port}/" in check, f"{host} is not asked for its health on the port that is scraped"


def test_names_that_configurations_use_are_services() -> None:
    """Whatever a mounted configuration calls is a service of that name."""
    texts = [file.read_text() for file in (ROOT / "deploy" / "compose").glob("*.yml")]
    texts += [(ROOT / "alertmanager" / "alertmanager.yml").read_text(), json.dumps(vars(Settings()))]
    hosts = {host for text in texts for host in re.findall(r"(?:http://|\")([a-z][a-z0-9-]+):\d+", text)}
    assert {"grafana", "oauth2-proxy", "keycloak", "prometheus", "simulator", "responder", "redis"} <= hosts
    assert hosts <= services().keys()


def test_the_gateway_has_the_address_that_others_trust() -> None:
    inside = services()["gateway"]["networks"]["inside"]
    assert Settings().gateway_network == f"{inside['ipv4_address']}/32"
    assert services()["keycloak"]["environment"]["KC_PROXY_TRUSTED_ADDRESSES"] == inside["ipv4_address"]
    assert inside["aliases"] == [Settings().monitoring_host]
    assert services()["gateway"]["ports"][0].endswith(f":{Settings().listen}")
    assert Settings().health_listen in " ".join(services()["gateway"]["healthcheck"]["test"])


def test_env_example_names_every_variable() -> None:
    used = {name for name, _ in VARIABLE.findall(FILE.read_text()) if name}
    named = env_file(ROOT / ".env.example").keys()
    assert used | {name.upper() for name in VARIABLES} == set(named)
    assert compose() == compose(".env.example")
    for file in ("demo.env", "scale.env"):
        assert env_file(ROOT / "deploy" / "compose" / file).keys() <= named


def test_default_needs_no_profile() -> None:
    without = {name for name, service in ALL if "profiles" not in service}
    for name in without:
        needed = services()[name].get("depends_on", {})
        assert {other for other, how in needed.items() if how.get("required", True)} <= without


def test_the_demos_first_start_makes_the_platform_before_it_is_watched() -> None:
    """Otherwise its sections, exporter and responder would be missing for a while, and people be told."""
    for name in ("exporter", "responder", "prometheus"):
        assert services()[name]["depends_on"] == {"simulator": {"condition": "service_healthy", "required": False}}


def test_default_is_all_that_a_platform_needs() -> None:
    without = {name for name, service in ALL if "profiles" not in service}
    assert {"gateway", "grafana", "keycloak", "prometheus", "responder"} <= without
