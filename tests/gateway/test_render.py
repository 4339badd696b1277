"""The variables: safe defaults, clear refusals, nothing left unfilled."""

import re
import tomllib
from pathlib import Path

import pytest

from contrib.aws import configuration
from gateway.__main__ import env_file, main
from gateway.render import TEMPLATES, render, weaknesses
from gateway.settings import ROOT, VARIABLES, Settings, SettingsError
from tests.gateway.rendered import rendered
from tests.gateway.standins import READ_TOKEN


def run(tmp_path: Path, env: str, *, password: str | None = "secret", token: str = READ_TOKEN) -> int:
    (tmp_path / ".env").write_text(env)
    (tmp_path / "responder_read_token").write_text(token)
    if password is not None:
        (tmp_path / "redis_password").write_text(password + "\n")
    options = [f"--env-file={tmp_path / '.env'}", f"--secrets={tmp_path}", f"--output={tmp_path / 'out'}"]
    return main(options)


def files() -> list[Path]:
    return [file for file in TEMPLATES.rglob("*") if file.is_file()]


def test_defaults_are_fit_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "") == 0
    said = capsys.readouterr()
    assert "https://monitoring.nft-ticketing.com/admin/monitoring/, open to 10.0.0.0/8" in said.out
    assert said.err == ""
    for template in files():
        assert not re.search(r"@[A-Z_]+@", (tmp_path / "out" / template.relative_to(TEMPLATES)).read_text())
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = (
        "MONITORING_HOST='watch.example.com'\n# comment\nALLOWED_NETWORKS=10.1.0.0/16, fd00::/8 # VPN\nSIGN_IN_RATE=\n"
    )
    assert run(tmp_path, env) == 0
    assert "deploy/compose/exporter.yml: the probe gateway has another host name" in capsys.readouterr().err
    config = (tmp_path / "out" / "nginx" / "nginx.conf").read_text()
    assert "server_name watch.example.com;" in config
    assert "$inside { default 0; 10.1.0.0/16 1; fd00::/8 1; }" in config
    assert "set_real_ip_from" not in config
    assert "watch.example.com" in (tmp_path / "out" / "realm.json").read_text()


def test_load_balancer(tmp_path: Path) -> None:
    assert run(tmp_path, "LOAD_BALANCER_NETWORKS=10.20.0.0/24\n") == 0
    config = (tmp_path / "out" / "nginx" / "nginx.conf").read_text()
    assert "set_real_ip_from 10.20.0.0/24;" in config
    assert "real_ip_recursive off;" in config
    assert "$trusted_peer { default 0; 10.20.0.0/24 1; }" in config


def test_narrow_enough_networks_of_a_load_balancer(tmp_path: Path) -> None:
    assert run(tmp_path, "LOAD_BALANCER_NETWORKS=10.20.0.0/16 2001:db8::/48\n") == 0
    assert "set_real_ip_from 2001:db8::/48;" in (tmp_path / "out" / "nginx" / "nginx.conf").read_text()


