"""Which values of a column have a name of their own, when strangers choose them: exactly, however many there are.

The first `most` names have one each. Rows with others are folded into one, `OTHER`. Where a name goes depends on itself
and on its row's time bucket, and on nothing else, so that a row that is read again goes where it went before: sums stay
exact, and so does their total. A name that is gone from all windows gives its place away; one that gets a place after
rows were folded has it from the next bucket on, and is shown in a window that lies after that as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from exporter.own_metrics.quoting import constant

# How the bytes of a database are shown that keeps any: asked for by that, they would not be found.
_NOT_AS_IT_IS = re.compile(r"\\x[0-9a-f]{2}")


class Names:
    """The names of one column.

    Args:
        most: how many may have a place.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._since: dict[str, int] = {}
        self._folded = False
        self._next_bucket = 0

    @property
    def known(self) -> Collection[str]:
        """Those that have a place."""
        return self._since.keys()

    @property
    def free(self) -> int:
        """How many places there are."""
        return self._most - len(self._since)

    def is_known(self, name: str) -> str:
        """An SQL condition: an expression is one of the known names."""
        return f"{name} IN ({', '.join(map(constant, self._since))})" if self._since else "false"

    def of_known(self, name: str) -> str:
        """An SQL expression: the name if it is known, else NULL."""
        return f"CASE WHEN {self.is_known(name)} THEN {name} END"

    def ask(self, last_bucket: int) -> None:
        """Buckets up to this one are about to be read."""
        self._next_bucket = max(self._next_bucket, last_bucket + 1)

    def place(self, name: str | None, bucket: int) -> str | None:
        """Where a row goes: to its name, which gets a place if there is one, or to None, which is all others."""
        since = self._since.get(name) if name is not None else None
        if since is None:
            if name is None or not self.free or _NOT_AS_IT_IS.search(name):
                self._folded = True
                return None
            since = self._since[name] = self._next_bucket if self._folded else 0
        return name if bucket >= since else None

    def whole_since(self, name: str, bucket: int) -> bool:
        """Whether all rows with the name, from this bucket on, went to it."""
        return self._since.get(name, 0) <= bucket

    def forget(self, present: Collection[str], oldest: int) -> None:
        """Let those go that are not present once no place is left, but none that got one after the oldest bucket."""
        if not self.free:
            self._since = {name: since for name, since in self._since.items() if name in present or since > oldest}
