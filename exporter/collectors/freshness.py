"""How old the newest row of a view is, and how many rows are in the future: from what the windows read in any case.

ticketing_view_newest_row_timestamp_seconds{collector="fraud",view="fraud_predictions"} 1764354150
ticketing_view_future_rows{collector="fraud",view="fraud_predictions"} 0
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric

NEWEST = Metric(
    "ticketing_view_newest_row_timestamp_seconds",
    "gauge",
    "Unix time of the newest row seen that is not in the future, to 5 s; absent until there is one.",
    ("collector", "view"),
)
FUTURE = Metric(
    "ticketing_view_future_rows",
    "gauge",
    "Rows more than a minute in the future, as counted once a minute; of more than 1,000 no more are counted.",
    ("collector", "view"),
)

METRICS = (NEWEST, FUTURE)


def freshness(collector: str, view: WindowedView) -> Iterator[Family]:
    """Both, of one view."""
    newest, future = Family(NEWEST), Family(FUTURE)
    if view.newest is not None:
        newest.add(view.newest, collector, view.name)
    if view.future_rows is not None:
        future.add(view.future_rows, collector, view.name)
    yield newest
    yield future
