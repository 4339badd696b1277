"""Failed sign-ins of one kind by account, although anybody can fail them under any name.

ticketing_admin_login_failures{account="alice",window="5m"} 5
ticketing_admin_failures_beyond_bound{event_type="login_failed",window="5m"} 0
ticketing_admin_accounts_not_listed{event_type="login_failed",window="5m"} 0

The database sends hashes of the names, which `NameCounts` counts. A name itself is read once, when its account is to
be listed.
"""

from __future__ import annotations

import heapq
import secrets
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from common.deadline import DeadlineExceededError
from common.postgres import PostgresError
from exporter.collectors.base import Moment
from exporter.exposition import Family, Metric
from exporter.name_counts import MOST_IN_A_BUCKET, NAME_BYTES, NameCounts
from exporter.sources.postgres import PostgresSource
from exporter.sources.ranges import literal
from exporter.windows import MICROSECONDS, Cells, Key, merge

WINDOW = 300
MOST_ACCOUNTS = 50
MOST_ALIKE = 2_000
"""Of so many accounts with equally many failures those are listed that come first by name."""
MOST_READ = 50_000
"""Failures among which names are looked for in one scrape."""

BEYOND_BOUND = Metric(
    "ticketing_admin_failures_beyond_bound",
    "gauge",
    "Failures in the window that are not counted by account, because there are too many names; otherwise 0.",
    ("event_type", "window"),
)
NOT_LISTED = Metric(
    "ticketing_admin_accounts_not_listed",
    "gauge",
    f"Accounts with more than one failure in the window that are not among the {MOST_ACCOUNTS} that are listed.",
    ("event_type", "window"),
)

HASH = f'hashtextextended(account COLLATE "C", {secrets.randbits(62)}) >> 4'
"""Of an account. With a seed of the process's own nobody can make up names that are taken for one another. 60 bits tell
names apart, and take two thirds of the memory of 64 in Python."""
# Somebody may type a book. Two that begin alike stay two, and have the same names in every exporter. A name that is
# shown as it is, is shorter than all that are cut, so that nobody can type what another is cut to.
_UNCUT = 160
_MARKS = [f"""to_hex(hashtextextended(account COLLATE "C", {seed}))""" for seed in (1, 2)]
_LONG = " || ".join([f"left(account, {_UNCUT})", "'...'", *_MARKS])
_NAME = f"CASE WHEN length(account) <= {_UNCUT} THEN account ELSE {_LONG} END"


def hashes(condition: str) -> str:
    """An aggregate expression: the hashes of the names in rows that meet a condition, as `NameCounts` takes them."""
    of_all = f"string_agg(int8send({HASH}), '') FILTER (WHERE {condition})"
    return f"substr({of_all}, 1, {MOST_IN_A_BUCKET * NAME_BYTES})"


class Accounts:
    """The accounts with most failures.

    Args:
        postgres: where security events are.
        metric: failures by account.
        event_type: of the failures; the second part of a key.
        width: of a bucket, in seconds.
    """

    def __init__(self, postgres: PostgresSource, metric: Metric, event_type: str, width: int) -> None:
        self.counts = NameCounts(WINDOW, width=width, concerns=self._concerns)
        self._postgres = postgres
        self._metric = metric
        self._event_type = event_type
        self._width = width * MICROSECONDS
        self._names: dict[int, str] = {}

    async def families(self, moment: Moment, sums: Cells) -> Sequence[Family]:
        """What is known now; names that cannot be read are a problem.

        Args:
            moment: of this collection.
            sums: over the window: of events, and of those that have an account.
        """
        ranking = list(self._ranking())
        try:
            await self._look_up(moment, ranking)
        except (PostgresError, DeadlineExceededError) as error:
            # Those that are known under attack stay in sight.
            moment.problem(f"names of accounts: {error}")
        # A name that is not listed any more is forgotten.
        self._names = {one: self._names[one] for _, alike in ranking for one in alike if one in self._names}
        named = sum(failures for key, (_, failures) in sums.items() if self._concerns(key))
        listed = self._listed(ranking)
        repeatedly = sum(failures > 1 for failures in listed.values())
        family = Family(self._metric)
        for name, failures in listed.items():
            family.add(failures, name, "5m")
        return [
            family,
            Family(BEYOND_BOUND).add(named - self.counts.occurrences, self._event_type, "5m"),
            Family(NOT_LISTED).add(self.counts.repeated - repeatedly, self._event_type, "5m"),
        ]

    def _concerns(self, key: Key) -> bool:
        return bool(key[1] == self._event_type)

    def _ranking(self) -> Iterator[tuple[int, Sequence[int]]]:
        """Failures, and the accounts with so many: the 50 with most, and those who share the last place."""
        left = MOST_ACCOUNTS
        for failures, alike in self.counts.by_count(MOST_ALIKE):
            accounts = list(alike) if len(alike) <= MOST_ALIKE else self._some(alike, left)
            yield failures, accounts
            left -= len(accounts)
            if left <= 0:
                break

    def _some(self, alike: dict[int, None], most: int) -> list[int]:
        # Those that are listed, so that series do not change all the time; then those that came last, and stay longest.
        listed = [account for account in self._names if account in alike][:most]
        others = (account for account in reversed(alike) if account not in listed)
        return [*listed, *islice(others, most - len(listed))]

    async def _look_up(self, moment: Moment, ranking: Sequence[tuple[int, Sequence[int]]]) -> None:
        places: dict[int, set[int]] = {}
        left = MOST_READ
        # First those that are listed in any case.
        for part in (ranking[:-1], ranking[-1:]):
            unknown = {one for _, alike in part for one in alike if one not in self._names}
            for bucket, here, occurrences in self.counts.places(unknown):
                if left <= 0:
                    break
                places.setdefault(bucket, set()).update(here)
                left -= occurrences
        if places:
            rows = await self._postgres.query(self._names_sql(places), (), moment.deadline)
            self._names.update(rows)

    def _names_sql(self, places: dict[int, set[int]]) -> str:
        return " UNION ".join(
            f"SELECT hash, name FROM (SELECT {HASH} AS hash, {_NAME} AS name FROM monitoring.security_events"
            f" WHERE timestamp >= {literal(buckets.start * self._width)}"
            f" AND timestamp < {literal(buckets.stop * self._width)} AND event_type = '{self._event_type}') AS failed"
            f" JOIN unnest('{{{_list(places, buckets)}}}'::bigint[]) AS unknown (hash) USING (hash)"
            for buckets in merge(places)
        )

    def _listed(self, ranking: Iterable[tuple[int, Sequence[int]]]) -> dict[str, int]:
        failures: dict[str, int] = {}
        for count, alike in ranking:
            names = (self._names[account] for account in alike if account in self._names)
            for name in heapq.nsmallest(MOST_ACCOUNTS - len(failures), names):
                failures[name] = count
        return failures


def _list(places: dict[int, set[int]], buckets: range) -> str:
    return ",".join(str(account) for bucket in buckets for account in places.get(bucket, ()))
