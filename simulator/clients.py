"""API clients: their addresses, how often each calls, and when the rate limit blocks one."""

import numpy as np
from numpy.typing import NDArray

from simulator.instants import HOUR, MINUTE
from simulator.keyed import generator

GLOBAL_LIMIT = 10_000
CLIENT_LIMIT = 100
BLOCK_LASTS = HOUR
# Requests per minute at 1,247 transactions per hour; traffic grows with the root of the sales.
_REQUESTS_AT_REFERENCE = 4_523.0
_REFERENCE_RATE = 1_247.0
_ZIPF_EXPONENT = 0.45

Counts = NDArray[np.int64]

# The documentation ranges, so that no address is anybody's.
_ADDRESSES = [f"{net}.{host}" for net in ("203.0.113", "198.51.100", "192.0.2") for host in range(1, 255)]
# Shuffled once, for good: the busiest clients are the same ones under every seed.
CLIENTS: NDArray[np.str_] = np.array(_ADDRESSES)[generator(0, "clients", 0).permutation(len(_ADDRESSES))]
_POSITIONS = {str(address): position for position, address in enumerate(CLIENTS)}
_weights = np.arange(1, len(CLIENTS) + 1, dtype=np.float64) ** -_ZIPF_EXPONENT
SHARES = _weights / _weights.sum()
_CUMULATED = SHARES.cumsum()


def index_of(address: str) -> int:
    """Return the position of an address in ``CLIENTS``; ValueError when it is not one of them."""
    if address not in _POSITIONS:
        raise ValueError(f"no client has the address {address}")
    return _POSITIONS[address]


def pick(rng: np.random.Generator, size: int) -> NDArray[np.str_]:
    """Draw the addresses of ``size`` callers, busy clients more often."""
    positions = np.searchsorted(_CUMULATED, rng.random(size), side="right")
    return CLIENTS[np.minimum(positions, len(CLIENTS) - 1)]


def requests(rng: np.random.Generator, rate_per_hour: float) -> Counts:
    """Draw the requests of each client in one minute, shape (762,), in the order of ``CLIENTS``."""
    expected = _REQUESTS_AT_REFERENCE * (rate_per_hour / _REFERENCE_RATE) ** 0.5
    counts: Counts = rng.poisson(expected * SHARES)
    return counts


def so_far(counts: Counts, elapsed: int) -> Counts:
    """Return how many of a minute's requests came in its first ``elapsed`` microseconds."""
    return counts if elapsed >= MINUTE else counts * elapsed // MINUTE


def exceeded(counts: Counts, minute: int) -> dict[int, int]:
    """Return the clients that pass the limit within a minute, and the instant at which each does.

    Args:
        counts: requests of each client in the whole minute, shape (762,).
        minute: minutes since the epoch.
    """
    over = np.flatnonzero(counts > CLIENT_LIMIT)
    return {int(client): minute * MINUTE + -(-(CLIENT_LIMIT + 1) * MINUTE // int(counts[client])) for client in over}
