"""Episodes that change who buys: bot swarms, card testing, scalpers, drift."""

import numpy as np

from simulator import clients, features, transactions
from simulator.episodes.kind import Episode, Kind
from simulator.instants import HOUR, MINUTE
from simulator.transactions import Rows


def _extra(minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    """Draw the additional rows of a minute: ``extra_per_hour`` of them in an hour, ``fraud_share`` fraud."""
    first, last = episode.span(minute)
    n = rng.poisson(episode.number("extra_per_hour") * (last - first) / HOUR)
    rows = transactions.draw(rng, first + np.sort(rng.integers(0, max(last - first, 1), n)))
    fraud = rng.random(n) < episode.number("fraud_share")
    rows["is_fraud"] = fraud
    rows["score"] = np.round(np.where(fraud, rng.beta(13.162, 1.5, n), rng.beta(1.3, 9.0, n)), 4)
    features.fill(rng, rows, fraud)
    return rows


def _addresses(rng: np.random.Generator, n: int, few: int, network: str) -> list[str]:
    """Draw ``n`` addresses out of the first ``few`` of a /24 network, such as ``192.0.2``."""
    return [f"{network}.{host}" for host in rng.integers(1, few + 1, n).tolist()]


def _fraud_spike(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    return np.concatenate([rows, _extra(minute, episode, rng)])


def _bot_swarm(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    bots = _extra(minute, episode, rng)
    n = len(bots)
    bots["source_ip"] = _addresses(rng, n, 60, episode.text("network"))
    bots["wallet"] = transactions.wallets(rng.integers(10**9, 10**9 + 400, n))
    bots["wallet_age_days"] = np.round(rng.lognormal(np.log(0.3), 0.6, n), 3)
    bots["txn_velocity_1h"] = features.velocity(rng, 12.0, n)
    return np.concatenate([rows, bots])


def _bot_requests(counts: clients.Counts, minute: int, episode: Episode, rng: np.random.Generator) -> clients.Counts:
    first, last = episode.span(minute)
    changed = counts.copy()
    for host in range(1, 61):
        changed[clients.index_of(f"{episode.text('network')}.{host}")] += rng.poisson(
            episode.number("requests_per_bot") * (last - first) / MINUTE
        )
    return changed


def _card_testing(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    cards = _extra(minute, episode, rng)
    n = len(cards)
    transactions.price(cards, rng.uniform(1.0, 5.0, n))
    # Most cards of a stolen list are declined; the model sees it coming.
    cards["score"] = np.where(
        rng.random(n) < episode.number("declined_share"),
        np.round(rng.uniform(0.85, 0.99, n), 4),
        cards["score"],
    )
    cards["is_purchase"] = True
    cards["source_ip"] = _addresses(rng, n, 3, episode.text("network"))
    cards["txn_velocity_1h"] = features.velocity(rng, 20.0, n)
    return np.concatenate([rows, cards])


def _scalper(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    scalpers = _extra(minute, episode, rng)
    n = len(scalpers)
    scalpers["wallet"] = transactions.wallets(rng.integers(2 * 10**9, 2 * 10**9 + 25, n))
    scalpers["score"] = np.round(rng.beta(9.0, 4.5, n), 4)  # mostly for review
    bought_first = scalpers["at"] < episode.starts_at + 5 * MINUTE
    scalpers["is_purchase"] = bought_first
    markup = rng.uniform(1.5, 4.0, n)
    transactions.price(scalpers, scalpers["amount_cents"] / 100 * np.where(bought_first, 1.0, markup))
    scalpers["price_deviation_ratio"] = np.round(np.where(bought_first, 0.1, markup - 1.0), 4)
    scalpers["time_to_first_resale"] = np.round(rng.lognormal(np.log(0.5), 0.5, n), 2)
    scalpers["avg_ticket_hold_time"] = np.round(rng.lognormal(np.log(1.0), 0.5, n), 2)
    return np.concatenate([rows, scalpers])


def _drift(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    both = np.concatenate([rows, _extra(minute, episode, rng)])
    n = len(both)
    changed = both.copy()
    changed["wallet_age_days"] = both["wallet_age_days"] * 0.4
    changed["txn_velocity_1h"] = features.velocity(rng, 2.3, n)
    changed["price_deviation_ratio"] = both["price_deviation_ratio"] * 2.0
    changed["geo_velocity_flag"] = rng.random(n) < 0.15
    # The channel does not deliver this one: unknown values are what a weekly window notices within minutes.
    missing = rng.random(n) < episode.number("missing_share")
    changed["social_graph_centrality"] = np.where(missing, np.nan, both["social_graph_centrality"])
    features.round_stored(changed)
    return np.where(episode.covers(both["at"]), changed, both)


FRAUD_SPIKE = Kind(
    "Fraud from everywhere: many more blocked transactions",
    minutes=30,
    parameters={"extra_per_hour": 900.0, "fraud_share": 0.5},
    transactions=_fraud_spike,
)
BOT_SWARM = Kind(
    "Bots of one /24 with day-old wallets buy at high speed",
    minutes=20,
    parameters={
        "extra_per_hour": 1800.0,
        "fraud_share": 0.6,
        "network": "198.51.100",
        "requests_per_bot": 70.0,
    },
    transactions=_bot_swarm,
    requests=_bot_requests,
)
CARD_TESTING = Kind(
    "Stolen cards are tried with $1 to $5 from three addresses; most are declined",
    minutes=30,
    parameters={
        "extra_per_hour": 600.0,
        "fraud_share": 0.95,
        "declined_share": 0.85,
        "network": "203.0.113",
    },
    transactions=_card_testing,
)
SCALPER = Kind(
    "A few wallets buy within five minutes, then resell at 1.5 to 4 times the price",
    minutes=40,
    parameters={"extra_per_hour": 500.0, "fraud_share": 0.2},
    transactions=_scalper,
)
DRIFT = Kind(
    "A new sales channel brings buyers the model was not trained on",
    minutes=60,
    parameters={"extra_per_hour": 3000.0, "fraud_share": 0.013, "missing_share": 0.9},
    transactions=_drift,
)
