"""The demo's copy differs from what is shipped in its addresses and secrets only."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.servers.alertmanager import SHIPPED_DIRECTORY, Receivers, define, demo_config

RECEIVERS = Receivers("http://127.0.0.1:8040", 8025)
TEMPLATES = {path.name: path.read_text() for path in (SHIPPED_DIRECTORY / "templates").iterdir()}


def parsed(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    return config


def test_only_addresses_differ(tmp_path: Path) -> None:
    shipped = parsed(SHIPPED_DIRECTORY / "alertmanager.yml")
    copy = parsed(demo_config(SHIPPED_DIRECTORY, tmp_path, RECEIVERS))
    for name in ("route", "inhibit_rules", "templates"):
        assert copy[name] == shipped[name]
    changed = {name for name, value in copy["global"].items() if shipped["global"].get(name) != value}
    assert changed == {"smtp_smarthost", "smtp_require_tls", "pagerduty_url"}
    urls = [config.pop(name) for one in copy["receivers"] for config in integrations(one) for name in URLS & {*config}]
    for one in shipped["receivers"]:
        for config in integrations(one):
            config.pop("url", None)
    assert copy["receivers"] == shipped["receivers"]
    assert urls == ["http://127.0.0.1:8040/" + path for path in ("heartbeat", "responder/alerts", "sns")]
    assert {path.name: path.read_text() for path in (tmp_path / "templates").iterdir()} == TEMPLATES


URLS = {"url", "api_url"}


def integrations(receiver: dict[str, Any]) -> list[dict[str, Any]]:
    return [config for key, configs in receiver.items() if key != "name" for config in configs]


def test_a_real_responder_is_told_besides_the_inbox_and_a_real_dashboard_takes_the_place(tmp_path: Path) -> None:
    receivers = RECEIVERS._replace(
        responder_urls=["http://127.0.0.1:19878/alerts"], monitoring_url="http://127.0.0.1:3000"
    )
    copy = parsed(demo_config(SHIPPED_DIRECTORY, tmp_path, receivers))
    (responder,) = [one for one in copy["receivers"] if one["name"] == "responder"]
    inbox, real = responder["webhook_configs"]
    assert (inbox.pop("url"), real.pop("url")) == (
        "http://127.0.0.1:8040/responder/alerts",
        "http://127.0.0.1:19878/alerts",
    )
    assert inbox == real
    definition = '{{ define "destination.monitoring" }}http://127.0.0.1:3000{{ end }}\n'
    assert definition in (tmp_path / "templates" / "destinations.tmpl").read_text()


def test_made_twice_it_is_the_same(tmp_path: Path) -> None:
    first = demo_config(SHIPPED_DIRECTORY, tmp_path, RECEIVERS).read_text()
    assert demo_config(SHIPPED_DIRECTORY, tmp_path, RECEIVERS).read_text() == first


def test_whom_the_inbox_cannot_play_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "templates").mkdir(parents=True)
    config = parsed(SHIPPED_DIRECTORY / "alertmanager.yml")
    config["receivers"].append({"name": "another", "webhook_configs": [{"url": "https://another.example.com"}]})
    (source / "alertmanager.yml").write_text(yaml.safe_dump(config))
    with pytest.raises(KeyError, match="another"):
        demo_config(source, tmp_path / "target", RECEIVERS)


def test_defining_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "destinations.tmpl"
    file.write_text('{{ define "a" }}1{{ end }}\n{{ define "b.c" }}2{{ end }}\n')
    define(file, "b.c", r"\1{{ }}")
    assert file.read_text() == '{{ define "a" }}1{{ end }}\n{{ define "b.c" }}\\1{{ }}{{ end }}\n'
    with pytest.raises(KeyError, match="0 templates are called bxc"):
        define(file, "bxc", "")
