"""Where the data of a minute comes from before any episode changes it."""

from typing import Protocol

import numpy as np

from simulator import clients, conditions, demand, events, transactions
from simulator.conditions import Conditions, Latencies
from simulator.demand import Launch
from simulator.events import SecurityEvent
from simulator.instants import MINUTE
from simulator.keyed import generator
from simulator.reference import BASELINE_PRECISION
from simulator.transactions import Rows


class Source(Protocol):
    """A platform without incidents. A minute is counted since the epoch; every method is pure.

    Attributes:
        seed: of all random numbers.
        baseline_precision: of the model in training, 0 to 1.
    """

    seed: int
    baseline_precision: float

    def transactions(self, minute: int) -> Rows:
        """Return the attempted transactions of a minute, sorted by time."""

    def requests(self, minute: int) -> clients.Counts:
        """Return the API requests of each client in a minute, shape (762,)."""

    def events(self, minute: int) -> list[SecurityEvent]:
        """Return the security events of a minute that nothing else causes."""

    def latencies(self, minute: int) -> Latencies:
        """Return the latencies of the prediction API measured in a minute, sorted by time."""

    def launches(self, first: int, last: int) -> list[Launch]:
        """Return the on-sales that touch [first, last], in microseconds."""

    def conditions(self) -> Conditions:
        """Return how the services answer; the caller may change it."""


class OrdinaryDays:
    """The daily curve, launches, and everything else as drawn.

    Args:
        seed: of all random numbers.
        rate_per_hour: constant attempts per hour, instead of the curve and its launches.
    """

    def __init__(self, seed: int, rate_per_hour: float | None = None) -> None:
        self.seed = seed
        self.baseline_precision = BASELINE_PRECISION
        self._constant_rate = rate_per_hour

    def transactions(self, minute: int) -> Rows:
        """Draw a Poisson number of rows, uniform within the minute."""
        rng = generator(self.seed, "transactions", minute)
        n = rng.poisson(self._rate(minute) / 60)
        return transactions.draw(rng, minute * MINUTE + np.sort(rng.integers(0, MINUTE, n)))

    def requests(self, minute: int) -> clients.Counts:
        """Draw the requests of each client."""
        return clients.requests(generator(self.seed, "requests", minute), self._rate(minute))

    def events(self, minute: int) -> list[SecurityEvent]:
        """Draw background events."""
        return events.background(generator(self.seed, "events", minute), minute)

    def latencies(self, minute: int) -> Latencies:
        """Draw API latencies."""
        return conditions.api_latencies(generator(self.seed, "latencies", minute), minute * MINUTE, MINUTE)

    def launches(self, first: int, last: int) -> list[Launch]:
        """Return the calendar's launches; a constant rate has none."""
        return [] if self._constant_rate is not None else demand.scheduled_launches(first, last)

    def conditions(self) -> Conditions:
        """Return normal conditions."""
        return Conditions()

    def _rate(self, minute: int) -> float:
        if self._constant_rate is not None:
            return self._constant_rate
        return demand.rate_per_hour(minute * MINUTE)
