"""Where traffic comes from, by the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.yaml_files import ConfigError
from exporter.config import load

KEYS = 'platform: {absent: {keys: ["traffic:requests", "traffic:clients", "ratelimit:limits", "ratelimit:blocked"]}}'


def absent(file: Path, text: str) -> set[tuple[str, str]]:
    file.write_text(f"{text}\n{KEYS}")
    return set(load(file).absence.items)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("rate_limits: {adapter: view}\ntraffic: {requests: view, clients: view}", set()),
        (
            "rate_limits: {adapter: view}\ntraffic: {requests: view}",
            {("key", "traffic:clients"), ("feature", "clients")},
        ),
        # Without a key of them, limits are those that are told.
        (
            "rate_limits: {adapter: flask-limiter, client_per_minute: 9}\ntraffic: {requests: view, clients: view}",
            {("feature", "global_limit")},
        ),
        # The limiter is there, and with it the section.
        (
            "rate_limits: {adapter: flask-limiter, client_per_minute: 9, global_per_minute: 90}",
            {("key", "traffic:requests"), ("key", "traffic:clients"), ("feature", "clients")},
        ),
        (
            "rate_limits: {adapter: sliding-window, client_per_minute: 9, global_per_minute: 90}\n"
            "traffic: {clients: rate-limiter}",
            {("key", "traffic:requests")},
        ),
        (
            "rate_limits: {adapter: none}\ntraffic: {requests: view}",
            {("key", key) for key in ("traffic:clients", "ratelimit:limits", "ratelimit:blocked")}
            | {
                ("feature", feature)
                for feature in ("clients", "rate_limits", "global_limit", "client_limit", "blocked_clients")
            },
        ),
    ],
)
def test_what_does_not_come_from_its_key_is_there_without_it(
    tmp_path: Path, text: str, gone: set[tuple[str, str]]
) -> None:
    assert absent(tmp_path / "exporter.yml", text) == gone


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("traffic: {requests: postgres}", "traffic.requests"),
        ("traffic: {requests: rate-limiter}", "traffic.requests"),
        ("traffic: {clients: rate-limiter}", "traffic.clients: rate-limiter needs rate_limits.adapter sliding-window"),
        (
            "traffic: {clients: rate-limiter}\nrate_limits: {adapter: flask-limiter}",
            "traffic.clients: rate-limiter needs rate_limits.adapter sliding-window, not flask-limiter",
        ),
        (
            "traffic: {clients: view}\nplatform: {absent: {features: [clients]}}",
            "traffic.clients: platform.absent declares that there is none",
        ),
        (
            "traffic: {requests: view}\nplatform: {absent: {sections: [traffic]}}",
            "traffic.requests: platform.absent declares that there is none",
        ),
    ],
)
def test_a_configuration_that_contradicts_itself(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert told in str(caught.value)
