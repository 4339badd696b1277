"""How old the newest row of a view is, and how many rows are in the future: from what the windows read in any case.

ticketing_view_newest_row_age_seconds{view="fraud_predictions"} 3.211
ticketing_view_future_rows{collector="fraud",view="fraud_predictions"} 0
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.collectors.base import Moment
from exporter.collectors.windowed import WindowedView
from exporter.exposition import Family, Metric

NEWEST = Metric(
    "ticketing_view_newest_row_age_seconds",
    "gauge",
    "Age of the newest row by the database's clock, up to 5 s too high, of labels a minute, by their predictions' time;"
    " negative: in the future, by over a minute.",
    ("view",),
)
FUTURE = Metric(
    "ticketing_view_future_rows",
    "gauge",
    "Rows more than a minute in the future, counted once a minute, up to 1,000.",
    ("collector", "view"),
)

METRICS = (NEWEST, FUTURE)


def freshness(collector: str, view: WindowedView, moment: Moment, *, age: bool = True) -> Iterator[Family]:
    """Both, of one view, at the time that its windows end at; without the age where somebody else tells it."""
    newest, future = Family(NEWEST), Family(FUTURE)
    if age and view.newest is not None:
        newest.add(round(moment.seconds - view.newest, 3), view.name)
    if view.future_rows is not None:
        future.add(view.future_rows, collector, view.name)
    yield newest
    yield future
