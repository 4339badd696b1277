"""Episodes that change how often the API is called."""

import numpy as np

from simulator import clients
from simulator.episodes.kind import Episode, Kind
from simulator.instants import MINUTE


def _flood(counts: clients.Counts, minute: int, episode: Episode, rng: np.random.Generator) -> clients.Counts:
    first, last = episode.span(minute)
    # Half from a few loud clients, half as a multiple of what everybody does.
    extra = max(0.0, episode.number("requests_per_minute") - int(counts.sum())) * (last - first) / MINUTE
    loud = int(episode.number("loud_clients"))
    changed: clients.Counts = counts + rng.poisson(extra / 2 * clients.SHARES)
    changed[:loud] += rng.poisson(extra / 2 / loud, loud)
    return changed


TRAFFIC_FLOOD = Kind(
    "Requests near the global limit; the loudest clients run into theirs",
    minutes=15,
    parameters={"requests_per_minute": 9600.0, "loud_clients": 24.0},
    requests=_flood,
)
