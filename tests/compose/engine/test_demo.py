"""Profile demo, as `make stack-demo` starts it."""

import tomllib

import pytest

from tests.compose.engine.clients import Client
from tests.compose.engine.place import Place
from tests.compose.stack import ROOT, services

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
EXPECTED = {name for name, service in services().items() if service.get("profiles", ["demo"]) == ["demo"]}


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


@pytest.mark.parametrize(("name", "port"), [("exporter", 19877), ("responder", 19878)])
def test_an_image_knows_its_version(demo: Place, name: str, port: int) -> None:
    assert (
        demo.run(f"docker compose exec -T {name} python -m {name} --version").strip() == f"ticketing-{name} {VERSION}"
    )
    metrics = demo.ask(name, f"http://127.0.0.1:{port}/metrics")
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
