"""An entry with time and windows: exact sums over (now − w, now], counters and histograms.

ticketing_own_refunds{reason="event cancelled",window="1h"} 12
ticketing_own_refunds_total{reason="event cancelled"} 3
ticketing_own_refunds_usd{reason="event cancelled",window="1h"} 1430.5
ticketing_own_refund_wait_seconds_bucket{le="3600.0"} 4
ticketing_own_refund_wait_seconds_quantile{quantile="0.95",window="1h"} 5210.0
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from exporter.collectors.base import Moment
from exporter.collectors.freshness import freshness
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric, Number
from exporter.own_metrics.config import PREFIX, Count, FromView, Histogram, Sum
from exporter.own_metrics.labels import ByLabels, Labelled, Labels
from exporter.own_metrics.quantile import quantile
from exporter.own_metrics.query import PER_UNIT, OwnQuery, limit, positions_of
from exporter.sources.postgres import PostgresSource
from exporter.windows import MICROSECONDS, Cells

Known = Mapping[str, tuple[Cells, int]]
"""The windows that are read, the shortest first: the sums, and the bucket with which it begins."""


class Rolling:
    """Collects one entry.

    Args:
        entry: with time and windows.
        postgres: where its view is.
        settle: see `WindowedView`.
        tells_age: of its view, which another collector may read, too.
    """

    def __init__(self, entry: FromView, postgres: PostgresSource, settle: float, *, tells_age: bool = True) -> None:
        self._entry = entry
        self._tells_age = tells_age
        self._query = OwnQuery.of(entry)
        self._view = WindowedView(postgres, self._query, tuple(entry.seconds.values()), settle)
        positions = positions_of(entry)
        groups: dict[Labels | None, list[str]] = {}
        for name, value in entry.values.items():
            groups.setdefault(value.by, []).append(name)
        self._groups = [_Group(entry, names, self._query, positions) for names in groups.values()]
        self._left_out = [
            (positions[name] + 1, f"{entry.view}: {value.column} is not below {limit(value):,}")
            for name, value in entry.values.items()
            if isinstance(value, Sum | Histogram)
        ]

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        await self._view.refresh(moment)
        known = self._known(moment)
        families = [family for group in self._groups for family in group.families(known, self._view.counters)]
        # Of the longest window that is known, which has the others in it.
        longest = list(known.values())[-1][0] if known else {}
        for position, reason in self._left_out:
            moment.reject(reason, sum(sums[position] for sums in longest.values()))
        return [*families, *freshness(self._entry.collector, self._view, moment, age=self._tells_age)]

    def _known(self, moment: Moment) -> Known:
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


class _Group:
    """The values of an entry that are by the same labels."""

    def __init__(self, entry: FromView, names: Sequence[str], query: OwnQuery, positions: Mapping[str, int]) -> None:
        values = [entry.values[name] for name in names]
        histogram = any(isinstance(value, Histogram) for value in values)
        at = [positions[name] for name in names]
        self._labelled = Labelled(entry, values[0].by, query.names, at, cells=histogram)
        self._windowed = any(not isinstance(value, Histogram) or value.quantiles for value in values)
        make = {Count: _Counted, Sum: _Summed, Histogram: _Observed}
        self._series: list[_Counted | _Summed | _Observed] = [
            make[type(value)](name, value, self._labelled.labels, slot)
            for slot, (name, value) in enumerate(zip(names, values, strict=True))
        ]

    def families(self, known: Known, counters: Cells) -> Iterator[Family]:
        of = self._labelled
        windows = {window: of.sums(cells, first) for window, (cells, first) in known.items() if self._windowed}
        total = of.sums(counters)
        seen = {labels for sums in (*windows.values(), total) for labels in sums}
        complete = {window: of.complete(sums, seen, known[window][1]) for window, sums in windows.items()}
        for series in self._series:
            yield from series.families(complete, of.complete(total, seen))


class _Counted:
    def __init__(self, name: str, value: Count, labels: Labels, slot: int) -> None:
        self._slot = slot
        self._gauge = Metric(PREFIX + name, "gauge", value.help, (*labels, "window"))
        total = f"{value.help} Since the exporter started."
        self._counter = Metric(f"{PREFIX}{name}_total", "counter", total, labels, beside_gauge=True)

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:
        gauge, counter = Family(self._gauge), Family(self._counter)
        for window, sums in windows.items():
            for labels, of in sums.items():
                gauge.add(of.values[self._slot], *labels, window)
        # A counter that is born at 3 has not increased: series start at 0 as soon as a name is known.
        for labels, of in counters.items():
            counter.add(of.values[self._slot], *labels)
        yield gauge
        yield counter


class _Summed:
    def __init__(self, name: str, value: Sum, labels: Labels, slot: int) -> None:
        self._slot = slot
        self._gauge = Metric(PREFIX + name, "gauge", value.help, (*labels, "window"))
        self._factor = value.factor

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:  # noqa: ARG002
        gauge = Family(self._gauge)
        for window, sums in windows.items():
            for labels, of in sums.items():
                gauge.add(scaled(of.values[self._slot], self._factor), *labels, window)
        yield gauge


class _Observed:
    def __init__(self, name: str, value: Histogram, labels: Labels, slot: int) -> None:
        self._slot = slot
        self._bounds, self._quantiles = value.buckets, value.quantiles
        self._histogram = Metric(PREFIX + name, "histogram", value.help, labels)
        self._quantile = Metric(f"{PREFIX}{name}_quantile", "gauge", value.help, (*labels, "quantile", "window"))

    def families(self, windows: Mapping[str, ByLabels], counters: ByLabels) -> Iterator[Family]:
        histogram, quantiles = Family(self._histogram), Family(self._quantile)
        for labels, of in counters.items():
            histogram.add_histogram(self._bounds, of.cells, of.values[self._slot] / PER_UNIT, *labels)
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
