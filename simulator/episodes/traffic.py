"""Episodes that change how often the API is called."""

import numpy as np

from simulator import clients
from simulator.episodes.kind import Episode, Kind
from simulator.instants import MINUTE


def _flood(counts: clients.Counts, minute: int, episode: Episode, rng: np.random.Generator) -> clients.Counts:
    first, last = episode.span(minute)
    share = (last - first) / MINUTE
    # Half from a few loud clients, half as a multiple of what everybody does.
    extra = episode.number("extra_per_minute") * share
    loud = int(episode.number("loud_clients"))
    changed: clients.Counts = counts + rng.poisson(extra / 2 * clients.SHARES)
    changed[:loud] += rng.poisson(extra / 2 / loud, loud)
    return changed


TRAFFIC_FLOOD = Kind(
    "Requests near the global limit; the loudest clients run into theirs",
    minutes=15,
    parameters={"extra_per_minute": 5500.0, "loud_clients": 12.0},
    requests=_flood,
)
