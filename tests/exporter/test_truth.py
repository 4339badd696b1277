"""Every metric equals plain SQL and Redis reads at the same instant, whatever the platform's history.

A state machine plays the platform (rows, late rows, NULLs, labels and changed labels, retention, Redis) and the
clock (boundaries of minutes, windows and days, restarts of the exporter) against a real PostgreSQL and Redis.
"""

from __future__ import annotations

import json
import random
from typing import Any

import psycopg2
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg2.extras import execute_values

from exporter.collectors import SECTIONS
from exporter.config import Config
from testbed.servers.contract import ContractDatabase
from testbed.servers.redis import Redis
from tests.exporter.platform_truth import (
    Samples,
    differences,
    instant,
    parse,
    seen_since,
    truth,
    without_counters,
)
from tests.exporter.web.serving import exporter_of

#: Histories of `make test`, and of `make test-slow`.
FEW, MANY = 5, 200
SECOND = 1_000_000
SETTLE = int(Config().settle)
WINDOW_SECONDS = (300, 600, 900, 3600, 86400, 7 * 86400)

DECISIONS = ("APPROVED", "APPROVED", "REVIEW", "BLOCKED", None, "ESCALATED")
SCORES = (0.0, 0.1, 0.3, 0.30000000000000004, 0.55, 0.8, 1.0, 1.5, -0.1, None, float("nan"), float("inf"))
FEATURES: tuple[dict[str, Any] | None, ...] = (
    {"wallet_age": 3.5, "foreign": True, "payment": "card"},
    {"wallet_age": 10, "foreign": False, "payment": "crypto"},
    {"wallet_age": 20.0, "foreign": False, "payment": "barter"},
    {"wallet_age": None, "foreign": None},
    {"wallet_age": "NaN", "foreign": "yes", "payment": 7},
    {},
    None,
)

# Ages at which something changes: a bucket ends, a row settles, a window's far edge passes.
edges = st.sampled_from(WINDOW_SECONDS).flatmap(lambda s: st.sampled_from([-1, 0, 1]).map(lambda d: s * SECOND + d))
old_ages = st.one_of(edges, st.integers(0, 8 * 86400 * SECOND))
fresh_ages = st.one_of(st.sampled_from([0, 1, -1]), st.integers(-5 * SECOND, (SETTLE - 2) * SECOND))
seeds = st.integers(0, 2**32)


