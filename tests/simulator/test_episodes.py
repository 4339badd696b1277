"""Each episode changes what it says, while it lasts, and nothing before."""

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from simulator.clients import CLIENT_LIMIT, CLIENTS
from simulator.clock import Clock
from simulator.control import Control, ControlError
from simulator.episodes import EPISODES
from simulator.instants import HOUR, MINUTE, SECOND, moment
from simulator.preset import FixedFigures, FixedWorld
from simulator.source import OrdinaryDays
from simulator.transactions import Rows
from simulator.world import World
from tests.simulator.helpers import NOON, SEED, StillClock, assert_same, divergence, episode, references, world

END = NOON + 20 * MINUTE


@pytest.mark.parametrize("name", EPISODES)
def test_the_past_never_changes(name: str) -> None:
    before, after = world(), world(episode(name))
    assert_same(before.rows(NOON - HOUR, NOON - 1), after.rows(NOON - HOUR, NOON - 1))
    assert before.events(NOON - HOUR, NOON - 1) == after.events(NOON - HOUR, NOON - 1)
    later = (END + MINUTE, END + HOUR)
    assert_same(before.rows(*later), after.rows(*later))


@pytest.mark.parametrize("name", EPISODES)
@pytest.mark.parametrize("lasted", [5 * SECOND, 10 * MINUTE + 15 * SECOND])
def test_the_past_stays_when_an_episode_is_stopped(name: str, lasted: int) -> None:
    overrides: dict[str, Any] = {"refunds_usd": 5000.0} if name == "launch" else {}
    going, stopped = (world(episode(name, minutes, **overrides)) for minutes in (20, lasted / MINUTE))
    end = NOON + lasted
    assert_same(going.rows(NOON - 1, end - 1), stopped.rows(NOON - 1, end - 1))
    assert_same(world().rows(end - 1, end + HOUR), stopped.rows(end - 1, end + HOUR))


@pytest.mark.parametrize("name", EPISODES)
def test_an_episode_reproduces(name: str) -> None:
    assert_same(world(episode(name)).rows(NOON, END), world(episode(name)).rows(NOON, END))
    assert world(episode(name)).events(NOON, END) == world(episode(name)).events(NOON, END)


@pytest.mark.parametrize("name", ["bot_swarm", "fraud_spike", "card_testing"])
def test_fraud_episodes_pass_three_percent_in_ten_minutes(name: str) -> None:
    rows = world(episode(name)).rows(NOON, NOON + 10 * MINUTE)
    blocked = (rows["score"] >= 0.8).sum()
    assert len(rows) >= 100
    assert blocked / len(rows) > 0.08


def test_bots_share_a_network_and_have_young_wallets() -> None:
    normal, swarm = world().rows(NOON, END), world(episode("bot_swarm")).rows(NOON, END)
    bots = swarm[~np.isin(swarm["transaction_id"], normal["transaction_id"])]
    assert len(bots) > 300
    assert {address.rsplit(".", 1)[0] for address in bots["source_ip"]} == {"198.51.100"}
    assert np.median(bots["wallet_age_days"]) < 1
    minute = NOON // MINUTE + 2
    extra = world(episode("bot_swarm")).requests(minute, END) - world().requests(minute, END)
    assert extra.sum() > 3000


def test_card_testing_is_cheap_and_declined() -> None:
    normal, attack = world().rows(NOON, END), world(episode("card_testing")).rows(NOON, END)
    cards = attack[~np.isin(attack["transaction_id"], normal["transaction_id"])]
    assert cards["amount_cents"].min() >= 100
    assert cards["amount_cents"].max() <= 500
    assert 0.8 <= (cards["score"] >= 0.8).mean() <= 0.97
    assert len(set(cards["source_ip"].tolist())) == 3


