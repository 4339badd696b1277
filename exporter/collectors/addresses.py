"""Over how many admin accounts the failures from one address are spread: who tries one password on everybody.

ticketing_admin_accounts_of_one_address{address="203.0.113.99",window="5m"} 12

Anybody can fail under any name, and may be able to say any address. The database sends the pairs of both, of a bucket
no more than `MOST_PAIRS`, so that what is told is at least so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nsmallest
from typing import Any

from exporter.collectors import accounts
from exporter.exposition import Family, Metric
from exporter.windows import Key, Plan, Reread, Row

MOST_ADDRESSES = 10
MOST_PAIRS = 200
"""Of one bucket, severity and event type."""
LONGEST_ADDRESS = 45
"""Characters, which are enough for every address; what is longer is cut."""

METRIC = Metric(
    "ticketing_admin_accounts_of_one_address",
    "gauge",
    "Accounts of which a sign-in or a second factor failed from one address in the window, from 2 on, of the"
    f" {MOST_ADDRESSES} addresses with most of them. At least so many: of 5 seconds no more than {MOST_PAIRS} failures"
    " are read.",
    ("address", "window"),
)


def pairs(condition: str) -> str:
    """An aggregate expression: account and address of rows that meet a condition, as `Addresses` takes them."""
    pair = f"to_hex({accounts.HASH}) || ' ' || left(source_ip::text, {LONGEST_ADDRESS})"
    return f"(array_agg({pair}) FILTER (WHERE {condition} AND source_ip::text <> ''))[1:{MOST_PAIRS}]"


class Addresses:
    """A `Companion` of `RollingWindows`.

    Args:
        width: of a bucket, in seconds.
        concerns: whether the pairs in rows with a key count.
        output: which of `Row.rest` has them.
    """

    def __init__(self, width: int, concerns: Callable[[Key], bool], output: int) -> None:
        self._reread = Reread(accounts.WINDOW, width)
        self._concerns = concerns
        self._output = output
        self._buckets: dict[int, set[str]] = {}

    def apply(self, plan: Plan, rows: Sequence[Row]) -> None:
        """See `Companion`."""
        if plan.starting:
            self._buckets = {}
        read = self._reread(plan, rows)
        self._buckets |= {bucket: set(self._pairs(of_it)) for bucket, of_it in read.items()}
        edge = self._reread.edge
        self._buckets = {bucket: found for bucket, found in self._buckets.items() if bucket >= edge and found}

    def family(self) -> Family:
        """What is known now."""
        tried: dict[str, int] = {}
        for pair in set().union(*self._buckets.values()):
            address = pair.partition(" ")[2]
            tried[address] = tried.get(address, 0) + 1
        several = [(-number, address) for address, number in tried.items() if number > 1]
        family = Family(METRIC)
        for number, address in nsmallest(MOST_ADDRESSES, several):
            family.add(-number, address, "5m")
        return family

    def _pairs(self, rows: Sequence[Row]) -> list[Any]:
        return [pair for row in rows if self._concerns(row.key) for pair in row.rest[self._output] or ()]
