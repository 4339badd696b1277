"""Whether an incident is really over: Prometheus is asked, nobody is believed."""

from __future__ import annotations

import logging

from responder.config import Pace
from responder.ledger import checks
from responder.ledger.checks import Check
from responder.placeholders import PlaceholderError, fill, promql, values_of
from responder.playbooks import EndsWhen, Playbooks
from responder.postgres import Postgres
from responder.prometheus import Prometheus, PrometheusError

logger = logging.getLogger(__name__)


def verify_next(postgres: Postgres, prometheus: Prometheus, playbooks: Playbooks, pace: Pace) -> bool:
    """Look at the next incident that may be over.

    Returns:
        Whether there was one.

    Raises:
        PostgresError: the ledger does not answer.
    """
    check = postgres.run(lambda cursor: checks.next_check(cursor, pace.check_every))
    if check is None:
        return False
    playbook = playbooks.get(check.playbook)
    ends_when = playbook.ends_when if playbook is not None else EndsWhen()
    try:
        doubt = _doubt(prometheus, check, ends_when)
    except PrometheusError as error:
        doubt = str(error)
    if doubt is not None:
        reason = doubt
        # Said when it begins or becomes another one, not each time one asks.
        if reason != check.last_check:
            logger.warning("incident %s: not over: %s", check.correlation_id, reason)
        postgres.run(lambda cursor: checks.not_over(cursor, check, reason))
        return True
    gap = 4 * pace.check_every
    if postgres.run(lambda cursor: checks.over(cursor, check, hold=ends_when.for_, longest_gap=gap)):
        logger.info("incident %s: over", check.correlation_id)
    return True


def _doubt(prometheus: Prometheus, check: Check, ends_when: EndsWhen) -> str | None:
    """Why the incident may not be over; None when it is.

    Raises:
        PrometheusError: Prometheus does not say.
    """
    for series in prometheus.query(f'ALERTS{{alertname="{promql(check.alertname)}"}}'):
        # Labels that only one side has do not tell two alerts apart: Alertmanager is told the external ones of
        # Prometheus besides, and not told the replica, which a store for several Prometheus servers knows.
        own = {name: value for name, value in series.labels.items() if name not in ("__name__", "alertstate")}
        if all(check.labels.get(name, value) == value for name, value in own.items()):
            return f"the alert is {series.labels.get('alertstate')}"
    source = check.labels.get("source_job")
    if source and not prometheus.query(f'up{{job="{promql(source)}"}} == 1'):
        return f"its source, job {source}, is not up"
    values = values_of(check.labels, check.annotations, check.playbook, str(check.correlation_id))
    for expression in ends_when.all:
        try:
            filled = fill(expression, values, promql)
        except PlaceholderError as error:
            return str(error)
        if not prometheus.query(filled):
            return f"false or unknown: {filled}"
    return None
