"""A view's sliding sums, kept up to date from PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from common.deadline import Deadline, DeadlineExceededError
from exporter.collectors.base import History, Moment
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import AHEAD, ASIDE, RangeQuery
from exporter.sources.status import NOISE_SECONDS
from exporter.windows import MICROSECONDS, Cells, Companion, Key, Plan, RollingWindows, Row

FILL_SHARE = 0.6
"""Part of the time a collection has left that may go into reading history after a start."""
PATIENCE_SECONDS = 300.0
"""Without any progress for so long, history cannot be read."""
AHEAD_EVERY_SECONDS = 60
"""Rows in the future are counted once in so many seconds."""
MANY_ROWS = 500
"""In the open buckets: from about here on a plan of their own saves more than it takes."""


class WindowedView:
    """`RollingWindows` over one `RangeQuery`.

    Attributes:
        name: of the view.
        newest: unix time of the newest row seen, in seconds; of one that is not in the future that of the start of its
            bucket; None until there is one.
        future_rows: how many rows are more than a minute in the future, as counted last; None until they were.

    Args:
        postgres: where the view is.
        query: sums its rows by bucket and key.
        windows: lengths in seconds.
        settle: seconds after which a bucket is not expected to change.
        counter_key: see `RollingWindows`.
        companions: see `RollingWindows`.
    """

    def __init__(
        self,
        postgres: PostgresSource,
        query: RangeQuery,
        windows: Sequence[int],
        settle: float,
        counter_key: Callable[[Key], Key] = lambda key: key,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._postgres = postgres
        self._query = query
        self._windows = RollingWindows(
            windows, width=query.width, settle=settle, counter_key=counter_key, companions=companions
        )
        self._slice = self._largest_slice = max(1, max(windows) // query.width // 24)
        self._many_rows = False
        self._progress: float | None = None
        self.name = query.title.removeprefix("monitoring.")
        self._newest_seen: int | None = None
        self._newest_ahead: float | None = None
        self.future_rows: int | None = None
        self._look_ahead_at = 0

    @property
    def newest(self) -> float | None:
        """See the class."""
        return self._newest_seen if self._newest_ahead is None else self._newest_ahead

    @property
    def counters(self) -> Cells:
        """Sums over what became visible since the first refresh."""
        return self._windows.counters

    async def refresh(
        self, moment: Moment, *, changed: Collection[int] = (), aside: Callable[[int], str] | None = None
    ) -> list[tuple[Any, ...]]:
        """Let all windows end at the database's now, and read missing history as far as time allows.

        Args:
            moment: of this collection; it follows the database's clock.
            changed: buckets known to have changed.
            aside: makes of the unix time in microseconds at which all windows end what `RangeQuery.sql` calls so.

        Returns:
            The rows of `aside`: keys, then values.

        Raises:
            PostgresError: the database cannot be read, or what it has is too late.
            DeadlineExceededError: it was too slow.
        """
        plan, rows = await self._read_now(moment, changed, aside)
        late = self._postgres.status.lag or 0.0
        self._windows.apply(plan, [row for row in rows if row.range >= 0], late=late)
        self._note(rows)
        for row in rows:
            if row.range == AHEAD:
                self.future_rows = row.bucket
                self._newest_ahead = None if row.values[0] is None else row.values[0] / 1000
                self._look_ahead_at = moment.now + AHEAD_EVERY_SECONDS * MICROSECONDS
        self._many_rows = sum(row.values[0] for row in rows if row.range == 0) > MANY_ROWS
        if self._windows.missing:
            await self._fill(moment)
        self._report(moment)
        return [(*row.key, *row.values) for row in rows if row.range == ASIDE]

    def sums(self, window: int) -> Cells | None:
        """See `RollingWindows.sums`."""
        return self._windows.sums(window)

    async def _read_now(
        self, moment: Moment, changed: Collection[int], aside: Callable[[int], str] | None
    ) -> tuple[Plan, list[Row]]:
        status = self._postgres.status
        again = True
        while True:
            began = time.monotonic()
            moment.follow(status.time_at(began))
            plan = self._windows.plan(moment.now, changed=changed)
            ahead_of = moment.now if moment.now >= self._look_ahead_at else None
            rows = await self._read(plan, moment.deadline, aside(moment.now) if aside else None, ahead_of)
            # Its clock is known from the first answer on, and it may be set.
            now = status.time_at(began)
            if not again or now is None or abs(now - moment.now) < NOISE_SECONDS * MICROSECONDS:
                return plan, rows
            again = False

    async def _fill(self, moment: Moment) -> None:
        if self._progress is None:
            self._progress = time.monotonic()
        until = Deadline(moment.deadline.remaining() * FILL_SHARE)
        expected = 0.0
        # One that is cut off is read for nothing, and costs the connection.
        while (left := until.remaining()) > 1.5 * expected and (plan := self._windows.plan_fill(self._slice)):
            try:
                rows = await self._read(plan, until)
            except DeadlineExceededError:
                if left > until.seconds / 2:
                    self._slice = max(1, self._slice // 4)
                break
            self._windows.apply_fill(plan, rows)
            self._progress = time.monotonic()
            self._note(rows)
            expected = left - until.remaining()
            if expected < until.seconds / 8 and self._slice < self._largest_slice:
                self._slice = min(2 * self._slice, self._largest_slice)
                expected *= 2

    def _report(self, moment: Moment) -> None:
        if not self._windows.missing or self._progress is None:
            self._progress = None
            return
        seconds = float(self._windows.missing * self._query.width)
        longest = self._windows.windows[-1]
        moment.history = moment.history.with_other(History(seconds, max(0.0, 1 - seconds / longest)))
        stalled = time.monotonic() - self._progress
        if stalled > PATIENCE_SECONDS:
            hours = f"{seconds / 3600:.1f} h of history are still to be read"
            moment.problem(f"{self._query.title}: {hours}, and for {stalled:.0f} s none could be")

    def _note(self, rows: Iterable[Row]) -> None:
        newest = max((row.bucket for row in rows if row.range >= 0 and row.values[0]), default=None)
        if newest is not None:
            self._newest_seen = max(self._newest_seen or 0, newest * self._query.width)

    async def _read(
        self, plan: Plan, deadline: Deadline, aside: str | None = None, ahead_of: int | None = None
    ) -> list[Row]:
        query = self._query
        others = len(query.values) + len(query.rest)
        while True:
            sql = query.sql(plan.ranges, apart=self._many_rows, aside=aside, ahead_of=ahead_of)
            answer = await self._postgres.query_now(sql, len(query.keys), others, deadline)
            if not query.asks_anew(answer):
                return query.rows(answer)