class Platform(RuleBasedStateMachine):
    """The platform, the clock and the exporter."""

    dsn: str
    reader: str
    redis_url: str
    client: redis.Redis

    @initialize(hour=st.integers(0, 23), minute=st.sampled_from([0, 59]), second=st.integers(0, 59), seed=seeds)
    def begin(self, hour: int, minute: int, second: int, seed: int) -> None:
        self.connection = psycopg2.connect(self.dsn)
        self.connection.autocommit = True
        self.client.flushall()
        self.now = _today(self.connection) + ((hour * 60 + minute) * 60 + second) * SECOND
        self.number = 0
        self._empty()
        self._reference()
        dice = random.Random(seed)
        spread = [dice.randrange(8 * 86400 * SECOND) for _ in range(560)]
        self._predict([self.now - age for age in spread], dice)
        self.start()

    def _empty(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "TRUNCATE platform.fraud_predictions, platform.fraud_labels, platform.transactions,"
                " platform.security_events, platform.event_launches, platform.feature_reference,"
                " platform.model_versions"
            )
            # Earlier examples dropped some; this one may run a week ahead.
            today = instant(self.now).date()
            cursor.execute("SELECT platform.create_partitions(%s::date - 9, %s::date + 9)", (today, today))

    def _reference(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO platform.model_versions VALUES ('v1', now(), true, 0.67, 0.89, NULL, 0.6, 0.8, %s)",
                (instant(self.now + 86400 * SECOND),),
            )
            cursor.execute(
                """INSERT INTO platform.feature_reference VALUES
                ('v1', 'wallet_age', 'numeric', '{1,3.5,10,30}', NULL, '{10,20,30,20,5,1}'),
                ('v1', 'foreign', 'boolean', NULL, NULL, '{90,9,1}'),
                ('v1', 'payment', 'categorical', NULL, '{card,crypto}', '{70,20,5,5}')"""
            )

    def start(self) -> None:
        self.exporter = exporter_of(self.reader, self.redis_url, clock=lambda: self.now / SECOND)
        self.scrape()
        self.since = self.now - 60 * SECOND
        self.counted_before = self.counted()

    def scrape(self) -> Samples:
        return parse(self.exporter.scraper.scrape(SECTIONS, 30).text)

    def counted(self) -> tuple[Samples, float]:
        return seen_since(self.connection, self.since, self.now)

    def teardown(self) -> None:
        if hasattr(self, "exporter"):
            self.exporter.close()
            self.connection.close()

    # The platform.

    def _predict(self, times: list[int], dice: random.Random) -> None:
        rows = []
        for time in times:
            self.number += 1
            features = dice.choice(FEATURES)
            rows.append(
                (
                    instant(time),
                    f"txn_{self.number}",
                    dice.choice(SCORES),
                    dice.choice(DECISIONS),
                    None if features is None else json.dumps(features),
                )
            )
        with self.connection.cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO platform.fraud_predictions (predicted_at, transaction_id, fraud_score, decision, features)"
                " VALUES %s",
                rows,
            )

    @rule(ages=st.lists(fresh_ages, min_size=1, max_size=8), seed=seeds)
    def predict(self, ages: list[int], seed: int) -> None:
        self._predict([self.now - age for age in ages], random.Random(seed))

    @rule(ages=st.lists(fresh_ages, min_size=1, max_size=5), seed=seeds)
    def sell(self, ages: list[int], seed: int) -> None:
        dice = random.Random(seed)
        self.number += 1
        rows = [
            (
                instant(self.now - age),
                f"t{self.number}",
                dice.choice(("purchase", "transfer")),
                dice.choice((None, 0, 12.34, 99999.99)),
                dice.choice((None, 0.1, 5)),
            )
            for age in ages
        ]
        with self.connection.cursor() as cursor:
            execute_values(cursor, "INSERT INTO platform.transactions VALUES %s", rows)

    @rule(ages=st.lists(fresh_ages, min_size=1, max_size=6), seed=seeds)
    def report_events(self, ages: list[int], seed: int) -> None:
        dice = random.Random(seed)
        rows = [
            (
                instant(self.now - age),
                dice.choice(("CRITICAL", "HIGH", "MEDIUM", "LOW")),
                dice.choice(("mfa_failed", "login_failed", "certificate_renewed")),
                "something happened",
                dice.choice((None, "alice", "bob", 'quote"back\\slash', "")),
            )
            for age in ages
        ]
        with self.connection.cursor() as cursor:
            execute_values(
                cursor,
                "INSERT INTO platform.security_events (occurred_at, severity, event_type, message, account) VALUES %s",
                rows,
            )

    @rule(seed=seeds, many=st.integers(1, 20), delay=st.integers(0, SETTLE - 2))
    def label(self, seed: int, many: int, delay: int) -> None:
        """Label predictions of any age, or change their label."""
        dice = random.Random(seed)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT setseed(%s)", (dice.random(),))
            cursor.execute(
                """INSERT INTO platform.fraud_labels
                SELECT transaction_id, predicted_at, decision, (ARRAY[true, false, NULL])[1 + floor(random() * 3)::int],
                       %s::timestamptz
                FROM platform.fraud_predictions WHERE predicted_at <= %s ORDER BY random() LIMIT %s
                ON CONFLICT (transaction_id) DO UPDATE
                SET is_fraud = EXCLUDED.is_fraud, labeled_at = EXCLUDED.labeled_at""",
                (instant(self.now - delay * SECOND), instant(self.now), many),
            )

    @rule()
    def retain(self) -> None:
        """Retention drops what no window reaches any more."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT platform.drop_partitions_before((%s AT TIME ZONE 'UTC')::date - 8)", (instant(self.now),)
            )

    @rule(start=st.integers(-100, 100), length=st.integers(1, 100))
    def launch(self, start: int, length: int) -> None:
        begins = self.now + start * SECOND
        with self.connection.cursor() as cursor:
            self.number += 1
            cursor.execute(
                "INSERT INTO platform.event_launches VALUES (%s, 'tour', %s, %s)",
                (f"e{self.number}", instant(begins), instant(begins + length * SECOND)),
            )

    @rule(
        key=st.sampled_from(["txn_per_hour", "fraud_rate", "latency_p95", "revenue_per_hour", "updated_at"]),
        value=st.one_of(st.none(), st.integers(0, 10**6), st.floats(0, 1e6)),
    )
    def write_kpi(self, key: str, value: float | None) -> None:
        self.write(f"kpi:{key}", value)

    @rule(value=st.one_of(st.none(), st.floats(0, 1)), model=st.sampled_from([None, "xgboost", "ensemble"]))
    def write_settings(self, value: float | None, model: str | None) -> None:
        self.write("config:fraud_threshold", value)
        self.write("config:fraud_model", model)

    def write(self, key: str, value: object) -> None:
        if value is None:
            self.client.delete(key)
        else:
            self.client.set(key, str(value))

    @rule(back=st.integers(-1, 6), clients=st.dictionaries(st.integers(1, 80), st.integers(1, 99), max_size=70))
    def call(self, back: int, clients: dict[int, int]) -> None:
        minute = self.now // (60 * SECOND) - back
        self.client.set(f"traffic:requests:{minute}", sum(clients.values()))
        self.client.delete(f"traffic:clients:{minute}")
        if clients:
            self.client.zadd(f"traffic:clients:{minute}", {f"203.0.113.{n}": count for n, count in clients.items()})

    @rule(limits=st.booleans(), until=st.lists(st.integers(-20, 20), max_size=12, unique=True))
    def limit(self, limits: bool, until: list[int]) -> None:
        self.client.delete("ratelimit:limits", "ratelimit:blocked")
        if limits:
            self.client.hset("ratelimit:limits", mapping={"global_per_minute": "10000", "client_per_minute": "100"})
        if until:
            blocked = {f"198.51.100.{n}": self.now / SECOND + seconds for n, seconds in enumerate(until)}
            self.client.zadd("ratelimit:blocked", blocked)

    # The clock and the exporter.

    @rule(step=st.one_of(st.sampled_from([1, 4, 5, 29, 30, 31, 60, 300]), st.integers(1, 840)))
    def pass_seconds(self, step: int) -> None:
        self.now += step * SECOND

    @rule(step=st.integers(1, 999_999))
    def pass_microseconds(self, step: int) -> None:
        self.now += step

    @rule(before=st.sampled_from([-1, 0, 1]))
    def pass_to_the_next_minute(self, before: int) -> None:
        self.now = max(self.now, (self.now // (60 * SECOND) + 1) * 60 * SECOND + before)

    @rule(step=st.integers(0, 6 * 3600))
    def restart(self, step: int) -> None:
        self.exporter.close()
        self.now += step * SECOND
        self.start()

    @invariant()
    def everything_is_true(self) -> None:
        found = self.scrape()
        expected = truth(self.connection, self.client, self.now)
        assert not list(differences(without_counters(found), expected))
        seen, scores = self.counted()
        seen_before, scores_before = self.counted_before
        counted = {key: value - seen_before.get(key, 0) for key, value in seen.items()}
        for key, value in counted.items():
            # A series may begin with the first row of its kind; one that is there is never short of any.
            assert found.get(key, 0) == value, key
        assert found["ticketing_fraud_score_sum", ()] == pytest.approx(scores - scores_before, abs=1e-9)


def _today(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC'))::bigint")
        return int(cursor.fetchone()[0]) * SECOND


@pytest.mark.parametrize("histories", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_every_metric_equals_the_truth(
    database: ContractDatabase, redis_client: redis.Redis, redis_server: Redis, histories: int
) -> None:
    class Played(Platform):
        dsn = database.dsn
        reader = database.reader_dsn
        redis_url = redis_server.url()
        client = redis_client

    run_state_machine_as_test(
        Played,
        settings=settings(
            max_examples=histories,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
