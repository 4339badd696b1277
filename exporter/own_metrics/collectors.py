"""One collector for each entry of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from contract.definition import VIEWS
from exporter.collectors.base import Collector
from exporter.own_metrics.config import Entry, FromView
from exporter.own_metrics.redis import Reads
from exporter.own_metrics.rolling import Rolling
from exporter.own_metrics.state import State
from exporter.sources.postgres import PostgresSource
from exporter.sources.redis import RedisSource


def collectors(
    entries: Sequence[Entry],
    postgres: Callable[[str], PostgresSource],
    redis: Callable[[str], RedisSource],
    settle: float,
) -> Iterator[Collector]:
    """One for each entry, so that it fails alone, and on a connection of its own.

    Args:
        entries: as `check_metrics` has passed them.
        postgres: makes a connection, by name.
        redis: the same.
        settle: see `WindowedView`.
    """
    told = {f"monitoring.{view}" for view in VIEWS}
    for entry in entries:
        part: Rolling | State | Reads
        if not isinstance(entry, FromView):
            part = Reads(entry, redis(entry.collector))
        elif entry.time is None:
            part = State(entry, postgres(entry.collector))
        else:
            part = Rolling(entry, postgres(entry.collector), settle, tells_age=entry.view not in told)
            told.add(entry.view)
        yield Collector(entry.section, (part,), entry.collector)