def test_scalpers_resell_dearly() -> None:
    normal, both = world().rows(NOON, END), world(episode("scalper")).rows(NOON, END)
    scalpers = both[~np.isin(both["transaction_id"], normal["transaction_id"])]
    resold = scalpers[~scalpers["is_purchase"]]
    assert (resold["at"] >= NOON + 5 * MINUTE).all()
    assert resold["price_deviation_ratio"].min() >= 0.5
    assert len(set(scalpers["wallet"].tolist())) <= 25


def test_drift_alerts_on_several_features_and_soon_on_one() -> None:
    drifted = world(episode("drift", minutes=60)).rows(NOON, NOON + HOUR)
    by_feature = {r.feature: divergence(drifted, r) for r in references()}
    assert by_feature["wallet_age_days"] > 0.15
    assert by_feature["txn_velocity_1h"] > 0.15
    assert by_feature["price_deviation_ratio"] > 0.15
    assert by_feature["social_graph_centrality"] > 0.15
    assert by_feature["event_popularity_score"] < 0.01
    day_and_drift = world(episode("drift")).rows(NOON - 24 * HOUR, NOON + 10 * MINUTE)
    assert max(divergence(day_and_drift, r) for r in references()) > 0.15


def test_quiet_predictions_stop_the_model_but_not_the_sales() -> None:
    rows = world(episode("quiet_predictions")).rows(NOON, END - 1)
    assert not rows["scored"].any()
    assert rows["completed"].all()


def test_a_launch_announces_itself_and_can_disappoint() -> None:
    normal = world().kpis(END)
    rich, poor = world(episode("launch")), world(episode("launch", revenue_factor=0.05))
    assert rich.kpis(END).revenue_per_hour > 1.3 * normal.revenue_per_hour
    assert poor.kpis(END).revenue_per_hour < normal.revenue_per_hour
    (launch,) = rich.launches(NOON, END)
    assert (launch.starts_at, launch.ends_at) == (NOON, END)


def test_refunds_of_a_launch_come_at_once_and_off_the_revenue() -> None:
    refunded = world(episode("launch", refunds_usd=5000.0))
    rows = refunded.rows(NOON - 1, END)
    refunds = rows[rows["amount_cents"] < 0]
    assert (refunds["amount_cents"] + refunds["fee_cents"]).sum() / 100 == pytest.approx(-5000, abs=1)
    assert refunds["at"].max() <= NOON + 10 * SECOND
    assert not refunds["scored"].any()
    before, after = (refunded.kpis(at).revenue_per_hour for at in (NOON - 1, NOON + 15 * SECOND))
    assert before - after == pytest.approx(5000, abs=500)


