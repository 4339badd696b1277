"""Episodes that change how much is sold or scored."""

import numpy as np

from simulator import transactions
from simulator.demand import Launch
from simulator.episodes.kind import Episode, Kind
from simulator.instants import HOUR, MINUTE, SECOND
from simulator.transactions import Rows

_REFUNDS = 40
_REFUNDS_TAKE = 10 * SECOND


def _quiet_predictions(rows: Rows, _minute: int, episode: Episode, _rng: np.random.Generator) -> Rows:
    changed = rows.copy()
    changed["scored"] &= ~episode.covers(rows["at"])
    return changed


def _announcement(episode: Episode) -> Launch:
    return Launch(
        f"evt_{episode.starts_at // MINUTE}",
        episode.text("title"),
        episode.starts_at,
        episode.ends_at,
        episode.number("strength"),
    )


def _launch(rows: Rows, minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    first, last = episode.span(minute)
    boost = _announcement(episode).boost(first) - 1.0
    n = rng.poisson(episode.number("extra_per_hour") * boost * (last - first) / HOUR)
    buyers = transactions.draw(rng, first + np.sort(rng.integers(0, max(last - first, 1), n)))
    both = np.concatenate([rows, buyers])
    factor = np.where(episode.covers(both["at"]), episode.number("revenue_factor"), 1.0)
    transactions.price(both, both["amount_cents"] / 100 * factor)
    return np.concatenate([both, _refunds(minute, episode, rng)])


def _refunds(minute: int, episode: Episode, rng: np.random.Generator) -> Rows:
    """Give back the buyers of a cancelled event ``refunds_usd`` in all, fees included, at the start of the on-sale."""
    if episode.starts_at // MINUTE != minute or not episode.number("refunds_usd"):
        return transactions.empty()
    last = min(episode.starts_at + _REFUNDS_TAKE, (minute + 1) * MINUTE)
    rows = transactions.draw(rng, np.sort(rng.integers(episode.starts_at, last, _REFUNDS)))
    transactions.price(rows, np.full(_REFUNDS, episode.number("refunds_usd") / (1 + transactions.FEE) / _REFUNDS))
    for part in ("amount_cents", "fee_cents"):
        rows[part] *= -1
    rows["is_purchase"] = True
    rows["scored"] = False
    return rows


QUIET_PREDICTIONS = Kind(
    "Tickets are sold, but the fraud model scores nothing",
    minutes=30,
    transactions=_quiet_predictions,
)
LAUNCH = Kind(
    "An on-sale: demand multiplies, then decays; a low revenue_factor, and refunds of another event, spoil it",
    minutes=90,
    parameters={
        "extra_per_hour": 500.0,
        "strength": 3.0,
        "revenue_factor": 1.0,
        "refunds_usd": 0.0,
        "title": "Unscheduled on-sale",
    },
    transactions=_launch,
    launch=_announcement,
)
