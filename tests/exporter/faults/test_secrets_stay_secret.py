"""Everything that can fail does, with the most talkative log: no secret is found in the log or in any answer."""

from __future__ import annotations

import base64
import itertools
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import bcrypt
import psycopg2
import pytest
import requests

from testbed.servers.ports import free_port
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.exporter.faults.services import BEHAVIOURS, Service, answer, good
from tests.exporter.process import ExporterProcess, wait_until

# Whatever is done to a secret, quoting, escaping or cutting, the words in it stay as they are.
WORDS = ("zebra", "quagga", "okapi", "tapir", "gnu77", "bongo", "dikdik", "kudu77")
PASSWORD = "zebra' quagga\\\"@okapi:/tapir?#gnu77%&=<bongo>é"
KEY = "dikdik-kudu77"
ROLE = "watcher"
WEB_USER = "prometheus"

# Some names below cannot be resolved, and the resolver has a time limit of its own.
QUICK_RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:1"}
IN_TIME = {"X-Prometheus-Scrape-Timeout-Seconds": "1.5"}

PAGES = (
    "/",
    "/metrics",
    "/metrics?collect[]=nothing",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/monitoring/kpis",
    "/api/monitoring/fraud_feed",
    "/nowhere",
)


def libpq(value: str) -> str:
    """A value as libpq's keyword form wants it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def dsns(port: int) -> list[str]:
    """Right ones, wrong ones, and ones that are none."""
    encoded = quote(PASSWORD, safe="")
    server = f"127.0.0.1:{port}/postgres"
    return [
        f"host=127.0.0.1 port={port} user={ROLE} dbname=postgres password={libpq(PASSWORD)}",
        f"postgresql://{ROLE}:{encoded}@{server}",
        f"postgresql://{server}?user={ROLE}&password={encoded}",
        f"host=127.0.0.1 port={port} user={ROLE} dbname=postgres password={libpq('wrong ' + PASSWORD)}",
        f"postgres://{ROLE}:wrong{encoded}@{server}",
        f"postgresql://{server}?user={ROLE}&password=wrong{encoded}",
        f"postgresql://{ROLE}:{encoded}@{server}?sslmode=require&sslpassword={encoded}",
        f"postgresql://{ROLE}:{encoded}@127.0.0.1:{free_port()}/postgres",
        f"postgresql://{ROLE}:{encoded}@127.0.0.1:{free_port()},127.0.0.1:{free_port()}/postgres",
        f"postgresql://{ROLE}:{encoded}@nowhere.invalid/postgres",
        f"postgresql://{ROLE}:{encoded}@{server}?sslmode=okay",
        f"postgresql://{ROLE}:{encoded}@127.0.0.1:{port}/none",
        f"postgresql://{ROLE}:{encoded}@127.0.0.1:port/postgres",
        f"postgresql://{ROLE}:{encoded}%zz@{server}",
        f"postgresql://{ROLE}:{PASSWORD}@{server}",
        *(f"postgresql://{ROLE}:zebra{sign}quagga@{server}" for sign in "/?#@:% &\\'\"[]"),
        f"host=127.0.0.1 password='zebra quagga user={ROLE}",
        f"host=127.0.0.1 password=zebra quagga user={ROLE}",
        f"host=127.0.0.1 password = zebra'quagga port={free_port()} user={ROLE}",
        f"host=127.0.0.1 port={free_port()} passwrd=x password={libpq(PASSWORD)}",
    ]


def urls(port: int) -> list[str]:
    """Right ones, wrong ones, and ones that are none."""
    encoded = quote(PASSWORD, safe="")
    server = f"127.0.0.1:{port}"
    return [
        f"redis://:{encoded}@{server}/0",
        f"redis://default:{encoded}@{server}/0",
        f"redis://{server}/0?password={encoded}",
        f"redis://:wrong{encoded}@{server}/0",
        f"redis://{ROLE}:{encoded}@{server}/0",
        f"rediss://:{encoded}@127.0.0.1:{free_port()}/0",
        f"redis://:{encoded}@127.0.0.1:{free_port()}/0",
        f"redis://:{encoded}@nowhere.invalid/0",
        f"redis://:{encoded}@127.0.0.1:port/0",
        f"redis://:{encoded}@{server}/none",
        f"redis://:{encoded}@{server}/0?socket_timeout=zebra",
        f"unix://:{encoded}@/nowhere.sock",
        f"http://:{encoded}@{server}/0",
        f":{encoded}@{server}",
        f"redis://:{PASSWORD}@{server}/0",
        *(f"redis://:zebra{sign}quagga@{server}/0" for sign in "/?#@:% &\\'\"[]"),
    ]


BAD_CONFIGS = (
    "probes: {p: {kind: http, url: 'ftp://zebra/'}}",
    "probes: {p: {kind: http, url: [zebra]}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: [zebra]}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: {zebra: quagga}}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: *zebra}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: !zebra quagga}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: @zebra}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: %zebra}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: `zebra`}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: \"zebra\\q\"}}}",
    "probes: {p: {kind: http, url: 'http://zebra/', url_file: zebra}}",
    'probes: {p: {kind: http, url: "http://zebra/',
    "probes: {p: {kind: http, url: 'http://zebra:quagga/'}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: \"zebra\\n\"}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: zebra€}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {'Authorization: zebra': quagga}}}",
    "probes: {p: {kind: http, url: 'http://h/', headers: {Authorization: zebra\x00}}}",
)
BAD_WEB_CONFIGS = (
    "basic_auth_users: {prometheus: zebra}",
    "basic_auth_users: {prometheus: *zebra}",
    "basic_auth_users: {prometheus: !zebra quagga}",
    "basic_auth_users: {prometheus: [zebra]}",
    "basic_auth_users: [zebra]",
    'basic_auth_users: {prometheus: "zebra',
)


class Witness:
    """Asks for every page with every kind of credentials, and keeps all that it is told.

    Args:
        exporter: running.
    """

    def __init__(self, exporter: ExporterProcess) -> None:
        self._exporter = exporter
        self.heard: list[str] = []

    def walk(self) -> None:
        """Once around, as a user who may see everything."""
        for page in PAGES:
            self.listen(self._exporter.get(page, auth=(WEB_USER, KEY), headers=IN_TIME))

    def trespass(self) -> None:
        """Once around with other credentials, other methods, and as no browser would."""
        headers: list[Mapping[str, str]] = [
            {},
            {"Authorization": "Basic zebra"},
            {"Authorization": "Bearer zebra"},
            {"Authorization": "Basic " + base64.b64encode(b"zebra:quagga").decode()},
        ]
        for page, header in itertools.product(PAGES, headers):
            self.listen(self._exporter.get(page, headers={**IN_TIME, **header}))
        for method in ("HEAD", "PUT", "DELETE"):
            self.listen(requests.request(method, self._exporter.url + "/metrics", auth=(WEB_USER, KEY), timeout=10))
        for line in (b"zebra", b"GET /zebra HTTP/9.9", b"GET http://zebra:quagga@okapi/ HTTP/1.1", b"\xff\x00zebra"):
            with socket.create_connection(("127.0.0.1", self._exporter.port), 10) as connection:
                connection.sendall(line + b"\r\n\r\n")
                self.heard.append(connection.recv(65536).decode(errors="replace"))

    def reload(self, status: int) -> None:
        """Reload in both ways."""
        answer = self._exporter.post("/-/reload", auth=(WEB_USER, KEY))
        self.listen(answer)
        assert answer.status_code == status, answer.text
        before = self._exporter.log().count("reload")
        self._exporter.reload()
        wait_until(lambda: self._exporter.log().count("reload") > before, what="the signal is answered")

    def listen(self, answer: requests.Response) -> None:
        """Keep an answer."""
        self.heard += [answer.text, str(answer.headers), answer.reason]

    def expect_no_secrets(self) -> None:
        """Not one word of one secret was said or logged."""
        everything = "\n".join([*self.heard, self._exporter.log()])
        forms = [*WORDS, *(part for secret in (PASSWORD, KEY) for part in encodings(secret))]
        leaks = [
            (form, line[:300]) for line in everything.splitlines() for form in forms if form.lower() in line.lower()
        ]
        assert not leaks, leaks


def encodings(secret: str) -> Iterator[str]:
    """What hides the words of a secret without hiding the secret."""
    for user in ("", ROLE, WEB_USER, "default"):
        for text in (secret, f"{user}:{secret}"):
            yield base64.b64encode(text.encode()).decode().rstrip("=")
            yield text.encode().hex()
            yield quote("".join(f"%{byte:02x}" for byte in text.encode()), safe="%")


@pytest.fixture(scope="module")
def locked_servers(postgres: Postgres) -> Iterator[tuple[Postgres, Redis]]:
    """A PostgreSQL and a Redis that want the password."""
    postgres.require_password(ROLE, PASSWORD)
    with Redis(password=PASSWORD) as redis:
        yield postgres, redis


@pytest.fixture
def configs(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Configuration with keys in URLs and headers of probes that fail in every way, and users."""
    probes = []
    with ExitStack() as stack:
        echoes = answer(f"500 {KEY}", KEY.encode(), f"X-Key: {KEY}", f"Location: /{KEY}", f"Set-Cookie: k={KEY}")
        services = {name: stack.enter_context(Service(each)) for name, each in BEHAVIOURS.items()}
        ports = {name: service.port for name, service in services.items()}
        ports |= {"good": stack.enter_context(Service(good)).port, "echoes": stack.enter_context(Service(echoes)).port}
        ports |= {"refuses": free_port()}
        hosts = {name: f"127.0.0.1:{port}" for name, port in ports.items()} | {"unknown": "nowhere.invalid"}
        for name, host in hosts.items():
            url = f"http://{KEY}:{KEY}@{host}/v3/{KEY}?key={KEY}"
            file = tmp_path / f"{name}.url"
            file.write_text(url)
            # What does answer has time for it, also on a busy machine: only a first failure is logged.
            times = f"interval: 5s, timeout: {'3s' if name == 'echoes' else '300ms'}"
            headers = f"headers: {{Authorization: 'Bearer {KEY}', X-Api-Key: '{KEY}'}}"
            probes += [
                f"http-{name}: {{kind: http, url: '{url}', {headers}, {times}}}",
                f"https-{name}: {{kind: http, url: '{url.replace('http:', 'https:')}', interval: 5s, timeout: 300ms}}",
                f"file-{name}: {{kind: json-rpc, url_file: '{file}', interval: 5s, timeout: 300ms}}",
            ]
        for number, content in enumerate(
            (f"http://[{KEY}/".encode(), f"http://{KEY}:port/".encode(), f"{KEY}://h/".encode(), KEY.encode() + b"\xff")
        ):
            file = tmp_path / f"{number}.url"
            file.write_bytes(content)
            probes.append(f"bad-file-{number}: {{kind: http, url_file: '{file}', interval: 5s, timeout: 300ms}}")
        probes += [
            f"no-file: {{kind: http, url_file: '{tmp_path}/none', interval: 5s, timeout: 300ms}}",
            "postgresql: {kind: postgres, interval: 1s, timeout: 500ms}",
            "redis_cache: {kind: redis, interval: 1s, timeout: 500ms}",
        ]
        config, web_config = tmp_path / "exporter.yml", tmp_path / "web.yml"
        config.write_text("probes:\n" + "".join(f"  {probe}\n" for probe in probes))
        web_config.write_text(
            f"basic_auth_users: {{{WEB_USER}: '{bcrypt.hashpw(KEY.encode(), bcrypt.gensalt(4)).decode()}'}}"
        )
        yield config, web_config


