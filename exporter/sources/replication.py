"""How late a replica is, by what PostgreSQL and Redis say of themselves."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from enum import Enum
from typing import Any

from exporter.sources.status import SourceStatus

PING_SECONDS = 10
"""A master of Redis that has nothing to say to its replicas says so once in this time."""

_MICROSECONDS = 1_000_000
# In the first column, of the rows with PostgreSQL's time and lag, and with how much of the log a standby has replayed.
_CLOCK, _POSITION = -2, -3
_UNKNOWN, _STANDBY = -1, -2
_SINCE_1970 = "(extract(epoch FROM {}) * 1000000)::bigint"
# All that was received is replayed, and more would be received if there were more. Received may be behind replayed:
# after a start it begins at a segment. Everybody may see whether the receiver is there.
_LAG = f"""CASE WHEN NOT pg_is_in_recovery() THEN 0
    WHEN (pg_stat_get_wal_receiver()).pid IS NOT NULL AND pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn() THEN 0
    ELSE coalesce({_SINCE_1970.format("clock_timestamp() - pg_last_xact_replay_timestamp()")}, {_UNKNOWN}) END"""
_ROLE = f"CASE WHEN pg_is_in_recovery() THEN {_STANDBY} ELSE 0 END"
# Not every service that speaks PostgreSQL's language has these, and a role may not be allowed them.
_REFUSED = re.compile(r"\bpg_(is_in_recovery|stat_get_wal_receiver|last_wal_\w+|last_xact_\w+|wal_lsn_diff)\b")
_FIELD = re.compile(r"^(\w+):(.*?)\r?$", re.MULTILINE)


class Asks(Enum):
    """What PostgreSQL is asked of itself, beside its time."""

    LAG = 1
    """How late it is, and how much it has replayed."""
    ROLE = 2
    """Whether it is a primary still: that costs less, and no primary becomes a standby without a restart."""
    NOTHING = 3
    """It does not say."""


class PostgresReplica:
    """Follows what PostgreSQL says, which may be a standby.

    Whoever has replayed as much of the log as there once was knows everything up to that time. So a standby that has
    just received something, or lost its primary, is as late as that is ago, not as its last transaction.
    """

    def __init__(self, status: SourceStatus) -> None:
        self._status = status
        self._asks = Asks.LAG
        self._complete: tuple[int, int] | None = None

    def question(self, sql: str, keys: int, others: int) -> str:
        """A SELECT that tells the status, too, in rows before its own.

        Args:
            sql: its own rows have a range, not negative, `ASIDE` or `AHEAD`; a whole number; so many keys of any type;
                a whole number; and so many others, that number included.
            keys: see above.
            others: see above.
        """
        before, after = ", NULL" * keys, ", NULL" * (others - 1)
        clock = f"SELECT {_CLOCK}, {_SINCE_1970.format('clock_timestamp()')}{before}, "
        if self._asks is not Asks.LAG:
            return f"{clock}{_ROLE if self._asks is Asks.ROLE else 'NULL::int'}{after} UNION ALL ({sql})"
        position = f"SELECT {_POSITION}, pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint{before}, NULL{after}"
        return f"{clock}{_LAG}{after} UNION ALL ({position} WHERE pg_is_in_recovery() UNION ALL ({sql}))"

    def may_go_on_without(self, message: str) -> bool:
        """Whether an error is about what is asked of the lag, which is not asked for again then."""
        if self._asks is Asks.NOTHING or _REFUSED.search(message) is None:
            return False
        self._asks = Asks.NOTHING
        return True

    def hear(
        self, answer: Iterable[tuple[Any, ...]], keys: int, sent: float, received: float
    ) -> list[tuple[Any, ...]] | None:
        """Take in the status; the other rows of an answer, or None when another question has to be asked.

        Args:
            answer: to `question`.
            keys: see there.
            sent: when the question was, by the monotonic clock.
            received: when the answer was.
        """
        rows = []
        now = position = lag = None
        for row in answer:
            if row[0] == _CLOCK:
                now, lag = row[1], row[2 + keys]
            elif row[0] == _POSITION:
                position = row[1]
            else:
                rows.append(row)
        if now is None:
            return rows
        self._status.hear_time(now / _MICROSECONDS, sent, received)
        if lag == _STANDBY:
            self._asks = Asks.LAG
            return None
        if self._asks is Asks.LAG and position is None:
            self._asks = Asks.ROLE
        self._status.hear_lag(None if lag is None else self._lag(now, lag, position))
        return rows

    def _lag(self, now: int, lag: int, position: int | None) -> float:
        if position is not None and lag == 0:
            self._complete = (now, position)
        known = [] if lag == _UNKNOWN else [max(0, lag)]
        if position is not None and self._complete is not None and position >= self._complete[1]:
            known.append(max(0, now - self._complete[0]))
        return min(known) / _MICROSECONDS if known else math.inf


class RedisReplica:
    """Follows what Redis says, which may be a replica."""

    def __init__(self) -> None:
        self._alive = -math.inf

    def lag(self, info: str) -> float:
        """Seconds that the data are late; infinite when nobody knows.

        Args:
            info: the answer to `INFO replication`.
        """
        if "role:slave" not in info:
            return 0.0
        fields = dict(_FIELD.findall(info))
        now = time.monotonic()
        silent = float(fields.get("master_last_io_seconds_ago", -1))
        if fields.get("master_link_status") == "up" and silent >= 0:
            self._alive = now - silent
            return silent if silent > PING_SECONDS else 0.0
        # A link is down only when the master has been silent for long, so its own time begins late.
        down = float(fields.get("master_link_down_since_seconds", -1))
        known = [since for since in (down, now - self._alive) if 0 <= since < math.inf]
        return max(known, default=math.inf)
