"""Profile demo, as `make stack-demo` starts it."""

import os
import tomllib

import pytest

from tests.compose.engine.clients import ENGINE_NETWORK, Client, in_engine
from tests.compose.engine.place import Place, put, wait_until
from tests.compose.stack import ROOT, services
from tests.gateway.identity.guide import block, row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

UMASK = 0o022
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
EXPECTED = {name for name, service in services().items() if service.get("profiles", ["demo"]) == ["demo"]}


def health_port(name: str) -> int:
    """Where a service listens, as its health check has it."""
    return int(services()[name]["healthcheck"]["test"][-1].split(":")[2].split("/")[0])


@pytest.fixture(scope="module")
def demo(place: Place) -> Place:
    """Started by the one line of the guide."""
    if not place.states():
        place.run("cp .env.example .env && make stack-demo", timeout=1500)
    place.demo()
    return place


def test_every_part_is_healthy(demo: Place) -> None:
    assert demo.states() == dict.fromkeys(EXPECTED, "healthy")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_container_may_do_nothing_that_it_need_not(demo: Place, name: str) -> None:
    container = demo.inspect(name)
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["NanoCpus"] > 0
    # As the kernel has it.
    told = demo.run(f"docker compose exec -T {name} cat /proc/1/status")
    status = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split()[0] == services()[name]["user"].split(":")[0]


@pytest.mark.parametrize("name", ["exporter", "responder"])
def test_an_image_knows_its_version(demo: Place, name: str) -> None:
    assert (
        demo.run(f"docker compose exec -T {name} python -m {name} --version").strip() == f"ticketing-{name} {VERSION}"
    )
    metrics = demo.ask(name, f"http://127.0.0.1:{health_port(name)}/metrics")
    assert f'ticketing_{name}_build_info{{version="{VERSION}"' in metrics
    assert demo.query(f'ticketing_{name}_build_info{{version="{VERSION}"}}')


def test_who_gets_in(demo: Place, colleague: Client, stranger: Client) -> None:
    certificate = demo.directory / "secrets" / "tls_certificate"
    page = "/admin/monitoring/"
    assert colleague.status(page, "-H", "Accept: text/html", certificate=certificate) == 302
    assert colleague.status(page, certificate=certificate) == 401
    assert stranger.status(page, certificate=certificate) == 403
    forged = ["-H", "X-Forwarded-For: 10.77.0.2", "-H", "X-Real-IP: 10.77.0.2"]
    assert stranger.status(page, *forged, certificate=certificate) == 403
    # Whoever says whose address they have is no person: there is no load balancer.
    assert colleague.status(page, "-k", certificate=certificate, host="other.example.com") in (0, 421)
    # Their own addresses reach the gateway's log.
    log = demo.run("docker compose logs gateway")
    assert "10.77.0.2 via 10.77.0.2" in log
    assert "203.0.113.2 via 203.0.113.2" in log


def test_the_first_start_tells_nobody(demo: Place) -> None:
    """Whoever takes minutes to start, and whoever waits for the platform, is given the time."""
    up = 'avg_over_time(ticketing:probe_success:max{probe="identity"}[2m]) == 1'
    wait_until(lambda: demo.query(up), "Keycloak has been up for a while", 600, every=5)
    assert [one["title"] for one in demo.delivered()] == []


def test_an_incident_locks_an_account_and_is_told_everywhere(demo: Place) -> None:
    told = demo.run("make incident NAME=admin-attack")
    assert "admin-attack has begun" in told
    assert "inbox: http://127.0.0.1:8040/" in told

    def channels() -> set[str]:
        return {one["channel"] for one in demo.delivered() if "UnauthorizedAdminAccess" in one["title"]}

    took = wait_until(lambda: channels() == {"pagerduty", "sms", "responder", "slack"}, "everybody is told", 120)
    assert took < 60
    locked = "SELECT account FROM platform.admin_accounts WHERE locked_at IS NOT NULL"
    asked = f'docker compose exec -T platform-postgres psql -U platform -d ticketing -Atc "{locked}"'
    wait_until(lambda: demo.run(asked).split() == ["alice.ops"], "the account is locked")
    demo.run("make incident NAME=admin-attack STOP=1")