@pytest.mark.parametrize("log_format", [pytest.param("logfmt", marks=pytest.mark.slow), "json"])
def test_in_files(
    locked_servers: tuple[Postgres, Redis], configs: tuple[Path, Path], tmp_path: Path, log_format: str
) -> None:
    """One exporter sees its connection strings go from bad to worse."""
    postgres, redis = locked_servers
    config, web_config = configs
    dsn_file, url_file = tmp_path / "dsn", tmp_path / "redis"
    flags = [f"--config.file={config}", f"--web.config.file={web_config}", "--log.level=debug"]
    env = {"POSTGRES_DSN_FILE": str(dsn_file), "REDIS_URL_FILE": str(url_file), **QUICK_RESOLVER}
    with ExporterProcess(env, [*flags, f"--log.format={log_format}"]) as exporter:
        witness = Witness(exporter)
        for dsn, url in itertools.zip_longest(dsns(postgres.port), urls(redis.port), fillvalue=""):
            dsn_file.write_text(dsn)
            url_file.write_text(url)
            witness.walk()
            end_connections(postgres)
            with redis.client() as client:
                client.client_kill_filter(_type="normal")
        witness.trespass()
        for file, contents in ((config, BAD_CONFIGS), (web_config, BAD_WEB_CONFIGS)):
            right = file.read_text()
            for content in contents:
                file.write_text(content)
                witness.reload(500)
            file.write_text(right)
        witness.reload(200)
        log = exporter.log()
        for event in (
            f'password authentication failed for user \\"{ROLE}\\"',
            "invalid username-password pair",
            "probe http-echoes fails: status 500",
            "probe file-hangs fails:",
            "reload failed",
        ):
            assert event in log
        witness.expect_no_secrets()


