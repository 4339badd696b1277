"""The same seed gives the same platform, with the distributions it promises."""

import itertools

import numpy as np
import pytest

from simulator import demand, features
from simulator.clients import CLIENT_LIMIT
from simulator.features import FEATURES
from simulator.instants import DAY, HOUR, MINUTE, NEVER, SECOND
from simulator.reference import describe
from simulator.source import OrdinaryDays
from simulator.world import World
from tests.simulator.helpers import NOON, SEED, assert_same, day, divergence, references, world


def test_a_minute_reproduces_alone_and_in_any_order() -> None:
    whole = world().rows(NOON - HOUR, NOON)
    alone = [world().rows(NOON - (i + 1) * MINUTE, NOON - i * MINUTE) for i in reversed(range(60))]
    assert_same(whole, np.concatenate(alone))
    assert world().events(NOON - DAY, NOON) == world().events(NOON - DAY, NOON)
    assert world().kpis(NOON) == world().kpis(NOON)


def test_steps_neither_lose_nor_repeat_rows() -> None:
    platform = world()
    steps = [platform.rows(NOON + i * SECOND // 2, NOON + (i + 1) * SECOND // 2) for i in range(600)]
    assert_same(np.concatenate(steps), platform.rows(NOON, NOON + 5 * MINUTE))


def test_another_seed_gives_another_platform() -> None:
    other = World(OrdinaryDays(SEED + 1)).rows(NOON - HOUR, NOON)
    assert not np.array_equal(world().rows(NOON - HOUR, NOON)["transaction_id"], other["transaction_id"])


@pytest.mark.slow
def test_truth_and_decisions_have_the_promised_rates() -> None:
    rows = np.concatenate([world().rows(*day(number)) for number in range(-60, 0, 6)])
    blocked, fraud = rows["score"] >= 0.80, rows["is_fraud"]
    assert fraud.mean() == pytest.approx(160 / 12_000, rel=0.08)
    assert (blocked & fraud).sum() / blocked.sum() == pytest.approx(0.61, abs=0.03)
    assert (blocked & fraud).sum() / fraud.sum() == pytest.approx(0.89, abs=0.025)
    assert blocked.mean() == pytest.approx(0.019, abs=0.001)
    assert len(np.unique(rows["transaction_id"])) == len(rows)


@pytest.mark.slow
def test_days_follow_the_curve() -> None:
    rows = np.concatenate([world().rows(*day(number)) for number in (-28, -21, -14, -7, 0)])
    by_hour = np.bincount(rows["at"] % DAY // HOUR, minlength=24) / 5
    assert by_hour.sum() == pytest.approx(12_000, rel=0.02)
    assert by_hour.argmax() in (18, 19)
    assert by_hour[18:22].min() > 700
    assert by_hour[4] < 150
    assert sum(demand.HOURLY_WEIGHTS) / 24 == pytest.approx(1.0, abs=0.01)


def test_a_constant_rate_has_neither_curve_nor_launches() -> None:
    rows = world(rate_per_hour=1247).rows(*day(2))  # a Friday
    by_hour = np.bincount(rows["at"] % DAY // HOUR, minlength=24)
    assert by_hour.min() > 1247 - 5 * 36
    assert by_hour.max() < 1247 + 5 * 36


def test_launches_multiply_demand_and_decay() -> None:
    (launch,) = demand.scheduled_launches(*day(2))
    before, start = demand.rate_per_hour(launch.starts_at - 1), demand.rate_per_hour(launch.starts_at)
    assert start / before == pytest.approx(4.0, rel=0.01)
    assert launch.boost(launch.starts_at + 20 * MINUTE) == pytest.approx(1 + 3 / np.e)
    assert launch.boost(launch.ends_at) == 1.0


def test_a_healthy_day_hardly_diverges() -> None:
    rows = world().rows(*day(0))
    assert max(divergence(rows, reference) for reference in references()) < 0.01


def test_reference_counts_bins_as_postgresql_does() -> None:
    velocity = next(f for f in FEATURES if f.name == "txn_velocity_1h")
    reference = describe(velocity, np.array([0.0, 0.0, 0.0, 1.0, 2.0, np.nan]))
    assert reference.cuts == sorted(set(reference.cuts or []))
    assert len(reference.ref_counts) == len(reference.cuts or []) + 2
    assert reference.ref_counts[0] == 0  # a value at a cut belongs above it
    assert reference.ref_counts[-1] == 1
    assert sum(reference.ref_counts) == 6


def test_labels_come_late_and_not_for_all() -> None:
    rows = world().rows(*day(0))
    labelled = rows[rows["labelled_at"] < NEVER]
    delay_hours = (labelled["labelled_at"] - labelled["at"]) / HOUR
    assert 0.85 < len(labelled) / len(rows) < 0.95
    assert np.median(delay_hours) == pytest.approx(6.0, rel=0.1)
    assert delay_hours.max() > 100
    assert (~labelled["is_fraud"] & (labelled["score"] >= 0.8)).any()


def test_kpis_are_counted_from_the_rows() -> None:
    platform = world()
    rows, kpis = platform.rows(NOON - HOUR, NOON), platform.kpis(NOON)
    sold = rows[rows["score"] < 0.8]
    cents = (sold["amount_cents"] * sold["is_purchase"] + sold["fee_cents"]).sum()
    assert kpis.txn_per_hour == len(sold)
    assert kpis.revenue_per_hour == cents / 100
    assert kpis.fraud_rate == 100 * (len(rows) - len(sold)) / len(rows)
    assert kpis.latency_p95 == pytest.approx(45, rel=0.2)


def test_revenue_and_traffic_fit_the_specification() -> None:
    platform = world(rate_per_hour=1270)
    revenue = np.mean([platform.kpis(NOON - i * HOUR).revenue_per_hour for i in range(5)])
    assert revenue == pytest.approx(12_450, rel=0.05)
    counts = platform.requests(NOON // MINUTE - 1, NOON)
    assert counts.sum() == pytest.approx(4523, rel=0.06)
    assert CLIENT_LIMIT / 3 < counts.max() <= CLIENT_LIMIT


def test_requests_of_the_running_minute_only_grow() -> None:
    platform, minute = world(), NOON // MINUTE
    counted = [platform.requests(minute, minute * MINUTE + s * SECOND) for s in range(0, 61, 5)]
    assert counted[0].sum() == 0
    assert all((later >= earlier).all() for earlier, later in itertools.pairwise(counted))


def test_top_feature_names_what_stands_out() -> None:
    rows = world().rows(*day(0))[:4].copy()
    for name, value in {
        "wallet_age_days": 120.0,
        "txn_velocity_1h": 0.0,
        "price_deviation_ratio": 0.1,
        "geo_velocity_flag": 0.0,
        "avg_ticket_hold_time": 480.0,
        "event_popularity_score": 0.3,
        "cross_event_attendance": 2.0,
        "payment_method_diversity": 1.0,
        "social_graph_centrality": 0.1,
        "time_to_first_resale": np.nan,
    }.items():
        rows[name] = value
    rows["txn_velocity_1h"][0] = 12
    rows["price_deviation_ratio"][1] = 2.3
    rows["wallet_age_days"][2] = 0.5
    rows["geo_velocity_flag"][3] = 1
    assert features.top_texts(rows) == [
        "txn_velocity_1h=12",
        "price_deviation=2.3",
        "wallet_age=0.5d",
        "geo_velocity=true",
    ]
