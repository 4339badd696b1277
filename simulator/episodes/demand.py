"""Episodes that change how much is sold or scored."""

import numpy as np

from simulator import transactions
from simulator.demand import Launch
from simulator.episodes.kind import Episode, Kind
from simulator.instants import HOUR, MINUTE
from simulator.transactions import Rows


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
    return both


QUIET_PREDICTIONS = Kind(
    "Tickets are sold, but the fraud model scores nothing",
    minutes=30,
    transactions=_quiet_predictions,
)
LAUNCH = Kind(
    "An on-sale: demand multiplies, then decays; revenue_factor 0.1 makes it a disappointing one",
    minutes=90,
    parameters={
        "extra_per_hour": 500.0,
        "strength": 3.0,
        "revenue_factor": 1.0,
        "title": "Unscheduled on-sale",
    },
    transactions=_launch,
    launch=_announcement,
)
