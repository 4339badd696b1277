"""What a contender uses up: processor time and memory of its process, time and blocks of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

# Only statements that a client sent: what runs inside them is in their time already. Blocks read while planning
# are not counted by PostgreSQL 15, nor is the time to parse.
_STATEMENTS = """
    SELECT coalesce(sum(total_plan_time + total_exec_time), 0)::float8,
           coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint,
           coalesce(max(calls), 0)
    FROM pg_stat_statements
    WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = %s) AND toplevel
          AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@dataclass(frozen=True)
class Usage:
    """Totals since some beginning, or their difference.

    Attributes:
        cpu_seconds: user and system time of the process.
        postgres_ms: planning and execution.
        postgres_blocks: of 8 kB, found in memory or read.
        most_calls: of one statement.
    """

    cpu_seconds: float
    postgres_ms: float
    postgres_blocks: int
    most_calls: int

    def since(self, before: Usage) -> Usage:
        """What was used since then."""
        return Usage(
            self.cpu_seconds - before.cpu_seconds,
            self.postgres_ms - before.postgres_ms,
            self.postgres_blocks - before.postgres_blocks,
            self.most_calls - before.most_calls,
        )


class Meter:
    """Reads the totals of one contender.

    Args:
        pid: of its process.
        role: its login at PostgreSQL; None when it has none.
        query: gives the rows of a statement with parameters in the database that it reads, as superuser.
    """

    def __init__(
        self, pid: int, role: str | None, query: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
    ) -> None:
        self._process = psutil.Process(pid)
        self._role = role
        self._query = query

    def read(self) -> Usage:
        """The totals of now."""
        times = self._process.cpu_times()
        milliseconds, blocks, calls = 0.0, 0, 0
        if self._role is not None:
            ((milliseconds, blocks, calls),) = self._query(_STATEMENTS, (self._role,))
        return Usage(times.user + times.system, milliseconds, int(blocks), calls)

    @property
    def resident_megabytes(self) -> float:
        """Memory of the process that is in RAM, in 10⁶ bytes."""
        return float(self._process.memory_info().rss) / 1e6
