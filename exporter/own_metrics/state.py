"""An entry without time: what a view says now, by its keys; those with most rows have a name of their own.

ticketing_own_oversold_tickets{event="opening night"} 3
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.collectors.base import Moment
from exporter.exposition import Family, Metric
from exporter.own_metrics.config import PREFIX, FromView, Sum
from exporter.own_metrics.labels import Labelled
from exporter.own_metrics.names import Names
from exporter.own_metrics.query import folded, keys, limit, positions_of, relation, values
from exporter.own_metrics.rolling import scaled
from exporter.sources.postgres import PostgresSource
from exporter.windows import Cells


def state_query(entry: FromView) -> str:
    """The SELECT: two zeros, the keys, the values."""
    outputs = ", ".join(["0", "0", *keys(entry), *values(entry)])
    groups = ", ".join(str(position) for position in range(3, 3 + len(entry.keys)))
    rows = f"SELECT {outputs} FROM {relation(entry)}" + (f" GROUP BY {groups}" if groups else "")
    # Anew each time: nothing is summed up here, so that no name has to keep its place.
    names = {at: Names(key.most) for at, key in enumerate(entry.keys.values()) if not key.words}
    return folded(rows, len(entry.keys), len(values(entry)), names) if names else rows


class State:
    """Collects one entry.

    Args:
        entry: without time and windows.
        postgres: where its view is.
    """

    def __init__(self, entry: FromView, postgres: PostgresSource) -> None:
        self._entry = entry
        self._postgres = postgres
        self._keys, self._values = len(entry.keys), len(values(entry))
        self._sql = state_query(entry)
        self._positions = positions_of(entry)
        self._series = {
            name: Labelled(entry, value.by, {}, [self._positions[name]]) for name, value in entry.values.items()
        }
        self._metrics = {
            name: Metric(PREFIX + name, "gauge", value.help, self._series[name].labels)
            for name, value in entry.values.items()
        }

    async def __call__(self, moment: Moment) -> Iterable[Family]:
        """See `Part`."""
        rows = await self._postgres.query_now(self._sql, self._keys, self._values, moment.deadline)
        first = 2 + self._keys
        cells: Cells = {row[2:first]: tuple(map(int, row[first:])) for row in rows}
        return list(self._families(moment, cells))

    def _families(self, moment: Moment, cells: Cells) -> Iterator[Family]:
        for name, value in self._entry.values.items():
            family = Family(self._metrics[name])
            sums = self._series[name].sums(cells)
            for labels, of in self._series[name].complete(sums, sums).items():
                family.add(scaled(of.values[0], value.factor) if isinstance(value, Sum) else of.values[0], *labels)
            if isinstance(value, Sum):
                unusable = sum(values[self._positions[name] + 1] for values in cells.values())
                moment.reject(f"{self._entry.view}: {value.column} is not below {limit(value):,}", unusable)
            yield family
