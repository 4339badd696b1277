"""The platform at any instant: its source, the episodes on top, and the figures it would publish."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import RLock
from typing import TypeVar

import numpy as np

from simulator import clients, events, transactions
from simulator.conditions import Conditions, Latencies
from simulator.demand import Launch
from simulator.episodes import EPISODES, Episode
from simulator.events import SecurityEvent
from simulator.instants import HOUR, MINUTE
from simulator.keyed import generator
from simulator.source import Source
from simulator.transactions import Rows

_KEPT_MINUTES = 200
_LATENCY_WINDOW = MINUTE

T = TypeVar("T")


@dataclass(frozen=True)
class Kpis:
    """The four figures of the platform; None is unknown.

    Attributes:
        txn_per_hour: purchases and transfers of the last hour.
        fraud_rate: blocked of all scored in the last hour, percent.
        latency_p95: of the prediction API over the last minute, milliseconds.
        revenue_per_hour: sales and fees of the last hour, US dollars.
    """

    txn_per_hour: int
    fraud_rate: float | None
    latency_p95: float | None
    revenue_per_hour: float


@dataclass(frozen=True)
class _Minute:
    rows: Rows
    latencies: Latencies
    sums: tuple[int, int, int, int]


class World:
    """A source with episodes. Pure but for a cache, so any instant can be asked for; safe for threads.

    Attributes:
        block_threshold: score from which the platform blocks.
        unsettled_minutes: how many of the latest minutes of traffic still change.
        written_ahead: how long before their time rows are written, microseconds.
    """

    unsettled_minutes = 1
    written_ahead = 0

    def __init__(self, source: Source, episodes: tuple[Episode, ...] = ()) -> None:
        self.source = source
        self.block_threshold = transactions.BLOCK_THRESHOLD
        self._episodes = episodes
        self._minutes: OrderedDict[int, _Minute] = OrderedDict()
        self._requests: OrderedDict[int, clients.Counts] = OrderedDict()
        self._lock = RLock()

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """All episodes, past ones included."""
        return self._episodes

    def set_episodes(self, episodes: tuple[Episode, ...]) -> None:
        """Replace the episodes; what was cached is drawn anew."""
        with self._lock:
            self._episodes = episodes
            self._minutes.clear()
            self._requests.clear()

    def rows(self, after: int, until: int) -> Rows:
        """Return the attempted transactions in (after, until], microseconds, sorted by time."""
        parts = [self._minute(m).rows for m in range(after // MINUTE, until // MINUTE + 1)]
        rows = np.concatenate(parts)
        return rows[(rows["at"] > after) & (rows["at"] <= until)]

    def events(self, after: int, until: int) -> list[SecurityEvent]:
        """Return the security events in (after, until], sorted by time."""
        found: list[SecurityEvent] = []
        for minute in range(after // MINUTE, until // MINUTE + 1):
            rows = self._minute(minute).rows
            found += self.source.events(minute)
            found += events.rate_limited(self._new_blocks(minute))
            found += events.fraud_blocked(rows[rows["scored"] & (rows["score"] >= self.block_threshold)])
            for episode in self._active(minute):
                if draw := EPISODES[episode.name].events:
                    found += draw(minute, episode, self._rng(episode, "events", minute))
        return sorted((e for e in found if after < e.at <= until), key=lambda event: event.at)

    def launches(self, first: int, last: int) -> list[Launch]:
        """Return the on-sales that touch [first, last], those of episodes included."""
        found = self.source.launches(first, last)
        for episode in self._episodes:
            announce = EPISODES[episode.name].launch
            if announce and episode.starts_at <= last and episode.ends_at >= first:
                found.append(announce(episode))
        return found

    def conditions(self, instant: int) -> Conditions:
        """Return how the services answer at an instant."""
        conditions = self.source.conditions()
        for episode in self._episodes:
            change = EPISODES[episode.name].conditions
            if change and episode.starts_at <= instant < episode.ends_at:
                change(conditions, episode)
        return conditions

    def kpis(self, instant: int) -> Kpis:
        """Return what the platform publishes at an instant."""
        after = instant - HOUR
        first, last = after // MINUTE, instant // MINUTE
        edges = [self._sums(self.rows(after, min((first + 1) * MINUTE - 1, instant)))]
        edges.append(self._sums(self.rows(last * MINUTE - 1, instant)))
        inner = [self._minute(minute).sums for minute in range(first + 1, last)]
        sold, cents, scored, blocked = (sum(column) for column in zip(*edges, *inner, strict=True))
        samples = np.concatenate(
            [self._minute(m).latencies for m in range((instant - _LATENCY_WINDOW) // MINUTE, last + 1)]
        )
        recent = samples["ms"][(samples["at"] > instant - _LATENCY_WINDOW) & (samples["at"] <= instant)]
        return Kpis(
            txn_per_hour=sold,
            fraud_rate=100.0 * blocked / scored if scored else None,
            latency_p95=float(np.quantile(recent, 0.95)) if len(recent) else None,
            revenue_per_hour=cents / 100,
        )

    def requests(self, minute: int, instant: int) -> clients.Counts:
        """Return each client's requests in a minute, as counted by an instant. Shape (762,)."""
        return clients.so_far(self._whole_requests(minute), instant - minute * MINUTE)

    def blocked(self, instant: int) -> dict[str, int]:
        """Return the clients blocked at an instant, and when each block ends, in microseconds."""
        last = instant // MINUTE
        blocked: dict[str, int] = {}
        for minute in range(last - clients.BLOCK_LASTS // MINUTE, last + 1):
            for client, at in clients.exceeded(self._whole_requests(minute), minute).items():
                if at <= instant < at + clients.BLOCK_LASTS:
                    blocked[str(clients.CLIENTS[client])] = at + clients.BLOCK_LASTS
        return blocked

    def _active(self, minute: int) -> list[Episode]:
        start, end = minute * MINUTE, (minute + 1) * MINUTE
        return [episode for episode in self._episodes if episode.starts_at < end and episode.ends_at > start]

    def _rng(self, episode: Episode, stream: str, minute: int) -> np.random.Generator:
        # By its start too: two episodes of one kind are two incidents.
        return generator(self.source.seed, f"{episode.name} {episode.starts_at} {stream}", minute)

    def _minute(self, minute: int) -> _Minute:
        with self._lock:
            return _cached(self._minutes, minute, self._draw_minute)

    def _whole_requests(self, minute: int) -> clients.Counts:
        with self._lock:
            return _cached(self._requests, minute, self._draw_requests)

    def _draw_minute(self, minute: int) -> _Minute:
        rows, latencies = self.source.transactions(minute), self.source.latencies(minute)
        for episode in self._active(minute):
            kind = EPISODES[episode.name]
            if kind.transactions:
                # As if it lasted: what is written already must not be drawn differently when it is stopped.
                lasting = replace(episode, ends_at=(minute + 1) * MINUTE)
                changed = kind.transactions(rows, minute, lasting, self._rng(episode, "transactions", minute))
                rows = np.concatenate([changed[changed["at"] < episode.ends_at], rows[rows["at"] >= episode.ends_at]])
            if kind.latencies:
                latencies = kind.latencies(latencies, episode)
        rows = rows[rows["at"].argsort(kind="stable")]
        return _Minute(rows, latencies, self._sums(rows))

    def _draw_requests(self, minute: int) -> clients.Counts:
        counts = self.source.requests(minute)
        for episode in self._active(minute):
            if change := EPISODES[episode.name].requests:
                counts = change(counts, minute, episode, self._rng(episode, "requests", minute))
        return counts

    def _new_blocks(self, minute: int) -> dict[int, int]:
        """Return the clients that pass the limit in a minute and did not in the hour before."""
        blocks = clients.exceeded(self._whole_requests(minute), minute)
        for earlier in range(minute - clients.BLOCK_LASTS // MINUTE, minute) if blocks else ():
            for client in clients.exceeded(self._whole_requests(earlier), earlier):
                blocks.pop(client, None)
        return blocks

    def _sums(self, rows: Rows) -> tuple[int, int, int, int]:
        """Return (sold, revenue in cents, scored, blocked)."""
        over = rows["score"] >= self.block_threshold
        sold = rows[transactions.sold(rows, self.block_threshold)]
        cents = int((sold["amount_cents"] * sold["is_purchase"] + sold["fee_cents"]).sum())
        return len(sold), cents, int(rows["scored"].sum()), int((rows["scored"] & over).sum())


def _cached(cache: OrderedDict[int, T], key: int, draw: Callable[[int], T]) -> T:
    if key not in cache:
        cache[key] = draw(key)
        if len(cache) > _KEPT_MINUTES:
            cache.popitem(last=False)
    return cache[key]