@pytest.mark.parametrize("log_format", ["logfmt", "json"])
@pytest.mark.parametrize("position", [3, 4, 14], ids=["keyword", "url", "broken"])
def test_in_variables(locked_servers: tuple[Postgres, Redis], log_format: str, position: int) -> None:
    postgres, redis = locked_servers
    env = {"POSTGRES_DSN": dsns(postgres.port)[position], "REDIS_URL": urls(redis.port)[position], **QUICK_RESOLVER}
    with ExporterProcess(env, ["--log.level=debug", f"--log.format={log_format}"]) as exporter:
        witness = Witness(exporter)
        witness.walk()
        witness.trespass()
        exporter.stop()
        witness.expect_no_secrets()


def test_right_passwords_are_used(locked_servers: tuple[Postgres, Redis]) -> None:
    """The connection strings above that are meant to be right are."""
    postgres, redis = locked_servers
    for dsn, url in zip(dsns(postgres.port)[:3], urls(redis.port)[:3], strict=True):
        with ExporterProcess({"POSTGRES_DSN": dsn, "REDIS_URL": url}) as exporter:
            assert exporter.get("/-/ready").text == "Ready\n"


def end_connections(postgres: Postgres) -> None:
    connection = psycopg2.connect(postgres.dsn())
    connection.cursor().execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [ROLE])
    connection.close()
