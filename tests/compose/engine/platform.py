"""Somebody's platform: a PostgreSQL with the contract and a Redis, on a machine of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.engine.clients import in_engine
from tests.compose.engine.place import Place, wait_until
from tests.compose.stack import ROOT, services

ADDRESS = "10.78.0.2"
NAMES = ("tm-platform", "tm-platform-redis", "tm-platform-simulator")
OWNER, READER, RESPONDER, REDIS = "owner-passw0rd", "reader-passw0rd", "responder-passw0rd", "redis-passw0rd"


@contextmanager
def platform(place: Place, directory: Path) -> Iterator[None]:
    """Run it for as long as the context lasts.

    Args:
        place: Whose Dockerfile has the simulator.
        directory: For its passwords.
    """
    secrets = directory / "platform"
    secrets.mkdir()
    owner, reader, responder = (f"platform_{name}_password" for name in ("postgres", "reader", "responder"))
    for name, value in ((owner, OWNER), (reader, READER), (responder, RESPONDER)):
        (secrets / name).write_text(value)
    images = {name: services()[name]["image"] for name in ("platform-postgres", "platform-redis", "simulator")}
    roles = directory / "roles.sh"
    roles.write_text((ROOT / "deploy" / "compose" / "platform-roles.sh").read_text())
    place.run(f"docker build -q --target simulator -t {images['simulator']} .")
    try:
        place.run(
            f"docker run -d --name {NAMES[0]} --network none --user 70:70 --tmpfs /run/postgresql:uid=70,gid=70"
            f" -e POSTGRES_USER=platform -e POSTGRES_DB=ticketing -e POSTGRES_PASSWORD_FILE=/run/secrets/{owner}"
            f" -e POSTGRES_INITDB_ARGS=--auth-local=trust -v {secrets}:/run/secrets:ro"
            f" -v {roles}:/docker-entrypoint-initdb.d/roles.sh:ro {images['platform-postgres']}"
        )
        _plug_in(place.run(f"docker inspect -f '{{{{.State.Pid}}}}' {NAMES[0]}").strip())
        shared = f"--network container:{NAMES[0]}"
        place.run(
            f"docker run -d --name {NAMES[1]} {shared} {images['platform-redis']}"
            f" redis-server --save '' --requirepass {REDIS}"
        )
        ready = f"docker exec {NAMES[0]} psql -h 127.0.0.1 -U platform -d ticketing -c 'SELECT 1'"
        wait_until(lambda: succeeds(place, f"docker exec {NAMES[0]} pg_isready -h 127.0.0.1 -q"), ready)
        place.run(
            f"docker run -d --name {NAMES[2]} {shared} -e POSTGRES_DSN=postgresql://platform:{OWNER}@127.0.0.1/ticketing"
            f" -e REDIS_URL=redis://:{REDIS}@127.0.0.1:6379/0 {images['simulator']}"
            " -m simulator --web.listen-address=127.0.0.1:8030"
        )
        healthy = f"docker exec {NAMES[2]} python /app/healthy.py http://127.0.0.1:8030/"
        wait_until(lambda: succeeds(place, healthy), "the simulator runs", 180)
        yield
    finally:
        place.run(f"docker rm -f -v {' '.join(NAMES)}", check=False)


def succeeds(place: Place, command: str) -> bool:
    """Whether a command does."""
    return place.run(f"{command} >/dev/null 2>&1 && echo yes || echo no", check=False).strip() == "yes"


def _plug_in(process: str) -> None:
    """Lay a cable from the engine's machine to that of the platform."""
    in_engine("ip", "link", "add", "tm-plat", "type", "veth", "peer", "name", "tm-eth0")
    in_engine("ip", "link", "set", "tm-eth0", "netns", process)
    in_engine("ip", "addr", "add", "10.78.0.1/24", "dev", "tm-plat")
    in_engine("ip", "link", "set", "tm-plat", "up")
    inside = ("nsenter", "--target", process, "--net", "ip")
    in_engine(*inside, "addr", "add", f"{ADDRESS}/24", "dev", "tm-eth0")
    in_engine(*inside, "link", "set", "tm-eth0", "up")