def test_the_inbox_is_for_who_sits_at_the_machine(demo: Place, colleague: Client) -> None:
    assert demo.run(f"nsenter --net={ENGINE_NETWORK} curl -sf http://127.0.0.1:8040/-/healthy")
    assert not colleague.reaches(colleague.gateway, 8040)


def test_a_neighbour_with_a_route_is_kept_out_by_the_rule_of_the_guide(demo: Place, colleague: Client) -> None:
    """As on a machine that forwards for others; Docker's own policy is to forward nothing."""
    ports = {name: health_port(name) for name in ("grafana", "exporter", "responder")}
    addresses = {
        name: demo.inspect(name)["NetworkSettings"]["Networks"]["ticketing-monitor_outside"]["IPAddress"]
        for name in ports
    }

    def reached() -> set[str]:
        return {name for name, port in ports.items() if colleague.reaches(addresses[name], port)}

    if "ENGINE_NETWORK" not in os.environ:
        pytest.skip("this engine's firewall is not ours to change")
    rule = block("Addresses and the allow-list", 0).split()
    assert reached() == set()
    in_engine("iptables", "-P", "FORWARD", "ACCEPT")
    try:
        assert reached() == set(ports), "this engine closes it by itself: see the guide"
        in_engine(*rule)
        assert reached() == set()
        certificate = demo.directory / "secrets" / "tls_certificate"
        assert colleague.status("/admin/monitoring/", certificate=certificate) == 401
    finally:
        in_engine("iptables", "-P", "FORWARD", "DROP")
        in_engine(*("-D" if word == "-I" else word for word in rule))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_part_that_dies_comes_back(demo: Place, name: str) -> None:
    """Killed as the kernel does when memory runs out: Docker starts it again, and nobody else minds."""
    before = demo.inspect(name)
    in_engine("bash", "-c", f"kill -9 {before['State']['Pid']}")

    def back() -> bool:
        now = demo.inspect(name)
        healthy: bool = now["State"]["Health"]["Status"] == "healthy"
        return healthy and now["RestartCount"] > before["RestartCount"]

    wait_until(back, f"{name} is back", 300)
    wait_until(lambda: demo.states() == dict.fromkeys(EXPECTED, "healthy"), "all are healthy", 120)


def test_after_a_restart_of_the_engine_all_come_back(demo: Place) -> None:
    if "ENGINE_NETWORK" not in os.environ:
        pytest.skip("this engine is not ours to restart")
    demo.run(f"{ROOT}/tools/engine.sh restart", timeout=180)
    wait_until(lambda: demo.states() == dict.fromkeys(EXPECTED, "healthy"), "all are healthy", 400, every=3)


def test_behind_a_load_balancer_only_it_is_answered(demo: Place, colleague: Client, stranger: Client) -> None:
    """By the row of the guide for a change of .env. The colleague's machine is the load balancer here."""
    certificate, page = demo.directory / "secrets" / "tls_certificate", "/admin/monitoring/"
    change = row("Change the configuration", "`.env`")
    put(demo, ".env", LOAD_BALANCER_NETWORKS="10.77.0.0/24")
    demo.run(change)
    wait_until(lambda: demo.states()["gateway"] == "healthy", "the gateway is back")

    def of(person: str) -> list[str]:
        return ["-H", f"X-Forwarded-For: {person}"]

    assert colleague.status(page, *of("10.5.5.5"), certificate=certificate) == 401
    assert colleague.status(page, *of("10.5.5.5, 203.0.113.9"), certificate=certificate) == 403
    assert colleague.status(page, certificate=certificate) == 403
    assert stranger.status(page, *of("10.5.5.5"), certificate=certificate) == 403
    put(demo, ".env", LOAD_BALANCER_NETWORKS="")
    demo.run(change)
