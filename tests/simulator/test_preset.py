"""The specification's figures: what the real exporter reads of them at many moments of the hour for which they hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from demo.configs import exporter_config
from demo.replay import Replay
from simulator import database as platform_database
from simulator.database import connect
from simulator.history import resume
from simulator.instants import DAY, HOUR, MINUTE, SECOND, micros, moment
from simulator.preset import FixedFigures, FixedWorld
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.simulator.helpers import NOON, SEED, divergence, query, references

SECTIONS = ("kpis", "fraud", "traffic", "model", "security")
# No minute and no bucket of the exporter begins at the same place of two of them.
MOMENTS = range(0, HOUR, 97 * SECOND)

KPIS = {
    "ticketing_kpi_transactions_per_hour": 1247,
    "ticketing_kpi_fraud_rate_ratio": pytest.approx(0.018),
    "ticketing_kpi_api_latency_p95_seconds": pytest.approx(0.045),
    "ticketing_kpi_revenue_per_hour_usd": 12_450,
}
CONFUSION = {("fraud", "fraud"): 142, ("fraud", "legit"): 18, ("legit", "fraud"): 89, ("legit", "legit"): 11_751}
TOP = {
    "203.0.113.42": 487,
    "198.51.100.7": 312,
    "192.0.2.156": 289,
    "203.0.113.89": 201,
    "198.51.100.23": 178,
}


@dataclass(frozen=True)
class Sample:
    labels: dict[str, str]
    value: float


class Scrape:
    """The samples of one scrape, by name."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))

    def value(self, name: str, **labels: str) -> float:
        (sample,) = self.samples(name, **labels)
        return sample.value

    def samples(self, name: str, **labels: str) -> list[Sample]:
        return [each for each in self._samples[name] if labels.items() <= each.labels.items()]

    def by(self, name: str, *keys: str, **labels: str) -> dict[tuple[str, ...], float]:
        return {tuple(s.labels[key] for key in keys): s.value for s in self.samples(name, **labels)}


@pytest.fixture
def anchor() -> int:
    return micros(datetime.now(UTC))


@pytest.fixture
def replay(anchor: int, database: ContractDatabase, redis_server: Redis, tmp_path: Path) -> Iterator[Replay]:
    config = tmp_path / "exporter.yml"
    config.write_text(yaml.safe_dump(exporter_config(1)))
    replay = Replay(FixedWorld(FixedFigures(SEED, anchor)), redis_server.url(), database.reader_dsn, config)
    yield replay
    replay.close()


def test_the_exporter_reads_the_same_figures_for_an_hour(
    anchor: int, database: ContractDatabase, replay: Replay
) -> None:
    world = FixedWorld(FixedFigures(SEED, anchor))
    recorder = resume(database.dsn, world, anchor, 25)
    connection = connect(database.dsn)
    for after in MOMENTS:
        recorder.advance(connection, anchor + after + world.written_ahead, 0.60)
        scrape = Scrape(replay.scrape({"all": SECTIONS}, (anchor + after) / SECOND)["all"])
        assert_figures(scrape)
        assert_the_feed(database.reader_dsn, anchor + after)
    connection.close()


def assert_figures(scrape: Scrape) -> None:
    assert {name: scrape.value(name) for name in KPIS} == KPIS
    assert scrape.by("ticketing_model_predictions", "actual", "predicted", window="24h") == CONFUSION
    assert scrape.value("ticketing_model_unlabelled_predictions", window="24h") == 0
    decisions = scrape.by("ticketing_fraud_predictions", "decision", window="1h")
    assert decisions == {("BLOCKED",): 9, ("REVIEW",): 7, ("APPROVED",): 484}
    assert scrape.value("ticketing_api_requests_per_minute") == 4523
    clients = scrape.by("ticketing_client_requests", "client", window="5m")
    assert dict(sorted(clients.items(), key=lambda each: -each[1])[:5]) == {(c,): n for c, n in TOP.items()}
    assert scrape.value("ticketing_rate_limited_clients") == 3
    drift = scrape.by("ticketing_model_feature_drift_nats", "feature")
    assert max(drift, key=lambda feature: drift[feature]) == ("wallet_age_days",)
    assert round(max(drift.values()), 2) == 0.09
    events = scrape.by("ticketing_security_events", "severity")
    assert {severity: n for (severity,), n in events.items() if n} == {"HIGH": 1, "MEDIUM": 3, "LOW": 1}


