"""What is declared absent is neither read nor shown, and costs what is there nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from common.deadline import Deadline
from common.yaml_files import ConfigError, Duration
from exporter.absence import FEATURES, KEYS, NAMES, READ_BY, SECTIONS, VIEWS, Absence
from exporter.app import Exporter
from exporter.config import Absent, Config, Platform, load
from exporter.sources.postgres import PostgresSource
from exporter.sources.redis import Command, RedisSource
from testbed.servers.contract import ContractDatabase
from testbed.servers.postgres import Postgres
from testbed.servers.redis import Redis
from tests.contract.applying import small_database
from tests.exporter.contract_check.conftest import FILL
from tests.exporter.contract_check.reporting import write_keys
from tests.exporter.web.serving import secret

declarations = st.fixed_dictionaries(
    {field: st.lists(st.sampled_from(names), unique=True) for field, names in NAMES.items()}
)


@pytest.fixture(scope="module")
def filled(postgres: Postgres) -> Iterator[ContractDatabase]:
    database = small_database(postgres, "absence")
    postgres.execute(FILL, database.name)
    yield database
    postgres.drop_database(database.name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that the sources are asked."""
    sent: list[str] = []
    query, read = PostgresSource.query, RedisSource.read

    async def recorded_query(
        self: PostgresSource, sql: str, parameters: Sequence[Any], deadline: Deadline
    ) -> list[tuple[Any, ...]]:
        sent.append(sql)
        return await query(self, sql, parameters, deadline)

    async def recorded_read(self: RedisSource, commands: Sequence[Command], deadline: Deadline) -> list[Any]:
        sent.extend(" ".join(map(str, command)) for command in commands)
        return await read(self, commands, deadline)

    monkeypatch.setattr(PostgresSource, "query", recorded_query)
    monkeypatch.setattr(RedisSource, "read", recorded_read)
    return sent


def exporter(database: ContractDatabase, redis_server: Redis, **absent: tuple[str, ...]) -> Exporter:
    config = Config(platform=Platform(absent=Absent(**absent)), probes={})
    dsn, url = secret("POSTGRES_DSN", database.reader_dsn), secret("REDIS_URL", redis_server.url())
    return Exporter(config, postgres_dsn=dsn, redis_url=url)


def scrape(made: Exporter) -> str:
    try:
        for _ in range(10):  # a busy machine may be late
            text = made.scraper.scrape(made.scraper.sections, 30).text.decode()
            problems = {name: status.problems for name, status in made.scraper.statuses().items() if status.problems}
            if not problems:
                return text
        raise AssertionError(problems)
    finally:
        made.close()


def names(text: str) -> set[str]:
    return set(re.findall(r"^(ticketing_\w+)[ {]", text, re.MULTILINE))


@given(declarations)
def test_what_follows_follows_from_all_of_it(declared: dict[str, list[str]]) -> None:
    absence = Absence.of(declared)
    # Nothing more follows from what has followed.
    again: dict[str, list[str]] = {field: [] for field in NAMES}
    for kind, name in absence.items:
        again[f"{kind}s"].append(name)
    assert Absence.of(again) == absence
    assert all(name in NAMES[field] for field, found in again.items() for name in found)
    # A view or a key is read exactly when one of its sections may be.
    for (kind, name), readers in READ_BY.items():
        if all(absence.section(reader) for reader in readers):
            assert (kind, name) in absence.items
    assert len(list(absence.items)) <= len(SECTIONS) + len(VIEWS) + len(KEYS) + len(FEATURES)


def test_a_name_says_which_part_it_is() -> None:
    parts = [name for names in NAMES.values() for name in names]
    assert len(parts) == len(set(parts))


def test_what_is_there_is_told_of_sections_and_views(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis
) -> None:
    write_keys(redis_client)
    text = scrape(exporter(filled, redis_server, features=("labels",)))
    told = dict(re.findall(r'^ticketing_platform_has\{part="(.+)"\} (\d)$', text, re.MULTILINE))
    gone = {"labels", "fraud_labels"}
    assert told == {part: str(int(part not in gone)) for part in (*SECTIONS, *VIEWS, "labels")}


def test_every_view_and_key_has_a_reader() -> None:
    assert {name for kind, name in READ_BY if kind == "view"} == set(VIEWS)
    assert {name for kind, name in READ_BY if kind == "key"} == set(KEYS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, section: str, asked: list[str]
) -> None:
    write_keys(redis_client)
    text = scrape(exporter(filled, redis_server, sections=(section,)))
    assert f'ticketing_platform_has{{part="{section}"}} 0' in text
    assert f'collector="{section}"' not in text
    for other in set(SECTIONS) - {section}:
        assert f'ticketing_exporter_collector_success{{collector="{other}"}} 1' in text
    for (kind, name), readers in READ_BY.items():
        mark = f"monitoring.{name}" if kind == "view" else name
        assert any(re.search(rf"{re.escape(mark)}\b", line) for line in asked) == (readers != (section,)), name


@pytest.mark.parametrize("view", VIEWS)
def test_a_view(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, view: str, asked: list[str]
) -> None:
    write_keys(redis_client)
    text = scrape(exporter(filled, redis_server, views=(view,)))
    assert f'ticketing_platform_has{{part="{view}"}} 0' in text
    assert not [line for line in asked if f"monitoring.{view}" in line]
    gone = {
        "fraud_predictions": {
            "ticketing_fraud_predictions",
            "ticketing_model_feature_samples",
            "ticketing_model_unlabelled_predictions",
        },
        "fraud_labels": {"ticketing_model_predictions", "ticketing_model_unlabelled_predictions"},
        "transactions": {"ticketing_transactions", "ticketing_revenue_usd"},
        "model_versions": {"ticketing_model_info", "ticketing_model_feature_samples"},
        "feature_reference": {"ticketing_model_feature_samples"},
        "security_events": {"ticketing_security_events"},
        "event_launches": {"ticketing_event_launch_active"},
    }
    everything = set().union(*gone.values())
    assert names(text) & everything == everything - gone[view]


