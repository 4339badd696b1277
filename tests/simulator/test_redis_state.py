"""What Redis holds at an instant: every key of the contract, its type, value and time to live."""

from datetime import timedelta
from typing import Any

import pytest

from simulator.clients import CLIENTS
from simulator.instants import HOUR, MINUTE, SECOND, moment
from simulator.preset import FixedFigures, FixedWorld
from simulator.redis_state import review_threshold, write_redis_at
from tests.simulator.helpers import NOON, SEED, episode, world

MINUTE_OF_NOON = NOON // MINUTE


def test_every_key_with_its_ttl(redis_client: Any) -> None:
    write_redis_at(redis_client, moment(NOON), world(episode("traffic_flood", starts_at=NOON - 5 * MINUTE)))
    kpis = {f"kpi:{name}" for name in ("txn_per_hour", "fraud_rate", "latency_p95", "revenue_per_hour")}
    minutes = range(MINUTE_OF_NOON - 14, MINUTE_OF_NOON + 1)
    traffic = {f"traffic:{what}:{minute}" for what in ("requests", "clients") for minute in minutes}
    others = {"ratelimit:limits", "ratelimit:blocked", "config:fraud_threshold", "config:fraud_model"}
    assert set(redis_client.scan_iter()) == kpis | {"kpi:updated_at"} | traffic | others
    assert all(290 < redis_client.ttl(key) <= 300 for key in kpis | {"kpi:updated_at"})
    assert all(890 < redis_client.ttl(key) <= 900 for key in traffic)
    assert all(redis_client.ttl(key) == -1 for key in others)
    assert redis_client.hgetall("ratelimit:limits") == {"global_per_minute": "10000", "client_per_minute": "100"}
    assert redis_client.get("config:fraud_threshold") == "0.60"
    assert redis_client.get("config:fraud_model") == "xgboost"


def test_values_are_the_worlds(redis_client: Any) -> None:
    platform = world(episode("traffic_flood", starts_at=NOON - 5 * MINUTE))
    write_redis_at(redis_client, moment(NOON), platform)
    kpis = platform.kpis(NOON)
    assert redis_client.get("kpi:txn_per_hour") == str(kpis.txn_per_hour)
    assert redis_client.get("kpi:fraud_rate") == f"{kpis.fraud_rate:.2f}"
    assert redis_client.get("kpi:revenue_per_hour") == f"{kpis.revenue_per_hour:.2f}"
    assert redis_client.get("kpi:updated_at") == f"{NOON / SECOND:.3f}"
    counts = platform.requests(MINUTE_OF_NOON - 1, NOON)
    assert redis_client.get(f"traffic:requests:{MINUTE_OF_NOON - 1}") == str(counts.sum())
    clients = dict(redis_client.zrange(f"traffic:clients:{MINUTE_OF_NOON - 1}", 0, -1, withscores=True))
    assert clients == {str(CLIENTS[i]): count for i, count in enumerate(counts.tolist()) if count}
    blocked = dict(redis_client.zrange("ratelimit:blocked", 0, -1, withscores=True))
    assert blocked == {client: until // SECOND for client, until in platform.blocked(NOON).items()}
    assert all(NOON / SECOND - 1 < until <= (NOON + HOUR) / SECOND for until in blocked.values())


def test_a_replay_leaves_what_a_single_write_leaves(redis_client: Any) -> None:
    for seconds in range(-3600, 1, 100):
        write_redis_at(redis_client, moment(NOON + seconds * SECOND), world())
    replayed = _dump(redis_client)
    redis_client.flushall()
    write_redis_at(redis_client, moment(NOON), world())
    assert _dump(redis_client) == replayed


def test_no_client_is_left_of_an_incident_that_was_stopped(redis_client: Any) -> None:
    night = NOON - 8 * HOUR  # when some clients do not call at all
    write_redis_at(redis_client, moment(night), world(episode("bot_swarm", starts_at=night - 20 * SECOND)))
    write_redis_at(redis_client, moment(night), world())
    minute = night // MINUTE
    clients = dict(redis_client.zrange(f"traffic:clients:{minute}", 0, -1, withscores=True))
    assert sum(clients.values()) == int(redis_client.get(f"traffic:requests:{minute}") or 0)


def test_settings_of_the_responder_stay(redis_client: Any) -> None:
    redis_client.set("config:fraud_threshold", "0.50")
    redis_client.set("config:fraud_model", "ensemble")
    write_redis_at(redis_client, moment(NOON), world())
    assert redis_client.get("config:fraud_model") == "ensemble"
    assert review_threshold(redis_client) == 0.5


@pytest.mark.parametrize("text", ["", "strict", "nan", "7"])
def test_a_senseless_threshold_is_unknown(redis_client: Any, text: str) -> None:
    redis_client.set("config:fraud_threshold", text)
    assert review_threshold(redis_client) is None


def test_fraud_rate_without_predictions_is_missing(redis_client: Any) -> None:
    quiet = world(episode("quiet_predictions", minutes=61, starts_at=NOON - 61 * MINUTE))
    write_redis_at(redis_client, moment(NOON - 1), quiet)
    assert redis_client.get("kpi:fraud_rate") is None
    assert int(redis_client.get("kpi:txn_per_hour") or 0) > 300


def test_specification_figures(redis_client: Any) -> None:
    platform = FixedWorld(FixedFigures(SEED, NOON))
    hour = timedelta(hours=1)
    for later in (timedelta(0), timedelta(minutes=7, seconds=41), timedelta(minutes=40)):
        now = moment(NOON) + later
        write_redis_at(redis_client, now - hour, platform)
        assert _kpis(redis_client) == ["1113", "2.10", "40.0", "11527.78"]
        write_redis_at(redis_client, now, platform)
        assert _kpis(redis_client) == ["1247", "1.80", "45.0", "12450.00"]
        _assert_traffic(redis_client, now.timestamp())


def _assert_traffic(redis_client: Any, now: float) -> None:
    minute = int(now // 60)
    assert redis_client.get(f"traffic:requests:{minute - 1}") == "4523"
    assert redis_client.zscore(f"traffic:clients:{minute - 1}", "203.0.113.42") == 98
    totals: dict[str, float] = {}
    for past in range(minute - 5, minute):
        for client, count in redis_client.zrange(f"traffic:clients:{past}", 0, -1, withscores=True):
            totals[client] = totals.get(client, 0) + count
    assert sorted(totals.items(), key=lambda item: -item[1])[:5] == [
        ("203.0.113.42", 487),
        ("198.51.100.7", 312),
        ("192.0.2.156", 289),
        ("203.0.113.89", 201),
        ("198.51.100.23", 178),
    ]
    blocked = redis_client.zrangebyscore("ratelimit:blocked", now, "+inf")
    assert len(blocked) == 3
    assert "198.51.100.7" in blocked


def _kpis(redis_client: Any) -> list[str | None]:
    names = ("txn_per_hour", "fraud_rate", "latency_p95", "revenue_per_hour")
    return [redis_client.get(f"kpi:{name}") for name in names]


def _dump(redis_client: Any) -> dict[str, object]:
    def value(key: str) -> object:
        match redis_client.type(key):
            case "zset":
                return redis_client.zrange(key, 0, -1, withscores=True)
            case "hash":
                return redis_client.hgetall(key)
            case _:
                return redis_client.get(key)

    return {key: value(key) for key in redis_client.scan_iter()}