def test_where_docker_is_not_its_networks_are_anybodys(tmp_path: Path) -> None:
    variables = {
        "MONITORING_HOST": "watch.example.com",
        "ALLOWED_NETWORKS": "172.20.0.0/16",
        "LOAD_BALANCER_NETWORKS": "172.21.0.0/23",
        "COGNITO_URL": "https://people.auth.us-east-1.amazoncognito.com",
        "GATE_CLIENT_ID": "gate",
    }
    configuration.gateway(configuration.Environment(variables), tmp_path)
    config = (tmp_path / "nginx.conf").read_text()
    assert "$inside { default 0; 172.20.0.0/16 1; }" in config
    assert "set_real_ip_from 172.21.0.0/23;" in config


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ("MONITORING_HOST=not a host", "MONITORING_HOST"),
        ("MONITORING_HOST=a.example.com;return 200", "MONITORING_HOST"),
        ("MONITORING_HOST=localhost", "MONITORING_HOST"),
        ("ALLOWED_NETWORKS=0.0.0.0/0", "too wide"),
        ("ALLOWED_NETWORKS=0.0.0.0/1,128.0.0.0/1", "too wide"),
        ("ALLOWED_NETWORKS=10.0.0.0/7", "ALLOWED_NETWORKS: 10.0.0.0/7 is too wide: /8"),
        ("ALLOWED_NETWORKS=::/0", "too wide"),
        ("ALLOWED_NETWORKS=fc00::/7", "too wide"),
        ("ALLOWED_NETWORKS=172.16.0.0/12", "Docker's own bridges"),
        ("ALLOWED_NETWORKS=10.0.0.0/8 172.17.0.1", "Docker's own bridges"),
        ("ALLOWED_NETWORKS=10.0.0.1/8", "host bits"),
        ("ALLOWED_NETWORKS=10.0.0.0/8;", "ALLOWED_NETWORKS"),
        ("ALLOWED_NETWORKS=,", "ALLOWED_NETWORKS"),
        ("LOAD_BALANCER_NETWORKS=0.0.0.0/0", "LOAD_BALANCER_NETWORKS"),
        ("LOAD_BALANCER_NETWORKS=10.0.0.0/15", "LOAD_BALANCER_NETWORKS: 10.0.0.0/15 is too wide: /16"),
        ("LOAD_BALANCER_NETWORKS=2001:db8::/47", "too wide: /48"),
        ("LOAD_BALANCER_NETWORKS=10.20.0.0/24,172.17.0.0/16", "LOAD_BALANCER_NETWORKS: 172.17.0.0/16 holds"),
        ("SIGN_IN_RATE=fast", "SIGN_IN_RATE"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], env: str, complaint: str) -> None:
    assert run(tmp_path, env) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_secrets_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "", password=None) == 1
    assert "run make secrets first" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", "\n", "short", 'with-a-quote-"; return 200', "with-a-variable-$host"])
def test_a_token_that_nginx_would_read_otherwise_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    assert run(tmp_path, "", token=token) == 1
    assert "responder_read_token" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_while_the_token_is_rotated_the_first_one_is_shown(tmp_path: Path) -> None:
    assert run(tmp_path, "", token=f"{READ_TOKEN}\nanother-one-of-the-tests\n") == 0
    assert f'"Bearer {READ_TOKEN}"' in (tmp_path / "out" / "nginx" / "report.inc").read_text()


def test_a_broken_result_is_refused(tmp_path: Path) -> None:
    render(Settings().placeholders("secret", READ_TOKEN), tmp_path)
    assert list(weaknesses(tmp_path)) == []
    config = tmp_path / "nginx" / "nginx.conf"
    config.write_text(config.read_text().replace("server_tokens off;", "server_tokens of;"))
    found = list(weaknesses(tmp_path))
    assert len(found) == 1
    assert found[0].startswith("nginx.conf: ")
    assert "gateway/rendered/nginx/nginx.conf:9" in found[0]


def test_the_gate_logs_no_request() -> None:
    """By itself it writes the whole address of each, codes of a sign-in included."""
    assert tomllib.loads(rendered("oauth2-proxy.cfg"))["request_logging"] is False


def test_no_placeholder_is_forgotten() -> None:
    names = {name for file in files() for name in re.findall(r"@([A-Z_]+)@", file.read_text())}
    assert names <= Settings().placeholders("secret", READ_TOKEN).keys()


def test_env_example_has_every_variable_of_a_place() -> None:
    variables = env_file(ROOT / ".env.example")
    assert {name.upper() for name in VARIABLES} <= variables.keys()
    assert Settings.from_environment(variables) == Settings()


def test_unusable_settings_are_an_error_of_ours() -> None:
    with pytest.raises(SettingsError):
        Settings(monitoring_host="").placeholders("secret", READ_TOKEN)
