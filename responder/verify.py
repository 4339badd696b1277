"""Whether incidents are really over: Prometheus is asked, nobody is believed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from responder.config import Pace
from responder.labels import platform_of
from responder.ledger import checks
from responder.ledger.checks import Check, Verdict
from responder.placeholders import PlaceholderError, fill, promql, values_of
from responder.playbooks import EndsWhen, Playbooks
from responder.postgres import Postgres
from responder.prometheus import Prometheus, PrometheusError, Sample

logger = logging.getLogger(__name__)

MOST_INCIDENTS = 1000
"""Of one round."""
ROUND_SECONDS = 10.0
"""After which a round begins no further question; what it did not come to is first in the next one."""
AT_ONCE = 8
"""Questions to Prometheus, of the 20 that it answers at once by default."""


def verify_due(postgres: Postgres, prometheus: Prometheus, playbooks: Playbooks, pace: Pace) -> bool:
    """Look once at each incident that is due and may be over; however many they are, each question is asked once.

    Returns:
        Whether there were any.

    Raises:
        PostgresError: the ledger does not answer.
    """
    due = postgres.run(lambda cursor: checks.due(cursor, ROUND_SECONDS, MOST_INCIDENTS))
    if not due:
        return False
    answers = _Answers(prometheus, time.monotonic() + ROUND_SECONDS)

    def look(check: Check) -> Verdict | None:
        playbook = playbooks.get(check.playbook)
        ends_when = playbook.ends_when if playbook is not None else EndsWhen()
        try:
            doubt = why_not_over(answers.to, check, ends_when)
        except PrometheusError as error:
            doubt = str(error)
        except _TimeIsUpError:
            return None
        return Verdict(check, doubt, ends_when.for_)

    with ThreadPoolExecutor(AT_ONCE, "verify") as pool:
        verdicts = [verdict for verdict in pool.map(look, due) if verdict is not None]
    if len(verdicts) < len(due):
        logger.warning("Prometheus answers slowly: %d incidents have to wait", len(due) - len(verdicts))
    for verdict in verdicts:
        # Said when it begins or becomes another one, not each time one asks.
        if verdict.doubt not in (None, verdict.check.last_check):
            logger.warning("incident %s: not over: %s", verdict.check.correlation_id, verdict.doubt)
    # A round may take its whole time, and a few looks may come to nothing, before the waiting begins anew.
    gap = ROUND_SECONDS + 4 * pace.check_every
    closed = postgres.run(lambda cursor: checks.write(cursor, verdicts, next_after=pace.check_every, longest_gap=gap))
    for correlation_id in closed:
        logger.info("incident %s: over", correlation_id)
    return True


class _TimeIsUpError(Exception):
    """The round's time is over before Prometheus was asked."""


class _Answers:
    """What Prometheus answers in one round; who comes second waits for the answer to the first."""

    def __init__(self, prometheus: Prometheus, until: float) -> None:
        self._prometheus = prometheus
        self._until = until
        self._asked: dict[str, Future[list[Sample]]] = {}
        self._lock = Lock()

    def to(self, expression: str) -> list[Sample]:
        """The vector that an expression gives.

        Raises:
            PrometheusError: Prometheus does not say.
            _TimeIsUpError: it was not asked.
        """
        mine = None
        with self._lock:
            asked = self._asked.get(expression)
            if asked is None:
                if time.monotonic() >= self._until:
                    raise _TimeIsUpError
                asked = mine = self._asked[expression] = Future()
        if mine is not None:
            try:
                mine.set_result(self._prometheus.query(expression))
            except BaseException as error:
                # Whatever it is, nobody may wait for this answer for ever.
                mine.set_exception(error)
        return asked.result()


def why_not_over(ask: Callable[[str], Sequence[Sample]], check: Check, ends_when: EndsWhen) -> str | None:
    """Why the incident may not be over; None when it is.

    Args:
        ask: Prometheus, for the vector that an expression gives; what it raises comes through.
        check: the incident.
        ends_when: of its playbook.
    """
    platform = platform_of(check.labels)
    for series in ask(f'ALERTS{{alertname="{promql(check.alertname)}"}}'):
        if platform_of(series.labels) != platform:
            continue
        # Labels that only one side has do not tell two alerts apart: Alertmanager is told the external ones of
        # Prometheus besides, and not told the replica, which a store for several Prometheus servers knows.
        own = {name: value for name, value in series.labels.items() if name not in ("__name__", "alertstate")}
        if all(check.labels.get(name, value) == value for name, value in own.items()):
            return f"the alert is {series.labels.get('alertstate')}"
    source = check.labels.get("source_job")
    if source and not ask(f'up{{job="{promql(source)}",platform="{promql(platform)}"}} == 1'):
        return f"its source, job {source}, is not up"
    values = values_of(check.labels, check.annotations, check.playbook, str(check.correlation_id))
    for expression in ends_when.all:
        try:
            filled = fill(expression, values, promql)
        except PlaceholderError as error:
            return str(error)
        if not ask(filled):
            return f"false or unknown: {filled}"
    return None
