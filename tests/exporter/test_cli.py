"""The command as an operator types it: exit statuses and what it prints."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import psutil
import pytest
import requests

from common.version import VERSION
from tests.common.crowd import crowd
from tests.common.timing import usual_seconds
from tests.exporter.web.serving import clean_environment, running, wait_for


def command(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**clean_environment(), **environment},
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_version() -> None:
    result = command("--version")
    assert (result.returncode, result.stdout) == (0, f"ticketing-exporter {VERSION}\n")


FLAGS = {
    "exporter": (
        "--config.file",
        "--config.check",
        "--contract.check",
        "--contract.draft",
        "--contract.reference",
        "--output",
        "--platform.file",
        "--postgres.dsn-file",
        "--redis.url-file",
        "--web.listen-address",
        "--web.telemetry-path",
        "--web.config.file",
        "--web.enable-lifecycle",
        "--log.level",
        "--log.format",
        "--version",
    ),
    "responder": (
        "--config.file",
        "--playbooks.file",
        "--web.listen-address",
        "--log.level",
        "--log.format",
        "--version",
    ),
}


@pytest.mark.parametrize("program", FLAGS)
def test_help_says_what_every_flag_is_for(program: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", program, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**clean_environment(), "COLUMNS": "200"},
    )
    assert result.returncode == 0
    text = result.stdout.replace(f"\n{' ' * 24}", "  ")  # where a flag is too long for its text to stand beside it
    explained = set(re.findall(r"(?m)^  (--[\w.-]+)(?: \S+)* {2,}\S.+$", text))
    assert explained == set(re.findall(r"(?m)^  (--[\w.-]+)", text))
    assert set(FLAGS[program]) <= explained


@pytest.mark.parametrize("flags", [["--nonsense"], ["--log.level=loud"], ["--log.format=xml"], ["positional"]])
def test_wrong_flags(flags: list[str]) -> None:
    result = command(*flags)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ticketing-exporter")


def test_config_check(tmp_path: Path) -> None:
    result = command("--config.check")
    assert (result.returncode, result.stdout, result.stderr) == (0, "defaults: valid\n", "")
    good, bad, web = tmp_path / "good.yml", tmp_path / "bad.yml", tmp_path / "web.yml"
    good.write_text("settle: 20s\n")
    result = command("--config.check", f"--config.file={good}")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{good}: valid\n", "")
    web.write_text("{}\n")
    result = command("--config.check", f"--web.config.file={web}")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{web}: valid\n", "")
    result = command("--config.check", f"--config.file={good}", f"--web.config.file={web}")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{good}: valid\n{web}: valid\n", "")
    bad.write_text("settle: soon\n")
    result = command("--config.check", f"--config.file={bad}")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"ticketing-exporter: {bad}: settle: 'soon' is not a duration such as 5s or 250ms\n"
    web.write_text("basic_auth_users: {a: plain}\n")
    result = command("--config.check", f"--config.file={good}", f"--web.config.file={web}")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"ticketing-exporter: {web}: basic_auth_users.a: not a bcrypt hash\n"


@pytest.mark.parametrize("address", ["localhost", "8010x", ":", "127.0.0.1:65536", ":²", "127.0.0.1:-1", "[::1]"])
def test_an_address_that_is_none(address: str) -> None:
    result = command(f"--web.listen-address={address}")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"ticketing-exporter: --web.listen-address: {address!r} is not host:port\n"


def test_an_address_in_use(taken_port: int) -> None:
    result = command(f"--web.listen-address=127.0.0.1:{taken_port}")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"ticketing-exporter: --web.listen-address: 127.0.0.1:{taken_port}: ")
    assert "Address already in use" in line


def test_an_address_of_another_machine() -> None:
    result = command("--web.listen-address=192.0.2.1:19877")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "Cannot assign requested address" in line


def test_bad_files_keep_it_from_starting(tmp_path: Path) -> None:
    for flag in ("--config.file", "--web.config.file"):
        result = command(f"{flag}={tmp_path / 'gone.yml'}", "--web.listen-address=127.0.0.1:0")
        assert result.returncode == 2
        assert result.stderr == f"ticketing-exporter: {tmp_path / 'gone.yml'}: No such file or directory\n"


def test_a_connection_given_twice() -> None:
    result = command("--web.listen-address=127.0.0.1:0", POSTGRES_DSN="host=a password=hush1", POSTGRES_DSN_FILE="/x")
    assert result.returncode == 2
    assert result.stderr == "ticketing-exporter: POSTGRES_DSN and POSTGRES_DSN_FILE are both set; remove one\n"


def test_a_connection_from_a_file_that_a_flag_names(tmp_path: Path) -> None:
    dsn, url = tmp_path / "dsn", tmp_path / "url"
    dsn.write_text("host=127.0.0.1 port=1 connect_timeout=1 password=hush1\n")
    url.write_text("redis://127.0.0.1:1/0\n")
    flags = (f"--postgres.dsn-file={dsn}", f"--redis.url-file={url}")
    variables = {**clean_environment(), "POSTGRES_DSN_FILE": "/gone", "REDIS_URL_FILE": "/gone"}
    with running(tmp_path, *flags, environment=variables) as exporter:
        reasons = requests.get(f"http://127.0.0.1:{exporter.port}/-/ready", timeout=20).text
    assert "/gone" not in reasons
    assert "refused" in reasons
    result = command(f"--postgres.dsn-file={dsn}", POSTGRES_DSN="host=a")
    assert result.stderr == "ticketing-exporter: POSTGRES_DSN and POSTGRES_DSN_FILE are both set; remove one\n"


def test_metrics_at_another_path(tmp_path: Path) -> None:
    with running(tmp_path, "--web.telemetry-path=/prometheus/ticketing") as exporter:
        url = f"http://127.0.0.1:{exporter.port}"
        assert "ticketing_exporter_build_info" in requests.get(f"{url}/prometheus/ticketing", timeout=20).text
        assert requests.get(f"{url}/metrics", timeout=20).status_code == 404
        landing = requests.get(url, timeout=20).text
        assert 'href="prometheus/ticketing"' in landing
        assert 'href="prometheus/ticketing?collect[]=fraud"' in landing


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("metrics", "'metrics' is not a path such as /metrics"),
        ("/", "'/' is not a path such as /metrics"),
        ("/a?b", "'/a?b' is not a path such as /metrics"),
        ("/-/healthy", "/-/healthy is already in use"),
    ],
)
def test_a_path_for_metrics_that_is_none(path: str, reason: str) -> None:
    result = command(f"--web.telemetry-path={path}", "--web.listen-address=127.0.0.1:0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"ticketing-exporter: --web.telemetry-path: {reason}\n"


def test_it_serves_without_any_configuration_and_ends_in_order(tmp_path: Path) -> None:
    with running(tmp_path, environment=dict.fromkeys(("POSTGRES_DSN", "REDIS_URL"), "")) as exporter:
        url = f"http://127.0.0.1:{exporter.port}"
        assert requests.get(f"{url}/-/healthy", timeout=20).text == "Healthy\n"
        ready = requests.get(f"{url}/-/ready", timeout=20)
        assert ready.status_code == 503
        assert ready.text == (
            "Redis: neither REDIS_URL nor REDIS_URL_FILE is set\n"
            "PostgreSQL: neither POSTGRES_DSN nor POSTGRES_DSN_FILE is set\n"
        )
        assert requests.get(f"{url}/metrics", timeout=20).status_code == 200
        os.kill(exporter.process.pid, signal.SIGTERM)
        assert exporter.process.wait(20) == 0
        assert exporter.lines("msg=stopping")
        assert not exporter.lines("Traceback")


def test_sighup_takes_a_good_file_and_keeps_the_last_one_over_a_bad_one(tmp_path: Path) -> None:
    config, web = tmp_path / "exporter.yml", tmp_path / "web.yml"
    origin = {"Origin": "https://ops.example"}
    config.write_text("probes: {}\n")
    web.write_text("{}\n")
    with running(tmp_path, f"--config.file={config}", f"--web.config.file={web}", "--web.enable-lifecycle") as exporter:
        url = f"http://127.0.0.1:{exporter.port}"
        kpis = f"{url}/api/monitoring/kpis"
        assert "Access-Control-Allow-Origin" not in requests.get(kpis, headers=origin, timeout=20).headers

        config.write_text("probes: {}\napi: {cors_origins: ['https://ops.example']}\n")
        os.kill(exporter.process.pid, signal.SIGHUP)
        wait_for(lambda: "Access-Control-Allow-Origin" in requests.get(kpis, headers=origin, timeout=20).headers)

        config.write_text("probes: {}\napi: {cors: 1}\n")
        os.kill(exporter.process.pid, signal.SIGHUP)
        wait_for(lambda: bool(exporter.lines("reload failed, the old configuration stays in force")))
        assert exporter.lines(f"{config}: api: Object contains unknown field `cors`")
        assert "Access-Control-Allow-Origin" in requests.get(kpis, headers=origin, timeout=20).headers

        # A bad web file keeps the good other one out as well: all or nothing.
        config.write_text("probes: {}\n")
        web.write_text("basic_auth_users: {a: plain}\n")
        answer = requests.post(f"{url}/-/reload", timeout=20)
        assert (answer.status_code, answer.text) == (
            500,
            f"not reloaded: {web}: basic_auth_users.a: not a bcrypt hash\n",
        )
        assert "Access-Control-Allow-Origin" in requests.get(kpis, headers=origin, timeout=20).headers


def test_users_come_and_go_by_reload(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    users = {name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in ("alice", "bob")}

    def allow(*names: str) -> None:
        web.write_text("basic_auth_users:\n" + "".join(f"  {name}: {users[name]}\n" for name in names))

    allow("alice", "bob")
    with running(tmp_path, f"--web.config.file={web}") as exporter:
        url = f"http://127.0.0.1:{exporter.port}"

        def status(name: str, password: str) -> int:
            return requests.get(f"{url}/-/healthy", auth=(name, password), timeout=20).status_code

        assert [status("alice", "alice"), status("bob", "bob"), status("alice", "bob")] == [200, 200, 401]
        assert requests.post(f"{url}/-/reload", timeout=20).status_code == 401
        allow("bob")
        assert requests.post(f"{url}/-/reload", auth=("alice", "alice"), timeout=20).status_code == 200
        assert [status("alice", "alice"), status("bob", "bob")] == [401, 200]


def test_silent_and_dripping_clients_keep_nobody_waiting(tmp_path: Path) -> None:
    with running(tmp_path, environment=clean_environment()) as exporter, crowd(exporter.port, every=0.2):
        for path in ("/-/healthy", "/metrics?collect[]=health"):

            def ask(url: str = f"http://127.0.0.1:{exporter.port}{path}") -> None:
                assert requests.get(url, timeout=20).status_code == 200

            assert usual_seconds(ask, 3) < 0.5


def test_without_file_descriptors_the_slowest_client_gives_way(tmp_path: Path) -> None:
    with running(tmp_path, environment=clean_environment()) as exporter:
        limit = psutil.Process(exporter.process.pid).num_fds() + 30
        resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        with crowd(exporter.port, silent=64, dripping=6, every=0.2):
            for _ in range(5):
                answer = requests.get(f"http://127.0.0.1:{exporter.port}/-/healthy", timeout=2)
                assert answer.text == "Healthy\n"
