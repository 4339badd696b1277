"""What the responder tells Prometheus about itself.

ticketing_responder_incidents{playbook="FraudRateSpike",state="open"} 1
ticketing_responder_actions{action="lock_account",state="done"} 12
ticketing_responder_oldest_pending_seconds 0
ticketing_responder_stopped 0
ticketing_responder_ledger_up 1
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.version import VERSION
from responder.ledger.totals import Totals

_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Counters:
    """What this process has seen since it started."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._webhooks = Counter(
            "ticketing_responder_webhooks",
            "Requests to /alerts by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self._alerts = Counter(
            "ticketing_responder_alerts", "Alerts in accepted messages by outcome.", ["outcome"], registry=self.registry
        )
        # There from the start: the increase of a series that begins with 1 is 0.
        for outcome in ("braked", "other_platform"):
            self._alerts.labels(outcome)
        self._attempts = Counter(
            "ticketing_responder_attempts",
            "Tries of actions by outcome.",
            ["action", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ticketing_responder_attempt_duration_seconds",
            "How long one try of an action took.",
            ["action"],
            buckets=_BOUNDS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def webhook(self, outcome: str) -> None:
        """A request to /alerts."""
        self._webhooks.labels(outcome).inc()

    def alert(self, outcome: str) -> None:
        """An alert of an accepted message."""
        self._alerts.labels(outcome).inc()

    def tried(self, action: str, outcome: str, seconds: float) -> None:
        """A try of an action."""
        self._attempts.labels(action, outcome).inc()
        self._seconds.labels(action).observe(seconds)


def exposition(counters: Counters, totals: Totals | None, *, stopped: bool | None, dry_run: bool) -> bytes:
    """The text for Prometheus.

    Args:
        counters: of this process.
        totals: of the ledger, the same from every responder; None when the ledger does not say.
        stopped: whether a person has thrown the switch; None when nobody knows.
        dry_run: whether no action has an effect.
    """
    registry = CollectorRegistry()
    registry.register(_Ledger(totals, stopped=stopped, dry_run=dry_run))
    return generate_latest(registry) + generate_latest(counters.registry)


def collected(totals: Totals | None, *, stopped: bool | None, dry_run: bool) -> Iterator[Metric]:
    """The metrics of the ledger and the switches; see `exposition`."""
    return _Ledger(totals, stopped=stopped, dry_run=dry_run).collect()


class _Ledger(Collector):
    def __init__(self, totals: Totals | None, *, stopped: bool | None, dry_run: bool) -> None:
        self._totals = totals
        self._flags = {
            "ticketing_responder_ledger_up": ("1 when the ledger answers, else 0.", totals is not None),
            "ticketing_responder_stopped": ("1 when a person has stopped all actions, else 0.", stopped),
            "ticketing_responder_dry_run": ("1 when the configuration lets no action have an effect, else 0.", dry_run),
        }

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        build = GaugeMetricFamily("ticketing_responder_build_info", "The version, always 1.", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        for name, (text, value) in self._flags.items():
            if value is not None:
                yield GaugeMetricFamily(name, text, value=float(value))
        if self._totals is None:
            return
        incidents = GaugeMetricFamily(
            "ticketing_responder_incidents", "All incidents so far, by state.", labels=["playbook", "state"]
        )
        for (playbook, state), count in self._totals.incidents.items():
            incidents.add_metric([playbook, state], count)
        yield incidents
        actions = GaugeMetricFamily(
            "ticketing_responder_actions", "All actions so far, by state.", labels=["action", "state"]
        )
        for (action, state), count in self._totals.actions.items():
            actions.add_metric([action, state], count)
        yield actions
        yield GaugeMetricFamily(
            "ticketing_responder_oldest_pending_seconds",
            "How long the oldest due action, or change to put back, has waited; 0 when none waits.",
            value=self._totals.oldest_pending_seconds,
        )
