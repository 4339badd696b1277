"""A view's sliding sums, kept up to date from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from exporter.collectors.base import Moment
from exporter.deadline import Deadline, DeadlineExceededError
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import RangeQuery
from exporter.windows import Cells, Key, RollingWindows

FILL_SHARE = 0.6
"""Part of the time a collection has left that may go into reading history after a start."""


class WindowedView:
    """`RollingWindows` over one `RangeQuery`.

    Args:
        postgres: where the view is.
        query: sums its rows by bucket and key.
        windows: lengths in seconds.
        settle: seconds after which a bucket is not expected to change.
        counter_key: see `RollingWindows`.
    """

    def __init__(
        self,
        postgres: PostgresSource,
        query: RangeQuery,
        windows: Sequence[int],
        settle: float,
        counter_key: Callable[[Key], Key] = lambda key: key,
    ) -> None:
        self._postgres = postgres
        self._query = query
        self._windows = RollingWindows(windows, width=query.width, settle=settle, counter_key=counter_key)
        self._slice = max(windows) // query.width // 24

    @property
    def counters(self) -> Cells:
        """Sums over what became visible since the first refresh."""
        return self._windows.counters

    def refresh(self, moment: Moment, *, changed: Iterable[int] = ()) -> None:
        """Let all windows end now, and read missing history as far as time allows.

        Raises:
            PostgresError: the database cannot be read.
            DeadlineExceededError: it was too slow.
        """
        read = self._query.reader(self._postgres, moment.deadline)
        self._windows.refresh(moment.now, read, changed=changed)
        self._fill(moment)

    def sums(self, window: int) -> Cells | None:
        """See `RollingWindows.sums`."""
        return self._windows.sums(window)

    def _fill(self, moment: Moment) -> None:
        until = Deadline(moment.deadline.remaining() * FILL_SHARE)
        read = self._query.reader(self._postgres, until)
        left = self._windows.fill(read, buckets=0)
        while left and until.remaining() > 0:
            try:
                left = self._windows.fill(read, buckets=self._slice)
            except DeadlineExceededError:
                self._slice = max(1, self._slice // 4)
                break
        if left:
            hours = left * self._query.width / 3600
            view = self._query.source.split()[0]
            moment.problem(f"{view}: {hours:.1f} h of history are still to be read")