def test_traffic_flood_nears_the_global_limit_and_blocks_clients() -> None:
    flooded = world(episode("traffic_flood"))
    counts = flooded.requests(NOON // MINUTE + 3, END)
    assert 7_000 < counts.sum() < 10_000
    assert counts.max() > CLIENT_LIMIT
    blocked = flooded.blocked(END)
    assert len(blocked) >= 10
    assert all(END < until <= END + HOUR for until in blocked.values())
    events = [e for e in flooded.events(NOON, END) if e.event_type == "rate_limit_exceeded"]
    assert {e.source_ip for e in events} == set(blocked) - set(world().blocked(END))
    assert len(events) == len({e.source_ip for e in events})
    assert set(blocked) <= set(CLIENTS.tolist())


def test_slow_services() -> None:
    during, after = NOON + 10 * MINUTE, END + 6 * MINUTE
    assert (world(episode("slow_api")).kpis(during).latency_p95 or 0) > 100
    assert (world(episode("slow_api")).kpis(after).latency_p95 or 0) < 60
    rng = np.random.default_rng(1)
    slow = world(episode("slow_rpc")).conditions(during)
    assert np.median([slow.latency_seconds("rpc", rng) for _ in range(300)]) == pytest.approx(0.85, rel=0.05)
    fine = world(episode("slow_rpc")).conditions(after)
    assert np.median([fine.latency_seconds("rpc", rng) for _ in range(300)]) == pytest.approx(0.2, rel=0.05)
    assert world(episode("service_down", service="siem")).conditions(during).down == {"siem"}


def test_admin_attack_fails_mfa_three_times_within_seconds() -> None:
    events = world(episode("admin_attack")).events(NOON - 1, NOON + 15 * SECOND)
    attack = [e for e in events if e.source_ip == "203.0.113.99"]
    assert Counter(e.event_type for e in attack) == {"mfa_failed": 3, "login_failed": 2}
    assert {e.account for e in attack} == {"alice.ops"}
    assert max(e.at for e in attack) - min(e.at for e in attack) <= 10 * SECOND


def test_control_starts_lists_and_stops() -> None:
    platform = world()
    control = Control(platform, Clock(0))
    control.start("service-down", {"service": "rpc", "minutes": 5})
    (active,) = control.listing()["service_down"]["active"]
    assert active["parameters"] == {"service": "rpc"}
    assert control.stop("service_down") == 1
    assert control.listing()["service_down"]["active"] == []
    assert control.stop("service_down") == 0


@pytest.mark.parametrize("platform", [world(), FixedWorld(FixedFigures(SEED, NOON))])
def test_an_episode_changes_only_what_is_not_written_yet(platform: World) -> None:
    control, written = Control(platform, StillClock()), NOON + platform.written_ahead
    control.start("admin_attack", {"login_failures": 0})
    (active,) = control.listing()["admin_attack"]["active"]
    assert datetime.fromisoformat(active["starts_at"]) > moment(written)
    attack = [e.event_type for e in platform.events(written, written + 15 * SECOND) if e.account == "alice.ops"]
    assert attack == ["mfa_failed"] * 3
    assert control.stop("admin_attack") == 1
    assert control.listing()["admin_attack"]["active"] == []


def test_an_episode_begins_when_it_has_been_tried() -> None:
    clock = StillClock()

    class Slow(OrdinaryDays):
        def transactions(self, minute: int) -> Rows:
            clock.instant += SECOND
            return super().transactions(minute)

    platform = World(Slow(SEED))
    Control(platform, clock).start("fraud_spike", {})
    assert platform.episodes[0].starts_at > clock.now()
    assert platform.episodes[0].ends_at - platform.episodes[0].starts_at == 30 * MINUTE


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("no_such", {}),
        ("slow_rpc", {"speed": 1}),
        ("slow_rpc", {"minutes": "long"}),
        ("slow_rpc", {"minutes": -1}),
        ("service_down", {"service": 5}),
        ("slow_rpc", {"factor": float("nan")}),
        ("service_down", {"service": "no-such"}),
        ("admin_attack", {"repeat_minutes": 0}),
        ("traffic_flood", {"loud_clients": 0}),
        ("bot_swarm", {"network": "10.0.0"}),
        # PostgreSQL would refuse to write them, and everything that is written with them.
        ("card_testing", {"network": "nowhere"}),
        ("admin_attack", {"source_ip": "203.0.113.999"}),
        ("admin_attack", {"account": "admin\0"}),
        ("launch", {"title": "\ud800"}),
    ],
)
def test_control_refuses_what_it_does_not_know(name: str, overrides: dict[str, object]) -> None:
    with pytest.raises(ControlError):
        Control(world(), Clock(0)).start(name, overrides)


def test_episodes_also_change_the_specification_figures() -> None:
    platform = FixedWorld(FixedFigures(SEED, NOON))
    platform.set_episodes((episode("fraud_spike"), episode("traffic_flood"), episode("slow_api")))
    later, calm = NOON + 10 * MINUTE, FixedWorld(FixedFigures(SEED, NOON))
    assert (platform.kpis(later).fraud_rate or 0) > 5
    assert (platform.kpis(later).latency_p95 or 0) > 100
    assert len(platform.blocked(later)) > len(calm.blocked(later)) == 3
    minute = NOON // MINUTE + 5
    assert platform.requests(minute, later).sum() > calm.requests(minute, later).sum() + 2000
