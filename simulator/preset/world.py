"""The world of the specification: what depends on the age of a minute, or is told rather than counted."""

from dataclasses import replace

from simulator import clients
from simulator.instants import HOUR, MINUTE, SECOND
from simulator.preset import figures
from simulator.preset.source import RAMP, FixedFigures
from simulator.world import Kpis, World


class FixedWorld(World):
    """A world over the fixed figures; episodes change it like any other."""

    # The counts of the last five minutes depend on their age, so they are never final.
    unsettled_minutes = 7
    # While the row of this moment is not there yet, but that of a day ago is out of the window, there is one too few.
    written_ahead = 5 * SECOND

    def __init__(self, source: FixedFigures) -> None:
        super().__init__(source)
        self._figures = source

    def kpis(self, instant: int) -> Kpis:
        """Return the told fraud rate and latency unless an episode of the last hour changed them."""
        kpis = super().kpis(instant)
        if any(e.starts_at <= instant and e.ends_at > instant - HOUR for e in self.episodes):
            return kpis
        share = min(max((instant - self._figures.anchor + RAMP) / RAMP, 0.0), 1.0)
        return replace(
            kpis,
            fraud_rate=figures.FRAUD_RATE_BEFORE + share * (figures.FRAUD_RATE - figures.FRAUD_RATE_BEFORE),
            latency_p95=figures.LATENCY_MS_BEFORE + share * (figures.LATENCY_MS - figures.LATENCY_MS_BEFORE),
        )

    def requests(self, minute: int, instant: int) -> clients.Counts:
        """Return the counts by the minute's age; an episode adds to them."""
        extra = self._whole_requests(minute) - self._figures.requests(minute)
        counts = self._figures.requests_at_age(minute, instant // MINUTE - minute) + extra
        return clients.so_far(counts, instant - minute * MINUTE)

    def blocked(self, instant: int) -> dict[str, int]:
        """Return the three blocked clients, and those an episode blocks."""
        pinned = {client: instant + left for client, left in figures.BLOCKED.items()}
        return super().blocked(instant) | pinned
