"""What an episode is: a kind, a time span, parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from simulator.clients import Counts
from simulator.conditions import Conditions, Latencies
from simulator.demand import Launch
from simulator.events import SecurityEvent
from simulator.instants import MINUTE
from simulator.transactions import Rows

Parameter = float | str


@dataclass(frozen=True)
class Episode:
    """One incident. It touches only what happens in [starts_at, ends_at), so the past never changes.

    Attributes:
        name: a key of ``EPISODES``.
        starts_at: microseconds since the epoch.
        ends_at: microseconds since the epoch.
        parameters: those of its kind, all of them.
    """

    name: str
    starts_at: int
    ends_at: int
    parameters: Mapping[str, Parameter]

    def number(self, parameter: str) -> float:
        """Return a parameter that is a number."""
        return float(self.parameters[parameter])

    def text(self, parameter: str) -> str:
        """Return a parameter that is a text."""
        return str(self.parameters[parameter])

    def covers(self, instants: np.typing.NDArray[np.int64]) -> np.typing.NDArray[np.bool_]:
        """Tell which instants lie within the episode, same shape."""
        return (instants >= self.starts_at) & (instants < self.ends_at)

    def span(self, minute: int) -> tuple[int, int]:
        """Return the part of a minute within the episode, [first, last) in microseconds; maybe empty."""
        first = max(self.starts_at, minute * MINUTE)
        return first, max(first, min(self.ends_at, (minute + 1) * MINUTE))


@dataclass(frozen=True)
class Kind:
    """What a kind of episode changes; each function is optional and takes the episode itself.

    Attributes:
        summary: one line for people.
        minutes: how long it lasts unless told otherwise.
        parameters: names and defaults of what may be overridden.
        transactions: (rows of a minute, minute, episode, rng) to other rows; the episode is one that lasts through
            the minute.
        requests: (requests of each client in a minute, minute, episode, rng) to other requests.
        events: (minute, episode, rng) to further security events.
        latencies: (API latencies of a minute, episode) to other latencies.
        conditions: changes the services' conditions in place while the episode lasts.
        launch: the on-sale it announces.
    """

    summary: str
    minutes: float
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    transactions: Callable[[Rows, int, Episode, np.random.Generator], Rows] | None = None
    requests: Callable[[Counts, int, Episode, np.random.Generator], Counts] | None = None
    events: Callable[[int, Episode, np.random.Generator], list[SecurityEvent]] | None = None
    latencies: Callable[[Latencies, Episode], Latencies] | None = None
    conditions: Callable[[Conditions, Episode], None] | None = None
    launch: Callable[[Episode], Launch] | None = None
