"""Says in the log when PostgreSQL fails and when it no longer does, once for all threads."""

from __future__ import annotations

import logging
import threading

logger = logging.getLogger(__name__)


class Outage:
    """What PostgreSQL fails with, for each thread that asks it again and again."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()

    def failed(self, thread: str, problem: str) -> None:
        """Log what no thread has said yet."""
        with self._lock:
            known = problem in self._problems.values()
            self._problems[thread] = problem
        if not known:
            logger.warning("%s", problem)

    def passed(self, thread: str) -> None:
        """The thread had its answer, or needs none now; log it when it was the last one that failed."""
        with self._lock:
            ended = self._problems.pop(thread, None) is not None and not self._problems
        if ended:
            logger.info("PostgreSQL answers again")