@pytest.mark.parametrize("key", KEYS)
def test_a_key(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, key: str, asked: list[str]
) -> None:
    write_keys(redis_client)
    text = scrape(exporter(filled, redis_server, keys=(key,)))
    assert f'ticketing_platform_has{{part="{key}"}} 0' in text
    gone = {
        "kpi:txn_per_hour": "ticketing_kpi_transactions_per_hour",
        "kpi:fraud_rate": "ticketing_kpi_fraud_rate_ratio",
        "kpi:latency_p95": "ticketing_kpi_api_latency_p95_seconds",
        "kpi:revenue_per_hour": "ticketing_kpi_revenue_per_hour_usd",
        "kpi:updated_at": "ticketing_kpi_updated_timestamp_seconds",
        "traffic:requests": "ticketing_api_requests_per_minute",
        "traffic:clients": "ticketing_client_requests",
        "ratelimit:limits": "ticketing_rate_limit_requests_per_minute",
        "ratelimit:blocked": "ticketing_rate_limited_clients",
        "config:fraud_threshold": "ticketing_fraud_threshold_ratio",
        "config:fraud_model": "ticketing_fraud_model_active",
    }
    assert names(text) & set(gone.values()) == set(gone.values()) - {gone[key]}
    # Those two are read together.
    if not key.startswith("ratelimit:"):
        assert not [line for line in asked if re.search(rf"{re.escape(key)}\b", line)]


@pytest.mark.parametrize(
    ("feature", "gone"),
    [
        (
            "fraud_model",
            {"ticketing_fraud_predictions", "ticketing_kpi_fraud_rate_ratio", "ticketing_model_info"},
        ),
        ("labels", {"ticketing_model_predictions"}),
        ("drift", {"ticketing_model_feature_samples"}),
        ("latency", {"ticketing_kpi_api_latency_p95_seconds"}),
        ("revenue", {"ticketing_revenue_usd", "ticketing_kpi_revenue_per_hour_usd"}),
        ("launches", {"ticketing_event_launch_active"}),
        ("clients", {"ticketing_client_requests"}),
        ("rate_limits", {"ticketing_rate_limit_requests_per_minute", "ticketing_rate_limited_clients"}),
        ("sign_ins", {"ticketing_admin_login_failures"}),
    ],
)
def test_a_feature(
    filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, feature: str, gone: set[str]
) -> None:
    write_keys(redis_client)
    filled.server.execute(
        "DELETE FROM platform.security_events; INSERT INTO platform.security_events (occurred_at, severity, event_type,"
        " message, account) VALUES (now() - interval '1 s', 'HIGH', 'login_failed', 'm', 'alice')",
        filled.name,
    )
    before = names(scrape(exporter(filled, redis_server)))
    assert gone <= before
    assert not names(scrape(exporter(filled, redis_server, features=(feature,)))) & gone


@pytest.mark.parametrize("scope", ["global", "client"])
def test_one_limit_of_two(filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis, scope: str) -> None:
    write_keys(redis_client)
    text = scrape(exporter(filled, redis_server, features=(f"{scope}_limit",)))
    scopes = re.findall(r'ticketing_rate_limit_requests_per_minute\{scope="(\w+)"\}', text)
    assert scopes == [other for other in ("global", "client") if other != scope]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("sections: [modle]", "sections: 'modle' is none of kpis, fraud, traffic, model, health, security"),
        ("views: [reviews]", "views: 'reviews' is none of fraud_predictions, "),
        ("keys: ['kpi:api_latency_p95']", "keys: 'kpi:api_latency_p95' is none of kpi:txn_per_hour, "),
        ("features: [nft]", "features: 'nft' is none of fraud_model, labels, drift, "),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_unknown_names_are_refused(tmp_path: Path, text: str, error: str, apart: bool) -> None:
    file = tmp_path / "platform.yml"
    file.write_text(f"platform: {{absent: {{{text}}}}}\n")
    with pytest.raises(ConfigError) as refused:
        load(None, file) if apart else load(file)
    assert str(refused.value).startswith(f"{file}: platform.absent.{error}")


def test_a_file_of_its_own(tmp_path: Path) -> None:
    config, platform = tmp_path / "exporter.yml", tmp_path / "platform.yml"
    config.write_text("settle: 30s\n")
    platform.write_text("platform:\n  absent:\n    sections: [model]\n    features: [drift]\n")
    loaded = load(config, platform)
    assert loaded.settle == Duration(30)
    assert loaded.platform.absent == Absent(sections=("model",), features=("drift",))
    assert load(platform).platform == loaded.platform
    with pytest.raises(ConfigError, match="also declares the platform"):
        load(platform, platform)
    platform.write_text("settle: 30s\n")
    with pytest.raises(ConfigError, match="unknown field `settle`"):
        load(None, platform)


def test_a_reload_takes_it_up(filled: ContractDatabase, redis_server: Redis, redis_client: redis.Redis) -> None:
    write_keys(redis_client)
    made = exporter(filled, redis_server)
    made.apply(Config(platform=Platform(absent=Absent(sections=("kpis",))), probes={}))
    assert "kpis" not in made.scraper.sections
    assert 'ticketing_platform_has{part="kpis"} 0' in scrape(made)