def assert_the_feed(dsn: str, now: int) -> None:
    rows = query(
        dsn,
        "SELECT left(transaction_id, 8), fraud_score, decision, top_feature FROM monitoring.fraud_predictions"
        " WHERE timestamp > %s AND timestamp <= %s AND (fraud_score > 0.65 OR decision <> 'APPROVED')"
        " ORDER BY timestamp DESC",
        moment(now - HOUR),
        moment(now),
    )
    # Which of the hour's nine and seven are the newest depends on the moment; the four are always among them.
    first = rows.index(("txn_a7f3", 0.91, "BLOCKED", "txn_velocity_1h=12"))
    assert (rows + rows)[first : first + 4] == [
        ("txn_a7f3", 0.91, "BLOCKED", "txn_velocity_1h=12"),
        ("txn_b2e1", 0.78, "REVIEW", "price_deviation=2.3"),
        ("txn_c9d4", 0.69, "REVIEW", "wallet_age=0.5d"),
        ("txn_d1a8", 0.88, "BLOCKED", "geo_velocity=true"),
    ]


def test_an_hour_ago_the_figures_were_the_earlier_ones() -> None:
    world = FixedWorld(FixedFigures(SEED, NOON))
    for after in range(0, 59 * MINUTE, 61 * SECOND):
        before, now = world.kpis(NOON + after - HOUR), world.kpis(NOON + after)
        assert now.txn_per_hour / before.txn_per_hour - 1 == pytest.approx(0.12, abs=0.005)
        assert (now.fraud_rate or 0) - (before.fraud_rate or 0) == pytest.approx(-0.3)
        assert (now.latency_p95 or 0) - (before.latency_p95 or 0) == pytest.approx(5)
        assert now.revenue_per_hour / before.revenue_per_hour - 1 == pytest.approx(0.08, abs=0.0005)


def test_at_first_the_four_transactions_and_five_events_are_the_newest(anchor: int, database: ContractDatabase) -> None:
    resume(database.dsn, FixedWorld(FixedFigures(SEED, anchor)), anchor, 1)
    newest = query(
        database.reader_dsn,
        "SELECT extract(epoch FROM %s - timestamp)::int, left(transaction_id, 8) FROM monitoring.fraud_predictions"
        " WHERE fraud_score > 0.65 OR decision <> 'APPROVED' ORDER BY timestamp DESC LIMIT 4",
        moment(anchor),
    )
    assert newest == [(18, "txn_a7f3"), (90, "txn_b2e1"), (166, "txn_c9d4"), (251, "txn_d1a8")]
    assert query(
        database.reader_dsn,
        "SELECT extract(epoch FROM %s - timestamp)::int, severity FROM monitoring.security_events"
        " WHERE timestamp > %s ORDER BY timestamp DESC",
        moment(anchor),
        moment(anchor - 15 * MINUTE),
    ) == [(23, "HIGH"), (108, "MEDIUM"), (201, "MEDIUM"), (300, "LOW"), (445, "MEDIUM")]


def test_no_row_comes_twice() -> None:
    rows = FixedWorld(FixedFigures(SEED, NOON)).rows(NOON - 2 * DAY, NOON)
    scored = rows[rows["scored"]]
    assert len(set(scored["transaction_id"].tolist())) == len(scored) == 24_000


def test_the_rpc_takes_as_long_each_time() -> None:
    conditions = FixedWorld(FixedFigures(SEED, NOON)).conditions(NOON)
    rng = np.random.default_rng(1)
    assert [conditions.latency_seconds("rpc", rng) for _ in range(5)] == pytest.approx([0.85] * 5)


def test_drift() -> None:
    rows = FixedWorld(FixedFigures(SEED, NOON)).rows(NOON - DAY, NOON)
    scored = rows[rows["scored"]]
    assert max(divergence(scored, r) for r in references()) == pytest.approx(0.09, abs=0.005)


def test_another_worlds_history_is_deleted(anchor: int, database: ContractDatabase) -> None:
    resume(database.dsn, FixedWorld(FixedFigures(SEED, anchor)), anchor, 1)
    platform_database.clear(database.dsn)
    for table in ("fraud_predictions", "fraud_labels", "transactions", "security_events"):
        assert query(database.dsn, f"SELECT count(*) FROM platform.{table}") == [(0,)]
