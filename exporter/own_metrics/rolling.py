"""An entry with time and windows: exact sums over (now − w, now], counters and histograms.

ticketing_own_refunds{reason="event cancelled",window="1h"} 12
ticketing_own_refunds_total{reason="event cancelled"} 3
ticketing_own_refunds_usd{reason="event cancelled",window="1h"} 1430.5
ticketing_own_refund_wait_seconds_bucket{le="3600.0"} 4
ticketing_own_refund_wait_seconds_quantile{quantile="0.95",window="1h"} 5210.0
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from exporter.collectors.base import Moment
from exporter.collectors.freshness import freshness
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric, Number
from exporter.own_metrics.config import PREFIX, Count, FromView, Histogram, Sum
from exporter.own_metrics.labels import Labelled, Labels, Sums
from exporter.own_metrics.quantile import quantile
from exporter.own_metrics.query import MOST_OBSERVED, MOST_SUMMED, PER_UNIT, OwnQuery
from exporter.sources.postgres import PostgresSource
from exporter.windows import MICROSECONDS, Cells

ByLabels = Mapping[Labels, Sums]


class Rolling:
    """Collects one entry.

    Args:
        entry: with time and windows.
        postgres: where its view is.
        settle: see `WindowedView`.
    """

    def __init__(self, entry: FromView, postgres: PostgresSource, settle: float) -> None:
        self._entry = entry
        self._query = OwnQuery.of(entry)
        self._view = WindowedView(postgres, self._query, tuple(entry.seconds.values()), settle)
        self._groups: dict[Labels | None, Labelled] = {
            value.by: Labelled(entry, value.by, self._query.names) for value in entry.values.values()
        }
        self._values: list[_Counted | _Summed | _Observed] = []
        position = 1
        for name, value in entry.values.items():
            group = self._groups[value.by]
            if isinstance(value, Count):
                self._values.append(_Counted(name, value, group))
                continue
            if isinstance(value, Sum):
                self._values.append(_Summed(name, value, group, position))
            else:
                self._values.append(_Observed(name, value, group, position))
            position += 2

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        await self._view.refresh(moment)
        known = self._known(moment)
        families: dict[Labels | None, tuple[dict[str, ByLabels], ByLabels]] = {}
        for by, group in self._groups.items():
            windows = {window: group.sums(cells, first) for window, (cells, first) in known.items()}
            counters = group.sums(self._view.counters)
            seen = {labels for sums in (*windows.values(), counters) for labels in sums}
            families[by] = (
                {window: group.complete(sums, seen, known[window][1]) for window, sums in windows.items()},
                group.complete(counters, seen),
            )
        self._reject(moment, known)
        return [
            *(family for value in self._values for family in value.families(*families[value.by])),
            *freshness(self._entry.collector, self._view, moment),
        ]

    def _known(self, moment: Moment) -> dict[str, tuple[Cells, int]]:
        """The windows that are read, the shortest first: the sums, and the bucket with which it begins."""
        found = {}
        longest = max(self._entry.seconds.values())
        for window, seconds in self._entry.seconds.items():
            cells = self._view.sums(seconds)
            if cells is None:
                continue
            first = (moment.now - seconds * MICROSECONDS) // (self._query.width * MICROSECONDS)
            found[window] = cells, first
            if seconds == longest:
                for at, names in self._query.names.items():
                    names.forget({key[at] for key in cells}, first)
                    self._forget(at, names.known)
        return found

    def _forget(self, at: int, known: Iterable[str]) -> None:
        counters = self._view.counters
        for key in [key for key in counters if key[at] is not None and key[at] not in known]:
            del counters[key]

    def _reject(self, moment: Moment, known: dict[str, tuple[Cells, int]]) -> None:
        # Of the longest window that is known, which has the others in it.
        cells = list(known.values())[-1][0] if known else {}
        for value in self._values:
            if not isinstance(value, _Counted):
                unusable = sum(sums[value.position + 1] for sums in cells.values())
                moment.reject(f"{self._entry.view}: {value.column} is not below {value.limit:,}", unusable)


class _Counted:
    def __init__(self, name: str, value: Count, group: Labelled) -> None:
        self.by = value.by
        self._gauge = Metric(PREFIX + name, "gauge", value.help, (*group.labels, "window"))
        total = f"{value.help} Since the exporter started."
        self._counter = Metric(f"{PREFIX}{name}_total", "counter", total, group.labels)

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:
        gauge, counter = Family(self._gauge), Family(self._counter)
        for window, sums in windows.items():
            for labels, of in sums.items():
                gauge.add(of.values[0], *labels, window)
        # A counter that is born at 3 has not increased: series start at 0 as soon as a name is known.
        for labels, of in counters.items():
            counter.add(of.values[0], *labels)
        yield gauge
        yield counter


class _Summed:
    limit = MOST_SUMMED

    def __init__(self, name: str, value: Sum, group: Labelled, position: int) -> None:
        self.by, self.column, self.position = value.by, value.column, position
        self._gauge = Metric(PREFIX + name, "gauge", value.help, (*group.labels, "window"))
        self._factor = value.factor

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:  # noqa: ARG002
        gauge = Family(self._gauge)
        for window, sums in windows.items():
            for labels, of in sums.items():
                gauge.add(scaled(of.values[self.position], self._factor), *labels, window)
        yield gauge


class _Observed:
    limit = MOST_OBSERVED

    def __init__(self, name: str, value: Histogram, group: Labelled, position: int) -> None:
        self.by, self.column, self.position = value.by, value.column, position
        self._bounds, self._quantiles = value.buckets, value.quantiles
        self._histogram = Metric(PREFIX + name, "histogram", value.help, group.labels)
        labels = (*group.labels, "quantile", "window")
        self._quantile = Metric(f"{PREFIX}{name}_quantile", "gauge", value.help, labels)

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:
        histogram, quantiles = Family(self._histogram), Family(self._quantile)
        for labels, of in counters.items():
            histogram.add_histogram(self._bounds, of.cells, of.values[self.position] / PER_UNIT, *labels)
        for window, sums in windows.items():
            for labels, of in sums.items():
                for share in self._quantiles:
                    value = quantile(share, self._bounds, of.cells)
                    if value is not None:
                        quantiles.add(value, *labels, f"{share:g}", window)
        yield histogram
        yield quantiles


def scaled(billionths: int, factor: float) -> Number:
    """A sum in the metric's unit: the number nearest to it."""
    if factor == 1:
        return billionths / PER_UNIT
    return float(Fraction(billionths, PER_UNIT) * Fraction(repr(factor)))
